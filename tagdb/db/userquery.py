"""SQL that a person wrote: checked by PostgreSQL's own parser before any of it runs, and run read-only.

A statement is first opened as a cursor inside the database (function `open_query`), which takes exactly one
row-returning statement and nothing else. Only a text that has passed is ever placed inside a larger statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tagdb.db.connection import Session, quote_identifier
from tagdb.db.translation import storable, translated
from tagdb.errors import DatabaseError, QueryRefused, SchemaMismatch, Unavailable
from tagdb.shortening import named

THE_QUERY = "the query"
_TRY = "try it first in: tagdb db psql"
_LEXEME = re.compile(
    r"""
    (?P<blank> \s+ | --[^\n\r]* | /\*.*?\*/ | ; )
    | [eE]'(?: \\. | '' | [^'\\] )*'
    | '(?: '' | [^'] )*'
    | "(?: "" | [^"] )*"
    | (?P<dollar> \$(?:[^\W\d]\w*)?\$ ) .*? (?P=dollar)
    | [\w$]+
    | .
    """,
    re.DOTALL | re.VERBOSE,
)
_WRITTEN_AS = {
    "the source query (--source-sql)": "id AS question_id, subject AS text FROM tickets",
    "the tags query (--source-tags-sql)": "id AS question_id, topic AS tag FROM tickets; for no tags: … WHERE false",
}


@dataclass(frozen=True)
class UserQuery:
    """A checked query: its text without what follows its end, the oid of each column's type, and what to call it."""

    sql: str
    types: Mapping[str, int] = field(default_factory=dict)
    called: str = THE_QUERY

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(self.types)

    def selecting(self, expressions: str) -> str:
        """Return a SELECT of `expressions` over this query's rows, called `q`."""
        return f"SELECT {expressions} FROM {self.as_rows}"

    @property
    def as_rows(self) -> str:
        """This query's rows, called `q`, as a part of a larger statement."""
        return f"(\n{self.sql}\n) AS q"

    def column(self, *names: str) -> str:
        """Return the first of `names` that is a column, quoted.

        Raises
        ------
        QueryRefused : there is none of them
        """
        return quote_identifier(self.first_of(*names))

    def type_of(self, name: str) -> int:
        """Return the oid of the type of a column; of a domain, that of the type it is over."""
        return self.types[self.first_of(name)]

    def first_of(self, *names: str) -> str:
        """Return the first of `names` that is a column.

        Raises
        ------
        QueryRefused : there is none of them
        """
        for name in names:
            if name in self.types:
                return name
        raise QueryRefused(
            f"{self.called} has no column {' or '.join(names)}; it has {named(self.columns) or 'none'}",
            hint=f"name it in the query: SELECT … AS {names[0]}",
        )


def check(session: Session, sql: str) -> UserQuery:
    """Check that `sql` is exactly one row-returning statement that only reads, without running it to its end.

    Raises
    ------
    QueryRefused : it is not; nothing has changed
    """
    with session.transaction(read_only=True):
        return check_inside(session, sql)


def check_inside(session: Session, sql: str, called: str = THE_QUERY) -> UserQuery:
    """Check `sql` as `check` does, inside the caller's own transaction; refusals speak of it as `called`."""
    text = without_end(sql)
    if not text:
        columns = _WRITTEN_AS.get(called, "id AS question_id, label FROM questions")
        raise QueryRefused(f"{called} is empty", hint=f"write it as: SELECT {columns}")
    cursor, opening = session.cursor(), session.qualified("open_query").replace("%", "%%")
    with refusals(called), storable(), translated():
        cursor.execute("SAVEPOINT tagdb_check; SET TRANSACTION READ ONLY")
        cursor.execute(f"SELECT {opening}(%s)", (text,))
        (name,) = cursor.fetchone() or ("",)
        cursor.execute(f"FETCH 0 FROM {quote_identifier(name)}")
        described = cursor.description or ()
        cursor.execute("ROLLBACK TO tagdb_check; RELEASE tagdb_check")
    return UserQuery(text, {column.name: column.type_code for column in described}, called)


def stream(session: Session, sql: str, expressions: Callable[[UserQuery], str]) -> Iterator[tuple[Any, ...]]:
    """Yield `expressions` of the checked query over its rows, block by block, in a read-only transaction.

    Raises
    ------
    QueryRefused : the query is not one SELECT, lacks a column, or fails on the way
    """
    with refusals(), session.transaction(read_only=True):
        checked = check_inside(session, sql)
        yield from session.stream(checked.selecting(expressions(checked)))


@contextmanager
def refusals(called: str = THE_QUERY, hint: str = _TRY) -> Iterator[None]:
    """Let what PostgreSQL says of a statement become a refusal of the user's query."""
    try:
        yield
    except (DatabaseError, Unavailable) as error:
        if (reason := _reason(error)) is None:
            raise
        own = error.hint if isinstance(error, DatabaseError) else None
        raise QueryRefused(f"{called} cannot be run: {reason}", hint=own or hint) from error


def lacks_column(refusal: QueryRefused) -> bool:
    """Return whether a query was refused for a column that is not there."""
    cause = refusal.__cause__.__cause__ if refusal.__cause__ else None
    return getattr(cause, "pgcode", None) == "42703"


def _reason(error: DatabaseError | Unavailable) -> str | None:
    """Return what is wrong with the query; None when it is something else that failed."""
    code, said = getattr(error.__cause__, "pgcode", None), str(error.__cause__).split("\n")[0]
    if code == "25006":
        return "it writes; one SELECT that only reads is what is taken"
    if "multi-query plan" in said:
        return "it holds more than one statement; one SELECT is what is taken"
    if code == "42P11":
        return f"it is not a SELECT ({said})"
    if isinstance(error, SchemaMismatch):
        return said
    return None if isinstance(error, Unavailable) else str(error)


def without_end(sql: str) -> str:
    """Return `sql` without the blanks, semicolons and comments after its last word.

    What is cut wrongly (comments may be nested, which this does not follow) is refused by PostgreSQL, which reads
    the text after this and decides.
    """
    end = 0
    for lexeme in _LEXEME.finditer(sql):
        if lexeme["blank"] is None:
            end = lexeme.end()
    return sql[:end].lstrip()
