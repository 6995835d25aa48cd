"""The condition that leaves rows out (`--where`): one expression of the user's, judged by PostgreSQL's own parsers."""

from __future__ import annotations

from collections.abc import Sequence

from tagdb.db import userquery
from tagdb.db.connection import Session
from tagdb.errors import ConnectionFailed, DatabaseError, QueryRefused, Unavailable
from tagdb.shortening import named

OPTION = "--where"
CALLED = f"the condition ({OPTION})"
HINT = f"try it in tagdb db psql, then say it anew: tagdb sync {OPTION} '…' ('' to leave no row out)"


def normalised(typed: str) -> str | None:
    """Return a condition without what follows its end; None for one that lets every row through."""
    condition = userquery.without_end(typed)
    return None if condition.lower() in ("", "true") else condition


def check(session: Session, condition: str, rows: str, of: str, columns: Sequence[str]) -> None:
    """Check that a condition is one expression that reads, on `rows`; a refusal names the `columns` they have.

    That it ends where it should, whatever parentheses, quotes and comments are in it, PL/pgSQL tells, which counts them
    with PostgreSQL's scanner; that it holds no second statement tells a query with the condition in parentheses.

    Raises
    ------
    QueryRefused : it is not; nothing has changed
    """
    with userquery.refusals(CALLED, HINT), session.transaction():
        session.execute("source.hold_one_expression", body=f"DECLARE kept boolean :=\n{condition}\n; BEGIN END")
    try:
        userquery.check_inside(session, f"SELECT FROM {rows} WHERE {in_parentheses(condition)}", CALLED)
    except QueryRefused as error:
        has = f"; {of} has {named(columns)}" if userquery.lacks_column(error) else ""
        raise QueryRefused(f"{error}{has}", hint=HINT) from error


def in_parentheses(condition: str) -> str:
    """Return a condition as a part of a larger statement; a comment in its last line ends with that line."""
    return f"(\n{condition}\n)"


def told_by_rows(session: Session, condition: str, table: str) -> bool:
    """Return whether a row of `table` alone decides, the same each time: PostgreSQL so takes it for a generated column.

    Not so a condition that reads other rows, asks for the time or the role, or depends on settings.
    """
    try:
        with session.transaction():
            session.run_script(session.script("moved.generate", table=table, condition=in_parentheses(condition)))
            session.run_script(session.script("moved.drop_generated"))
    except ConnectionFailed:
        raise
    except (DatabaseError, Unavailable):
        return False
    return True
