"""The difference between what the user's tables say and what is stored: found, and made to vanish from the texts."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from tagdb.db import lifting, queries, source, userquery
from tagdb.db.connection import Session
from tagdb.db.source import PRESETS, Choice
from tagdb.errors import DatabaseError, InputRefused, Unavailable
from tagdb.models import Reporter
from tagdb.pipeline import embedders, moved, tag_vectors
from tagdb.pipeline.embedders import StoredEmbedder
from tagdb.pipeline.moved import Look, Moved


@dataclass(frozen=True)
class Changes:
    """Questions that are new, have another text, or are gone since the last sync."""

    new: int
    changed: int
    gone: int

    @property
    def total(self) -> int:
        """How many questions there is something to do for."""
        return self.new + self.changed + self.gone

    @property
    def written(self) -> int:
        """How many questions have a text that they did not have."""
        return self.new + self.changed


@dataclass(frozen=True)
class Compared:
    """What a comparison says, and the look at the rows that it rests on; where none has moved, nothing was compared."""

    embedder: StoredEmbedder
    changes: Changes
    look: Look


def compare(session: Session, choice: Choice, max_tokens: int, reporter: Reporter) -> Compared:
    """Stage the difference in the temporary table `change`; all of it is one transaction, so a refusal leaves nothing.

    Vectors that were cut at another cap than `max_tokens` are forgotten here, and so become due.
    """
    with session.transaction():
        lifting.make_way(session, choice, reporter)
        source.ensure(session, choice)
        embedder = embedders.chosen(session)
        with reporter.step("comparing"):
            look = moved.look(session, max_tokens)
            if look.moved is Moved.NONE:
                session.execute("sync.stage_no_change")
                return Compared(embedder, Changes(0, 0, 0), look)
            _stage_changes(session, choice, look)
            session.execute("sync.delete_otherwise_truncated", embedder=embedder.id, max_tokens=max_tokens)
        return Compared(embedder, _count(session), look)


def _count(session: Session) -> Changes:
    row = session.row("sync.count_changes")
    assert row is not None
    if row.without_id:
        raise InputRefused("the source has rows without a question_id", hint="leave them out in --source-sql")
    if not source.names_each_once(session):
        _refuse_repeated(session, any_changed=row.changed > 0)
    return Changes(row.new, row.changed, row.gone)


def _refuse_repeated(session: Session, *, any_changed: bool) -> None:
    if (repeated := session.scalar("sync.repeated_question", any_changed=any_changed)) is not None:
        raise InputRefused(
            f"the source names question {repeated} more than once", hint="make question_id unique in --source-sql"
        )


def _stage_changes(session: Session, choice: Choice, look: Look) -> None:
    statement = queries.topic("sync")["stage_changes"]
    if look.moved is Moved.SOME:
        parts = queries.topic("moved")
        session.run_script(statement.format(source=parts["moved_source"], questions=parts["moved_questions"]))
        return
    if source.current(session) in PRESETS:
        session.execute("sync.keep_hashes_small")
    with userquery.refusals() if choice.sql else nullcontext():
        session.run_script(statement.format(source="tagdb.source", questions="tagdb.question"))


def apply(session: Session, reporter: Reporter) -> None:
    """Make `text` and `question` say what the source says, in one transaction."""
    with reporter.step("storing texts"), session.transaction():
        session.execute("sync.analyze_changes")
        tag_vectors.keep_aside(session)
        session.execute("sync.stage_texts")
        filling = _begin_filling(session)
        session.execute("sync.insert_texts")
        session.execute("sync.upsert_questions")
        if filling:
            session.execute("sync.end_filling_questions")
        session.execute("sync.delete_gone_questions")
        session.execute("sync.delete_gone_labels")
        session.execute("sync.delete_orphaned_texts")
    session.execute("sync.analyze_texts")


def _begin_filling(session: Session) -> bool:
    """Prepare the empty relation of questions to be filled at once, where nobody reads it or keeps us from it."""
    if session.scalar("source.has_questions"):
        return False
    try:
        with session.transaction():
            session.execute("sync.lock_questions")
            session.execute("sync.begin_filling_questions")
    except (DatabaseError, Unavailable):
        return False
    return True
