"""What a row's question is called in SQL: an expression of the user's over the columns of one table, judged by
PostgreSQL.

It runs in a trigger, with the rights of tagdb's owner and for everybody who writes to the table: so it may read nothing
but the row, and call nothing that somebody may replace.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tagdb import shortening
from tagdb.db import conditions, keys, userquery, viewbodies
from tagdb.db.connection import Session, quote_identifier
from tagdb.errors import ConnectionFailed, DatabaseError, QueryRefused, Unavailable

OPTION = "--table"
_HINT = f"try it in tagdb db psql, then say it anew: tagdb capture on {OPTION} 'NAME=…'"


@dataclass(frozen=True)
class Ids:
    """An expression with every name in full, and the type of id that it gives."""

    expression: str
    type: str


def named(session: Session, name: str) -> int | None:
    """Return the relation of that name as SQL writes it, None where there is none."""
    try:
        with session.transaction():
            found: int | None = session.scalar("capture.named", name=name)
    except ConnectionFailed:
        raise
    except (DatabaseError, Unavailable):
        return None
    return found


def checked(session: Session, table: str, expression: str) -> Ids:
    """Check that an expression over the rows of a table gives ids of questions, and write it with every name in full.

    Raises
    ------
    QueryRefused : it is not one expression, reads more than its row, or is of a type that is not the source's
    """
    called = f"the expression for {table} ({OPTION})"
    expression = userquery.without_end(expression)
    with userquery.refusals(called, _HINT), session.transaction():
        session.execute("source.hold_one_expression", body=f"DECLARE kept text :=\n{expression}\n; BEGIN END")
    inside = conditions.in_parentheses(expression)
    columns = [row.name for row in session.rows("source.user_columns", table_name=table)]
    try:
        query = userquery.check_inside(session, f"SELECT {inside} AS question_id FROM {table}", called)
    except QueryRefused as error:
        has = f"; {table} has {shortening.named(columns)}" if userquery.lacks_column(error) else ""
        raise QueryRefused(f"{error}{has}", hint=_HINT) from error
    _, found = keys.of_query(session, query)
    wanted = viewbodies.key(session)
    if wanted.type != "text" and not wanted.takes(found):
        raise QueryRefused(
            f"{called} gives {found.said}, the ids of the source are {wanted.type}",
            hint=f"cast it: {OPTION} '{table}=({expression})::{wanted.type}'",
        )
    return Ids(_in_full(session, table, inside, called, query), found.type)


def _in_full(session: Session, table: str, expression: str, called: str, query: userquery.UserQuery) -> str:
    kind = session.row("keys.kind", type=query.type_of("question_id"))
    assert kind is not None
    try:
        with session.transaction():
            session.run_script(session.script("capture.generate", table=table, expression=expression, type=kind.name))
            before = session.scalar("schema.set_path", path="pg_catalog")
            found = session.row("capture.generated")
            session.scalar("schema.set_path", path=before)
            session.run_script(session.script("capture.drop_generated"))
    except ConnectionFailed:
        raise
    except (DatabaseError, Unavailable) as error:
        raise QueryRefused(
            f"{called} is not decided by a row alone, the same each time: {error}", hint=_HINT
        ) from error
    assert found is not None
    if found.functions:
        raise QueryRefused(f"{called} calls {found.functions}, whose body may change", hint=_HINT)
    return str(found.expression)


def quoted(columns: Iterable[str]) -> Iterable[str]:
    """Return names as SQL writes them."""
    return map(quote_identifier, columns)
