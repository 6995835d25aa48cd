"""SQL that a person wrote: checked by PostgreSQL's own parser before any of it runs, and run read-only.

A statement is first opened as a cursor inside the database (`tagdb.open_query`), which takes exactly one
row-returning statement and nothing else. Only a text that has passed is ever placed inside a larger statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tagdb.db.connection import Session, quote_identifier, translated
from tagdb.errors import DatabaseError, QueryRefused


@dataclass(frozen=True)
class UserQuery:
    """A checked query: its text without a closing semicolon, and the names of its columns."""

    sql: str
    columns: tuple[str, ...]

    def selecting(self, expressions: str) -> str:
        """Return a SELECT of `expressions` over this query's rows, called `q`."""
        return f"SELECT {expressions} FROM (\n{self.sql}\n) AS q"

    def column(self, *names: str) -> str:
        """Return the first of `names` that is a column, quoted.

        Raises
        ------
        QueryRefused : there is none of them
        """
        for name in names:
            if name in self.columns:
                return quote_identifier(name)
        raise QueryRefused(
            f"the query has no column {' or '.join(names)}; it has {', '.join(self.columns) or 'none'}",
            hint=f"name it in the query: SELECT … AS {names[0]}",
        )


def check(session: Session, sql: str) -> UserQuery:
    """Check that `sql` is exactly one row-returning statement that only reads, without running it to its end.

    Raises
    ------
    QueryRefused : it is not; nothing has changed
    """
    with refusals(), session.transaction(read_only=True):
        return check_inside(session, sql)


def check_inside(session: Session, sql: str) -> UserQuery:
    """Check `sql` as `check` does, inside the caller's own transaction."""
    text = sql.strip().rstrip(";").rstrip()
    if not text:
        raise QueryRefused("the query is empty", hint="write it as: SELECT id AS question_id, label FROM questions")
    cursor = session.cursor()
    with refusals(), translated():
        cursor.execute("SELECT tagdb.open_query(%s)", (text,))
        (name,) = cursor.fetchone() or ("",)
        cursor.execute(f"FETCH 0 FROM {quote_identifier(name)}")
        columns = tuple(column.name for column in cursor.description or ())
        cursor.execute(f"CLOSE {quote_identifier(name)}")
    return UserQuery(text, columns)


@contextmanager
def refusals() -> Iterator[None]:
    """Let what PostgreSQL says of a statement become a refusal of the user's query."""
    try:
        yield
    except DatabaseError as error:
        message = str(error)
        if "multi-query plan" in message:
            message = "it holds more than one statement; one SELECT is what is taken"
        elif "as cursor" in message:
            message = f"it is not a SELECT ({message})"
        hint = error.hint or "try it first in: tagdb db psql"
        raise QueryRefused(f"the query cannot be run: {message}", hint=hint) from error
