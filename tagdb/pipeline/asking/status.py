"""`tagdb status`: one exact picture of how current texts, vectors, tags and labels are, and why they are not."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tagdb import advice
from tagdb.config import DEFAULT_SCHEMA
from tagdb.db import capture, keys, lifting, rights, source, sourceviews
from tagdb.db.connection import Database, Session
from tagdb.db.source import PRESETS
from tagdb.errors import ConnectionFailed, DatabaseError, InputRefused, QueryRefused, SchemaMismatch, Unavailable
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning import predict
from tagdb.pipeline.syncing import indexing, moved, tag_vectors
from tagdb.pipeline.syncing.embedding import DEFAULT_MAX_TOKENS, NO_TOKEN
from tagdb.pipeline.syncing.indexing import IndexStatus
from tagdb.pipeline.syncing.moved import Look, Moved

_SYNC = "tagdb sync"
_SAY_AGAIN = "say again what to embed: tagdb sync --text tags, or --source-sql 'SELECT …'"


@dataclass(frozen=True)
class Reason:
    """Why not everything is current, in a few words, and what to type next."""

    why: str
    next: str = _SYNC


@dataclass
class Status:
    """Exact counts: `due` texts have neither vector nor recorded failure, `stale` labels are missing or outdated.

    `tables` are what the source reads, and `condition` is what its rows have to satisfy; where it cannot be `compared`,
    nothing is counted as new, changed or gone. `tags_due` centroids rest on other questions or texts than their tags
    have now, `failed` texts have no vector, for the reasons in `failures`. A classifier is not `classifier_usable` when
    the vectors it was trained on are no longer in use. Where changes are captured, the next sync looks at `captured`
    questions alone, or at all because of a `capture_doubt`. `faults` are what no count tells.
    """

    database: str
    source: str | None = None
    condition: str | None = None
    tags_separator: str | None = None
    tables: list[str] = field(default_factory=list)
    compared: bool = True
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
    tags_due: int = 0
    labelled: int = 0
    stale: int = 0
    embedder: str | None = None
    switching_to: str | None = None
    classifier: str | None = None
    classifier_usable: bool = True
    capturing: bool = False
    captured: int = 0
    capture_doubt: str | None = None
    indexes: list[IndexStatus] = field(default_factory=list)
    last_run: dict[str, Any] | None = None
    faults: list[Reason] = field(default_factory=list)
    schema: str = DEFAULT_SCHEMA

    @property
    def refused(self) -> int:
        """How many texts the encoder refused; those without a token are not counted, for they hold nothing to embed."""
        return self.failed - self.failures.get(NO_TOKEN, 0)

    @property
    def reasons(self) -> list[Reason]:
        """Why not everything is current: what somebody has to look at, then what sync will do, then what it cannot."""
        work = [
            (self.new, "question", "new"),
            (self.changed, "question", "changed"),
            (self.gone, "question", "gone"),
            (self.due, "text", "due"),
            (self.tags_due, "tag", "due"),
            (self.stale, "label", "due"),
        ]
        found = [Reason(f"{_number(count, thing)} {how}") for count, thing, how in work if count]
        if self.switching_to:
            found.append(Reason(f"the switch to embedder {self.switching_to!r} is under way"))
        if self.refused:
            failure, text = (f"{rights.quoted(self.schema)}.{name}" for name in ("failure", "text"))
            look = shlex.quote(f"SELECT reason, text FROM {failure} f JOIN {text} t ON t.id = f.text_id")
            found.append(Reason(f"{_number(self.refused, 'text')} refused by the encoder", f"tagdb db psql -c {look}"))
        return [replace(each, next=advice.addressed(each.next, self.schema)) for each in self.faults + found]

    @property
    def current(self) -> bool:
        """Whether there is nothing for sync to do, and nothing that it could not do."""
        return not self.reasons

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a script."""
        plain = {name: value for name, value in asdict(self).items() if name != "faults"}
        return {**plain, "current": self.current, "reasons": [asdict(reason) for reason in self.reasons]}


def status(database: Database) -> Status:
    """Count how current everything is; nothing is written."""
    with database.session() as session:
        with session.transaction(read_only=True):
            picture = _picture(database, session)
        picture.faults += _other_meanings_of_own_sql(session)
        return picture


def _picture(database: Database, session: Session) -> Status:
    lifting.require_standing(session)
    picture = Status(database.shown, source.current(session), schema=session.schema)
    _describe_vectors(session, picture)
    _describe_runs(session, picture)
    _describe_source(session, picture)
    _describe_classifier(session, picture)
    look = moved.glance(session, DEFAULT_MAX_TOKENS)
    if picture.source is not None:
        _compare_with_source(session, picture, look)
    if not look.nothing_moved:
        _count_stale_labels(session, picture)
    picture.indexes = indexing.status(session)
    captured = capture.status(session)
    picture.capturing, picture.captured = captured.on, captured.waiting
    picture.capture_doubt = capture.ANY if captured.everything else captured.doubt
    return picture


