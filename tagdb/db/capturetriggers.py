"""`capture on` and `off`: puts triggers on the tables that the source reads, and takes them away."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tagdb.db import capture, captureids
from tagdb.db.captureids import Ids
from tagdb.db.connection import Row, Session
from tagdb.db.source import PRESETS, current
from tagdb.errors import InputRefused, Unavailable
from tagdb.shortening import named

_EVENTS = ("insert", "update", "delete", "truncate")
_AGAIN = "tagdb capture on"


def switch_on(session: Session, said: Mapping[str, str]) -> bool:
    """Put triggers on all tables that the source reads; return whether any was missing or another.

    If so, all are made anew in one transaction. `said` are expressions for the question that a row of a table is about,
    by the table's name; '*' where it may be any. What is not said is as it was before or, of the tables of presets,
    known.

    Raises
    ------
    InputRefused : there is no source, or it reads what cannot be captured; nothing was changed
    QueryRefused : an expression does not give ids of questions; nothing was changed
    Unavailable : a right is missing, or somebody else's transaction was in the way
    """
    with session.transaction():
        read = session.rows("capture.read")
        if current(session) is None or not read:
            raise InputRefused("nothing is embedded yet whose changes to capture", hint="tagdb sync, then: " + _AGAIN)
        _require_fit(session, read)
        ids = _expressions(session, read, said)
        wanted = {root: _wanted(session, _whole(read, root), ids[root]) for root in ids}
        if session.row("capture.state") and not any(_differs(session, read, root, wanted[root]) for root in wanted):
            return False
        session.execute("capture.wait_a_while")
        _drop_functions(session)
        session.execute("capture.forget_tables")
        done: set[int] = set()
        for root in sorted(wanted, key=lambda each: _whole(read, each).name):
            members = [each for each in read if each.root == root and each.oid not in done]
            _install(session, _whole(read, root), members, wanted[root])
            done.update(each.oid for each in members)
        session.execute("capture.begin")
    return True


def switch_off(session: Session) -> bool:
    """Remove all triggers and what they wrote, in one transaction; return whether there was anything of it."""
    with session.transaction():
        session.execute("capture.wait_a_while")
        dropped = _drop_functions(session)
        was_on = session.row("capture.state") is not None
        if was_on:
            session.run_script(session.script("capture.empty"))
        return was_on or dropped > 0


def _drop_functions(session: Session) -> int:
    functions = session.rows("capture.functions")
    for row in functions:
        session.run_script(session.script("capture.drop_function", number=row.number))
    return len(functions)


def _require_fit(session: Session, read: Iterable[Row]) -> None:
    hint = "read ordinary tables instead, those below a view: tagdb sync --source-sql …; or go on without capture"
    if beyond := capture.beyond_rows(session):
        raise InputRefused(beyond, hint="leave that out of --source-sql and --where, or go on without capture")
    for table in read:
        if fault := capture.unfit(table):
            raise InputRefused(fault, hint=hint)
        if not table.triggerable:
            role = session.scalar("schema.acting")
            raise Unavailable(
                f"the table {table.name} belongs to {table.owner}, and {role} may not make triggers on it",
                hint=f'GRANT TRIGGER ON {table.name} TO "{role}"',
            )


def _whole(read: Iterable[Row], root: int) -> Row:
    return next(table for table in read if table.oid == root)


def _expressions(session: Session, read: Sequence[Row], said: Mapping[str, str]) -> dict[int, str | None]:
    """Return by table the expression for the question of a row, None where it may be any."""
    roots = {table.root: _whole(read, table.root) for table in read}
    before = {row.number: row.expression for row in session.rows("capture.tables")}
    given: dict[int, str] = {}
    for name, expression in said.items():
        oid = captureids.named(session, name)
        if oid is None or oid not in roots:
            raise InputRefused(
                f"the source does not read the table {name}; it reads {named([each.name for each in roots.values()])}",
                hint="name one of these, with its schema: --table schema.name=id",
            )
        given[oid] = expression
    found: dict[int, str | None] = {}
    for root, table in roots.items():
        if root in given:
            found[root] = None if given[root].strip() == "*" else given[root]
        elif table.number in before:
            found[root] = before[table.number]
        elif (known := _known(session, table)) is not None:
            found[root] = known
        else:
            raise InputRefused(
                f"which question a row of {table.name} is about has to be said",
                hint=f"{_AGAIN} --table '{table.name}=…': the column or SQL expression that gives its question_id; "
                "or * if a row may be about any question",
            )
    return found


def _known(session: Session, table: Row) -> str | None:
    preset, tags = current(session) in PRESETS, session.scalar("source.tags_state")
    if table.is_questions and preset and "id" in (table.columns or ()):
        return '"id"'
    return '"question_id"' if table.is_tags and tags != "own" else None


@dataclass(frozen=True)
class _Wanted:
    """What is to be captured of a table: of which type the ids are, and an update of which columns matters."""

    ids: Ids | None
    columns: Sequence[str] | None

    @property
    def expression(self) -> str | None:
        return self.ids.expression if self.ids else None

    @property
    def type(self) -> str | None:
        return self.ids.type if self.ids else None


def _wanted(session: Session, table: Row, expression: str | None) -> _Wanted:
    """Check what a table's ids are made of; of presets, all columns that any of them reads are watched."""
    ids = None if expression is None else captureids.checked(session, table.name, expression)
    if capture.whole_rows(session):
        return _Wanted(ids, None)
    columns = set(table.columns or ())
    if table.is_questions or table.is_tags:
        here = {row.name for row in session.rows("source.user_columns", table_name=table.name)}
        columns |= here & {"id", "title", "question_id", "position", "tag"}
    return _Wanted(ids, sorted(columns))


def _differs(session: Session, read: Sequence[Row], root: int, wanted: _Wanted) -> bool:
    known = {row.number: row for row in session.rows("capture.tables")}
    functions = {row.number: row for row in session.rows("capture.functions")}
    for table in (each for each in read if each.root == root):
        if capture.fault(session, table, known, functions) or (table.owned and not table.always):
            return True
        row = known[table.number]
        if (row.name, row.expression, row.columns) != (_whole(read, root).name, wanted.expression, wanted.columns):
            return True
    return False


def _install(session: Session, whole: Row, members: Sequence[Row], wanted: _Wanted) -> None:
    """Make function and triggers of a table and its partitions, which waits for all who write to one of them."""
    number: int = session.scalar(
        "capture.keep_table",
        name=whole.name,
        expression=wanted.expression,
        type=wanted.type,
        columns=wanted.columns,
    )
    body = capture.body(session, wanted.expression, wanted.columns).replace("'", "''")
    comment = f"Writes down which questions a statement changes in {whole.name}.".replace("'", "''")
    session.run_script(session.script("capture.create_function", number=number, body=body, comment=comment))
    suffix = "" if session.is_default else "_" + hashlib.sha256(session.schema.encode()).hexdigest()[:8]
    names = {event: f"tagdb_capture_{event}{suffix}" for event in _EVENTS}
    for table in members:
        session.run_script(session.script("capture.create_triggers", number=number, table=table.name, **names))
        if table.owned:
            session.run_script(session.script("capture.fire_always", table=table.name, **names))
