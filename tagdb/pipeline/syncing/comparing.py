"""The difference between what the user's tables say and what is stored: found, and made to vanish from the texts."""

from __future__ import annotations

from dataclasses import dataclass

from tagdb.db import keys, lifting, source, sourceviews
from tagdb.db.connection import Session
from tagdb.db.source import PRESETS, Choice
from tagdb.db.sourceviews import SOURCE
from tagdb.errors import CheckFailed, DatabaseError, InputRefused, Unavailable
from tagdb.models import Reporter
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.syncing import captured, moved, tag_vectors
from tagdb.pipeline.syncing.moved import Look, Moved

MANY_GONE = 1_000
"""Of more gone questions than so many, and than half of all, what is stored goes only where that is asked for."""


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
    """What a comparison says, and the look at the rows that it rests on; where none has moved, nothing was compared.

    `emptied` questions are changed ones that have no text any more; `another_source` where what is compared comes from
    other tables or other SQL than what is stored. With a `key` the stored ids get another type; where they are stored
    anew for it, those gone are all that were stored.
    """

    embedder: StoredEmbedder
    changes: Changes
    look: Look
    emptied: int = 0
    another_source: bool = False
    key: keys.Change | None = None

    @property
    def to_apply(self) -> bool:
        """Whether what is stored is not what it should be."""
        return bool(self.changes.total or self.key)


def compare(
    session: Session,
    choice: Choice,
    max_tokens: int,
    reporter: Reporter,
    *,
    new_keys: bool = False,
    full: bool = False,
) -> Compared:
    """Stage the difference in the temporary table `change`; all of it is one transaction, so a refusal leaves nothing.

    Inside the caller's transaction, another source takes effect with it. Vectors that were cut at another cap than
    `max_tokens` are forgotten here, and so become due. Ids get another type only where `apply` stores them. With
    `full`, no question is taken to be as it was.
    """
    with session.transaction():
        lifting.make_way(session, choice, reporter)
        another = source.ensure(session, choice, reporter)
        another = source.follow(session, reporter) or another
        key = keys.change(session, new_keys=new_keys)
        embedder = registry.chosen(session)
        with reporter.step("comparing"):
            anew_all = full or key is not None
            look = captured.look(session, embedder, max_tokens, reporter, full=anew_all) or moved.look(
                session, max_tokens, all_anew=anew_all
            )
            if look.moved is Moved.NONE:
                session.execute("sync.stage_no_change")
                return Compared(embedder, Changes(0, 0, 0), look)
            with sourceviews.blaming(SOURCE, sourceviews.definition(session, SOURCE)):
                anew = key is not None and key.anew
                _stage_changes(session, look, anew=anew)
                changes, emptied = _count(session, look, anew=anew)
            if not look.same_cap:
                vectors = "_vectors" if anew else ""
                session.execute(
                    f"sync.delete_otherwise_truncated{vectors}", embedder=embedder.id, max_tokens=max_tokens
                )
        return Compared(embedder, changes, look, emptied, another, key)


def mass_deletion(session: Session, compared: Compared) -> CheckFailed | None:
    """Say that most questions are gone or have lost their texts, where they have: more likely an accident than a wish.

    Those that `tagdb import --replace` has removed from its own tables are wanted gone, and no longer count as stored.
    """
    lost = compared.changes.gone + compared.emptied
    if compared.key and compared.key.anew:
        lost = max(0, lost - compared.changes.new)  # of other ids; as many as before are no loss
    if lost <= MANY_GONE:
        return None
    wanted = session.scalar("sync.count_wanted_gone") if source.current(session) in PRESETS else 0
    lost, stored = lost - wanted, session.scalar("sync.count_questions") - wanted
    if lost <= MANY_GONE or 2 * lost <= stored:
        return None
    why = "a table was emptied, or is being loaded again"
    if compared.another_source:
        why = "what is embedded comes from another source now, with questions of other ids or without texts"
    if left_out := sourceviews.count_left_out(session):
        why = f"{left_out:,} of them are there still and do not satisfy the condition (--where)"
    emptied = " or have lost their text" if compared.emptied else ""
    return CheckFailed(
        f"{lost:,} of {stored:,} questions are gone from what is to be embedded{emptied}, "
        "and their vectors and labels would go",
        hint=f"{why if left_out else f'maybe {why}'}; if they shall go{_allowing(compared)}",
    )


def _allowing(compared: Compared) -> str:
    if compared.another_source or compared.key:
        return ", add --allow-gone to what you typed"
    return ": tagdb sync --allow-gone"


def _count(session: Session, look: Look, *, anew: bool) -> tuple[Changes, int]:
    row = session.row("sync.count_changes")
    assert row is not None
    if row.without_id:
        raise InputRefused("the source has rows without a question_id", hint="leave them out in --source-sql")
    if not source.names_each_once(session):
        _refuse_repeated(session, look, any_changed=row.changed > 0)
    if anew:
        return Changes(row.new, 0, session.scalar("sync.count_questions")), row.new_empty
    return Changes(row.new, row.changed, row.gone), row.emptied


def _refuse_repeated(session: Session, look: Look, *, any_changed: bool) -> None:
    named = look.source or session.qualified("source")
    if repeated := session.rows_with("sync.repeated_question", {"source": named}, any_changed=any_changed):
        raise InputRefused(
            f"the source names question {repeated[0][0]} more than once", hint="make question_id unique in --source-sql"
        )


def _stage_changes(session: Session, look: Look, *, anew: bool = False) -> None:
    everything = {"source": session.qualified("source"), "questions": session.qualified("question")}
    if anew:
        everything["questions"] = session.script("sync.no_questions")
        session.run_script(session.script("sync.stage_changes", **everything))
        return
    if look.moved is Moved.SOME:
        moved_source = look.source or session.script("moved.moved_source")
        moved_questions = session.script("moved.moved_questions")
        session.run_script(session.script("sync.stage_changes", source=moved_source, questions=moved_questions))
        return
    larger = session.scalar("sync.keep_hashes_small") if source.current(session) in PRESETS else None
    session.run_script(session.script("sync.stage_changes", **everything))
    if larger is not None:
        session.execute("sync.set_work_mem", size=larger)


def apply(session: Session, reporter: Reporter, look: Look, key: keys.Change | None = None) -> None:
    """Make `text` and `question` say what the source says, in one transaction, or as a part of the caller's.

    Where ids are to have another type, `key`, readers wait until that is done.

    Raises
    ------
    InputRefused : something of the user's depends on the type that the ids had
    """
    with reporter.step("storing texts"), session.transaction():
        session.execute("sync.analyze_changes")
        tag_vectors.keep_aside(session, look)
        if key:
            keys.apply(session, key)
        session.execute("sync.stage_texts")
        filling = _begin_filling(session)
        session.execute("sync.insert_texts")
        session.execute("sync.upsert_questions")
        if filling:
            session.execute("sync.end_filling_questions")
        session.execute("sync.delete_gone_questions")
        session.execute("sync.delete_gone_labels")
        session.execute("sync.delete_unused_texts" if key and key.anew else "sync.delete_orphaned_texts")
    if look.kept is None:  # reading a sample takes longer than a few changes do, of which autovacuum keeps count
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
