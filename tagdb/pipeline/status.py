"""`tagdb status`: one exact picture of how current texts, vectors, labels and indexes are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tagdb.db import lifting, source
from tagdb.db.connection import Database, Session
from tagdb.pipeline import embedders, indexing, moved
from tagdb.pipeline.embedding import DEFAULT_MAX_TOKENS, NO_TOKEN
from tagdb.pipeline.indexing import IndexStatus
from tagdb.pipeline.moved import Moved


@dataclass
class Status:
    """Exact counts: `due` texts have neither vector nor recorded failure, `stale` labels are missing or outdated.

    `failed` texts have no vector, for the reasons in `failures`. A classifier is not `classifier_usable` when the
    vectors it was trained on are no longer in use.
    """

    database: str
    source: str | None = None
    rows: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0
    texts: int = 0
    embedded: int = 0
    truncated: int = 0
    due: int = 0
    failed: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    tags: int = 0
    labelled: int = 0
    stale: int = 0
    embedder: str | None = None
    switching_to: str | None = None
    classifier: str | None = None
    classifier_usable: bool = True
    indexes: list[IndexStatus] = field(default_factory=list)
    last_run: dict[str, Any] | None = None

    @property
    def refused(self) -> int:
        """How many texts the encoder refused; those without a token are not counted, for they hold nothing to embed."""
        return self.failed - self.failures.get(NO_TOKEN, 0)

    @property
    def current(self) -> bool:
        """Whether there is nothing for sync to do, and nothing that it could not do."""
        lost = self.source is None and self.texts
        behind = lost or self.new or self.changed or self.gone or self.due or self.stale or self.switching_to
        return not behind and not self.refused and self.classifier_usable

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a script."""
        return {**asdict(self), "current": self.current}


def status(database: Database) -> Status:
    """Count how current everything is; nothing is written."""
    with database.session() as session, session.transaction(read_only=True):
        lifting.require_standing(session)
        picture = Status(database.shown, source.current(session))
        look = moved.glance(session, DEFAULT_MAX_TOKENS)
        _describe_vectors(session, picture)
        _describe_classifier(session, picture)
        if look.moved is not Moved.NONE:
            _count_changes(session, picture)
        if not look.nothing_moved:
            _count_stale_labels(session, picture)
        picture.indexes = indexing.status(session)
        if last := session.row("run.last"):
            picture.last_run = last._asdict()
        return picture


def _count_changes(session: Session, picture: Status) -> None:
    if picture.source is None:
        return
    changes = session.row("status.changes")
    assert changes is not None
    picture.rows, picture.new = changes.rows, changes.new
    picture.changed, picture.gone = changes.changed, changes.gone


def _describe_vectors(session: Session, picture: Status) -> None:
    chosen, active = session.row("embedder.chosen"), embedders.active(session)
    picture.embedder = active.name if active else None
    if chosen and not chosen.active:
        picture.switching_to = chosen.name
    target = chosen.id if chosen else None
    counts = session.row("status.counts", embedder=target)
    assert counts is not None
    picture.rows = counts.questions if picture.source is not None else 0
    picture.texts, picture.embedded, picture.truncated = counts.texts, counts.embedded, counts.truncated
    picture.failed, picture.tags, picture.labelled = counts.failed, counts.tags, counts.labelled
    picture.due = counts.texts - counts.embedded - counts.failed
    picture.failures = {row.reason: row.texts for row in session.rows("status.failure_reasons", embedder=target)}


def _describe_classifier(session: Session, picture: Status) -> None:
    if classifier := session.row("predict.active_classifier"):
        picture.classifier, picture.classifier_usable = classifier.name, classifier.embedder_active


def _count_stale_labels(session: Session, picture: Status) -> None:
    if classifier := session.row("predict.active_classifier"):
        active = embedders.active(session)
        picture.stale = session.scalar(
            "predict.count_due", embedder=active.id if active else None, classifier=classifier.id
        )
