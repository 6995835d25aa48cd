"""Triggers on the user's tables that write down which questions change, and whether they can have seen everything.

A statement writes the ids of the questions that it changed, once, to a table of tagdb's own. What a trigger cannot see,
the catalogs tell: tables, triggers or views that are others than at the last comparison of all questions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tagdb.db import captureids, keys
from tagdb.db.connection import Row, Session
from tagdb.db.keys import Key

ALL_EVENTS = 4 | 8 | 16 | 32
"""INSERT, DELETE, UPDATE and TRUNCATE, as pg_trigger has them."""

MOST = 1_000_000
"""A statement that changes more questions writes that any may have changed."""

ANY = "a table was emptied, or what changed may be about any question"
NEVER = "no sync has done so since capture was switched on"
CHANGED = "the source, its tables or their triggers have changed since the last comparison of all questions"


@dataclass(frozen=True)
class CapturedTable:
    """A table whose changes are captured, with the expression for the question of a row; None where it may be any."""

    name: str
    ids: str | None


@dataclass(frozen=True)
class Capture:
    """Whether changes are captured, since when and of which tables, and what waits for a sync.

    That is so many `waiting` questions, or, with `everything`, any. `doubt` says why the next sync compares all
    questions, if it does. `unseen` says what else goes by unseen here.
    """

    on: bool
    since: datetime | None = None
    tables: Sequence[CapturedTable] = field(default_factory=tuple)
    waiting: int = 0
    everything: bool = False
    doubt: str | None = None
    unseen: str | None = None


def status(session: Session) -> Capture:
    """Return what there is to say of capture; nothing is written."""
    state = session.row("capture.state") if session.scalar("capture.may_read") else None
    if state is None:
        return Capture(on=False)
    waiting = session.row("capture.waiting")
    assert waiting is not None
    known = [CapturedTable(row.name, row.expression) for row in session.rows("capture.tables")]
    doubt = doubts(session) or (None if words(session) == state.words else _since(state.words))
    read = session.rows("capture.read")
    rows = "rows that a session writes with session_replication_role = replica"
    unseen = None if all(table.always for table in read) else f"{rows}, for the tables belong to others"
    return Capture(True, state.since, tuple(known), waiting.questions, waiting.everything, doubt, unseen)


def _since(before: str | None) -> str:
    return NEVER if before is None else CHANGED


def words(session: Session) -> str:
    """Return a digest of the views, of the tables that they read and of the triggers on these, as they are now."""
    with session.transaction():
        before = session.scalar("schema.set_path", path="pg_catalog")
        found = session.scalar("capture.words")
        session.scalar("schema.set_path", path=before)
    return hashlib.sha256(str(found).encode()).hexdigest()


def doubts(session: Session) -> str | None:
    """Return why it is not known that every change was captured: what is as it should not be now."""
    known = {row.number: row for row in session.rows("capture.tables")}
    functions = {row.number: row for row in session.rows("capture.functions")}
    read = session.rows("capture.read")
    if beyond := beyond_rows(session):
        return beyond
    for table in read:
        if found := fault(session, table, known, functions):
            return found
    if not all(table.always for table in read) and session.scalar("capture.replica_roles"):
        return "sessions begin with session_replication_role = replica here, in which the triggers do not fire"
    return None


def beyond_rows(session: Session) -> str | None:
    """Return what the source depends on beside the rows of its tables."""
    found = [row.what for row in session.rows("capture.beyond_rows")]
    return f"the source depends on more than the rows of its tables: {', '.join(found)}" if found else None


def fault(session: Session, table: Row, known: Mapping[int, Row], functions: Mapping[int, Row]) -> str | None:
    """Return why not all changes of a table, or of a part of one, are captured; None where they are."""
    if found := unfit(table):
        return found
    found = _without_triggers(table, known)
    found = found or _of_another_kind(session, table, known[table.number], functions.get(table.number))
    return found and f"{found}; tagdb capture on mends that"


def _without_triggers(table: Row, known: Mapping[int, Row]) -> str | None:
    if table.number not in known:
        what = "partition or child" if table.oid != table.root else "table"
        return f"changes of the {what} {table.name} are not captured"
    if table.events & ALL_EVENTS != ALL_EVENTS:
        return f"triggers of {table.name} are missing"
    return None if table.firing else f"a trigger of {table.name} is disabled"


def _of_another_kind(session: Session, table: Row, wanted: Row, function: Row | None) -> str | None:
    if not _fits(session, wanted.type):
        return f"the ids captured of {table.name} are {wanted.type}, those of the source are not"
    if wanted.columns is not None and (whole_rows(session) or not set(table.columns or ()) <= set(wanted.columns)):
        return f"the source reads more columns of {table.name} than are watched"
    if function is None or not function.as_owner or function.body != body(session, wanted.expression, wanted.columns):
        return f"the function of the triggers of {table.name} is of another version"
    return None


def _fits(session: Session, kind: str | None) -> bool:
    key = keys.of_source(session)
    return kind is None or key is None or key.type == "text" or key.takes(Key(kind))


def whole_rows(session: Session) -> bool:
    """Return whether a row is read as a value, so that each of its columns matters."""
    return bool(session.scalar("capture.whole_rows"))


def unfit(table: Row) -> str | None:
    """Return why no triggers on a relation tell what changes in it."""
    kinds = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
    if table.kind in kinds:
        return f"{table.name} is {kinds[table.kind]}, whose rows change where no trigger sees it"
    if not table.logged:
        return f"{table.name} is unlogged: a crash empties it, and no trigger sees that"
    if table.subscribed:
        return f"the rows of {table.name} come from a subscription, which fires no trigger of a statement"
    return None


def body(session: Session, expression: str | None, columns: Sequence[str] | None) -> str:
    """Return the text of a table's function."""
    row = "tagdb_row" if columns is None else f"ROW({', '.join(captureids.quoted(columns))})"
    parts = {"most": MOST, "id": f"({expression})" if expression else "NULL", "row": row}
    return f"#variable_conflict use_column\nBEGIN\n{session.script('capture.body', **parts)};\nRETURN NULL;\nEND"
