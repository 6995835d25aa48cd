"""`tagdb models`: the stored classifiers, listed, shown, activated and deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tagdb import classify
from tagdb.classify import Metrics
from tagdb.db.connection import Database, Row, Session
from tagdb.errors import InputRefused
from tagdb.models import Reporter
from tagdb.pipeline.learning import predict
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import recorded


@dataclass(frozen=True)
class StoredClassifier:
    """A classifier as it is stored, without its weights; `usable` when its embedder is the active one."""

    id: int
    name: str
    active: bool
    embedder: str
    usable: bool
    classes: tuple[str, ...]
    query: str
    metrics: dict[str, Any]
    settings: dict[str, Any]
    versions: dict[str, str]
    created_at: datetime

    @property
    def report(self) -> str:
        """Precision, recall, F1 and support of each class on the held-out rows, as a table of text."""
        return classify.render_report(Metrics.from_json(self.metrics))

    @property
    def confusion(self) -> str:
        """The confusion matrix on the held-out rows, as a table of text."""
        return classify.render_confusion(Metrics.from_json(self.metrics))

    @classmethod
    def from_row(cls, row: Row) -> StoredClassifier:
        """Take the columns of a row of `classifier` joined with its embedder."""
        return cls(
            row.id,
            row.name,
            row.active,
            row.embedder,
            row.embedder_active,
            tuple(row.classes),
            row.query,
            row.metrics,
            row.settings,
            row.versions,
            row.created_at,
        )


@dataclass(frozen=True)
class Deletion:
    """What deleting a classifier does: of the `total` labels it wrote `written`.

    They are lost, unless `heir` names the active classifier, which writes them anew first; then `renewed` tells how
    many labels that were. `removed` labels are gone.
    """

    classifier: StoredClassifier
    written: int
    total: int
    heir: str | None
    renewed: int = 0
    removed: int = 0


def stored(database: Database) -> Sequence[StoredClassifier]:
    """Return all classifiers, oldest first."""
    with database.session() as session:
        return [StoredClassifier.from_row(row) for row in session.rows("classifier.all")]


def find(database: Database, which: str) -> StoredClassifier:
    """Return the classifier of that name or number."""
    with database.session() as session:
        return _find(session, which)


def activate(database: Database, which: str) -> StoredClassifier:
    """Let sync and predict use this classifier; the labels of the former one become stale.

    Raises
    ------
    InputRefused : there is none of that name, or its embedder is not the active one
    """
    with database.session() as session, exclusive(session), recorded(session, "models activate", {"which": which}):
        found = _find(session, which)
        if not found.usable:
            raise InputRefused(
                f"classifier {found.name!r} was trained on vectors of embedder {found.embedder!r}, not the active one",
                hint="train on the new vectors: tagdb train --query SQL",
            )
        with session.transaction():
            session.execute("classifier.deactivate", id=found.id)
            session.execute("classifier.activate", id=found.id)
        return replace(found, active=True)


def deletion(database: Database, which: str) -> Deletion:
    """Tell what deleting a classifier would do; nothing is written."""
    with database.session() as session:
        return _deletion(session, which)


def delete(database: Database, which: str, reporter: Reporter) -> Deletion:
    """Delete a classifier with its weights; labels that it wrote are first written anew by the active one.

    Only where there is no other active classifier, or one whose vectors are no longer in use, they go along.
    """
    args = {"which": which}
    with database.session() as session, exclusive(session), recorded(session, "models delete", args) as counts:
        with session.transaction():
            planned = _deletion(session, which)
            if planned.heir:
                with reporter.step("predicting"):
                    predicted = predict.write_labels(session)
                assert predicted is not None
                planned = replace(planned, renewed=predicted.written, removed=predicted.removed)
            left = session.row("classifier.count_labels", id=planned.classifier.id)
            assert left is not None
            session.execute("classifier.delete", id=planned.classifier.id)
        done = replace(planned, removed=planned.removed + left.written)
        counts.read = counts.written = done.renewed
        counts.detail = {"labels_removed": done.removed, "renewed_by": done.heir}
        return done


def _deletion(session: Session, which: str) -> Deletion:
    found, active = _find(session, which), session.row("predict.active_classifier")
    labels = session.row("classifier.count_labels", id=found.id)
    assert labels is not None
    able = active is not None and active.id != found.id and active.embedder_active and labels.written
    return Deletion(found, labels.written, labels.total, active.name if able and active else None)


def _find(session: Session, which: str) -> StoredClassifier:
    row = session.row("classifier.find", which=which)
    if row is None:
        raise InputRefused(f"there is no classifier {which!r}", hint="tagdb models list")
    return StoredClassifier.from_row(row)
