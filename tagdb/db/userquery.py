"""SQL that a person wrote: checked by PostgreSQL's own parser before any of it runs, and run read-only.

A statement is first opened as a cursor inside the database (`tagdb.open_query`), which takes exactly one
row-returning statement and nothing else. Only a text that has passed is ever placed inside a larger statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tagdb.db.connection import Session, quote_identifier
from tagdb.db.translation import storable, translated
from tagdb.errors import DatabaseError, QueryRefused, SchemaMismatch, Unavailable
from tagdb.shortening import named

_TRY = "try it first in: tagdb db psql"
_INTEGER_TYPES = (20, 21, 23)  # oids of int8, int2 and int4
_LEXEME = re.compile(
    r"""
    (?P<blank> \s+ | --[^\n]* | /\*.*?\*/ | ; )
    | [eE]'(?: \\. | '' | [^'\\] )*'
    | '(?: '' | [^'] )*'
    | "(?: "" | [^"] )*"
    | (?P<dollar> \$(?:[^\W\d]\w*)?\$ ) .*? (?P=dollar)
    | [\w$]+
    | .
    """,
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class UserQuery:
    """A checked query: its text without what follows its end, the names of its columns, and which are integers."""

    sql: str
    columns: tuple[str, ...]
    integers: frozenset[str] = frozenset()

    def selecting(self, expressions: str) -> str:
        """Return a SELECT of `expressions` over this query's rows, called `q`."""
        return f"SELECT {expressions} FROM (\n{self.sql}\n) AS q"

    def column(self, *names: str) -> str:
        """Return the first of `names` that is a column, quoted.

        Raises
        ------
        QueryRefused : there is none of them
        """
        return quote_identifier(self._find(names))

    def integer_column(self, *names: str) -> str:
        """Return the first of `names` that is a column, quoted.

        Raises
        ------
        QueryRefused : there is none of them, or it is not of an integer type
        """
        name = self._find(names)
        if name not in self.integers:
            raise QueryRefused(
                f"the column {name} of the query is not of an integer type", hint=f"cast it: SELECT …::bigint AS {name}"
            )
        return quote_identifier(name)

    def _find(self, names: tuple[str, ...]) -> str:
        for name in names:
            if name in self.columns:
                return name
        raise QueryRefused(
            f"the query has no column {' or '.join(names)}; it has {named(self.columns) or 'none'}",
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


def check_inside(session: Session, sql: str) -> UserQuery:
    """Check `sql` as `check` does, inside the caller's own transaction."""
    text = _without_end(sql)
    if not text:
        raise QueryRefused("the query is empty", hint="write it as: SELECT id AS question_id, label FROM questions")
    cursor = session.cursor()
    with refusals(), storable(), translated():
        cursor.execute("SAVEPOINT tagdb_check; SET TRANSACTION READ ONLY")
        cursor.execute("SELECT tagdb.open_query(%s)", (text,))
        (name,) = cursor.fetchone() or ("",)
        cursor.execute(f"FETCH 0 FROM {quote_identifier(name)}")
        described = cursor.description or ()
        cursor.execute("ROLLBACK TO tagdb_check; RELEASE tagdb_check")
    integers = frozenset(column.name for column in described if column.type_code in _INTEGER_TYPES)
    return UserQuery(text, tuple(column.name for column in described), integers)


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
def refusals() -> Iterator[None]:
    """Let what PostgreSQL says of a statement become a refusal of the user's query."""
    try:
        yield
    except (DatabaseError, Unavailable) as error:
        if (reason := _reason(error)) is None:
            raise
        raise QueryRefused(f"the query cannot be run: {reason}", hint=_hint(error)) from error


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


def _hint(error: DatabaseError | Unavailable) -> str:
    return error.hint if isinstance(error, DatabaseError) and error.hint else _TRY


def _without_end(sql: str) -> str:
    """Return `sql` without the blanks, semicolons and comments after its last word.

    What is cut wrongly (comments may be nested, which this does not follow) is refused by PostgreSQL, which reads
    the text after this and decides.
    """
    end = 0
    for lexeme in _LEXEME.finditer(sql):
        if lexeme["blank"] is None:
            end = lexeme.end()
    return sql[:end].lstrip()