def _number(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _describe_vectors(session: Session, picture: Status) -> None:
    chosen, active = session.row("embedder.chosen"), registry.active(session)
    picture.embedder = active.name if active else None
    if chosen and not chosen.active:
        picture.switching_to = chosen.name
    target = chosen.id if chosen else None
    counts = session.row("status.counts", embedder=target)
    assert counts is not None
    picture.rows = counts.questions
    picture.texts, picture.embedded, picture.truncated = counts.texts, counts.embedded, counts.truncated
    picture.failed, picture.tags, picture.labelled = counts.failed, counts.tags, counts.labelled
    picture.due = counts.texts - counts.embedded - counts.failed
    picture.failures = {row.reason: row.texts for row in session.rows("status.failure_reasons", embedder=target)}


def _describe_runs(session: Session, picture: Status) -> None:
    """Tell of the last run, and that it failed, or that the last sync did, whatever was run since."""
    if last := session.row("run.last"):
        picture.last_run = last._asdict()
    if failed := session.row("run.last_failure"):
        error = (failed.error or "without a word").splitlines()[0]
        again = _SYNC if failed.command == "sync" else f"run tagdb {failed.command} again, or tagdb sync"
        picture.faults.append(Reason(f"the last {failed.command} failed: {error}", again))


def _describe_source(session: Session, picture: Status) -> None:
    """Tell what the views read, and what of them is gone or means another table now."""
    texts, tags = (sourceviews.definition(session, view) for view in (sourceviews.SOURCE, sourceviews.TAGS))
    picture.condition = texts.condition if texts else None
    picture.tags_separator = tags.separator if tags else None
    picture.tables = [row.name for row in session.rows("status.tables")]
    if picture.source is None and picture.texts:
        kept = _number(picture.texts, "text")
        gone = source.gone(session)
        picture.faults.insert(0, Reason(f"{gone}; {kept} stored still", gone.hint or _SYNC))
    elif picture.source is None:
        here = session.scalar("status.has_questions")
        begin = _SYNC if here else "tagdb import FILE, or for tables of your own: tagdb sync --source-sql 'SELECT …'"
        picture.faults.append(Reason("nothing was ever synced", begin))
    else:
        picture.faults += _other_meanings(session, picture)
        if session.scalar("source.tags_state") == "gone":
            keep = "tagdb sync, with --source-tags-sql 'SELECT …' where tags came from SQL of your own"
            gone_view = f"the view {session.qualified('source_tag')} is gone, dropped with a table that it read"
            picture.faults.append(Reason(gone_view, keep))
        elif source.tags_wait(session):
            picture.faults.append(Reason("a table tags has come, which was not there before"))


def _other_meanings_of_own_sql(session: Session) -> list[Reason]:
    """Tell whether views of the user's own SQL would read something else now, where this role may try that."""
    with suppress(DatabaseError, QueryRefused, Unavailable), session.rehearsal():
        said = [(view.name, sourceviews.meaning(session, view)) for view in (sourceviews.SOURCE, sourceviews.TAGS)]
        words = "by the names in its words the view"
        return [Reason(f"{words} {session.qualified(name)} {reads} now") for name, reads in said if reads]
    return []


def _other_meanings(session: Session, picture: Status) -> list[Reason]:
    """Tell which names of a preset mean other tables than its views read."""
    read = ", ".join(picture.tables)
    return [
        Reason(f"{row.name} means {row.now} now, which is not what tagdb reads ({read})")
        for row in session.rows("status.other_meanings", presets=list(PRESETS))
    ]


def _describe_classifier(session: Session, picture: Status) -> None:
    if classifier := session.row("predict.active_classifier"):
        picture.classifier, picture.classifier_usable = classifier.name, classifier.embedder_active
        if not classifier.embedder_active:
            why = f"classifier {classifier.name!r} was trained on vectors of {classifier.embedder!r}, no longer in use"
            picture.faults.append(Reason(why, "train one on the new vectors: tagdb train --query SQL"))
    elif lost := session.row("status.lost_classifier"):
        why = "there is no active classifier any more"
        why += f" to renew {_number(picture.labelled, 'label')}" if picture.labelled else ", and no label"
        use = f"tagdb models activate {shlex.quote(lost.other)}" if lost.other else "tagdb train --query SQL"
        picture.faults.append(Reason(why, use))


def _compare_with_source(session: Session, picture: Status, look: Look) -> None:
    """Count what the views give otherwise than it is stored, where a look at the rows cannot tell that nothing is."""
    if fault := _other_keys(session):
        picture.compared = False
        picture.faults.append(fault)
        return
    if look.moved is not Moved.NONE:
        with _readable(session, picture, "source"):
            picture.compared = False
            changes = session.row("status.changes")
            assert changes is not None
            picture.compared = True
            picture.rows, picture.new = changes.rows, changes.new
            picture.changed, picture.gone = changes.changed, changes.gone
    chosen = session.row("embedder.chosen")
    if chosen is None or look.nothing_moved or moved.as_before(session, look, moved.CENTROIDS):
        return
    if session.scalar("source.tags_state") == "gone":
        picture.tags_due = picture.tags
    else:
        with _readable(session, picture, "source_tag"):
            picture.tags_due = tag_vectors.count_due(session, chosen.id)


def _other_keys(session: Session) -> Reason | None:
    """Tell that the source's ids cannot be compared with the stored ones, being of another type."""
    try:
        change = keys.change(session, new_keys=False)
    except InputRefused as refused:
        return Reason(str(refused), refused.hint or _SYNC)
    return Reason("question_id is of another type now") if change and change.anew else None


@contextmanager
def _readable(session: Session, picture: Status, view: str) -> Iterator[None]:
    """Take what keeps a view from being read for one more reason, and go on without it."""
    try:
        with session.transaction():
            yield
    except (ConnectionFailed, SchemaMismatch):
        raise
    except (DatabaseError, Unavailable) as error:
        why = f"the view {session.qualified(view)} cannot be read: {error}"
        picture.faults.append(Reason(why, error.hint or f"mend what it reads, or {_SAY_AGAIN}"))


def _count_stale_labels(session: Session, picture: Status) -> None:
    if classifier := session.row("predict.active_classifier"):
        active = registry.active(session)
        picture.stale = predict.count_due(session, active.id if active else classifier.embedder_id, classifier.id)
