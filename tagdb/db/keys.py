"""Keys of questions as they are: smallint, integer, bigint, uuid and text, in the type that the source gives them.

`tagdb.question` and `tagdb.labels` have that type, so that PostgreSQL looks either table of a join up by the other's
ids. With texts it does so where both have the same collation, or one of them the database's own; so a text has the
collation that the source gives it. Only where that is a nondeterministic one, to which different texts are equal, it
has the database's, which never is: no two keys become one.
"""

from __future__ import annotations

from dataclasses import dataclass

from tagdb.db import remaking, routines
from tagdb.db.connection import Session
from tagdb.db.userquery import UserQuery
from tagdb.errors import InputRefused, QueryRefused

_WIDTHS = ("smallint", "integer", "bigint")
_TABLES = ("question", "labels")
_MADE_ANEW = ("embedding", "status", "nearest_questions")
"""The views and functions whose own columns and arguments are such ids, or that read them."""

_TO_WRITE = {
    "array": "array_to_string(…, '/')",
    "json": "… #>> '{}'",
    "bytes": "encode(…, 'hex')",
    "time": "extract(epoch FROM …)::text",
    "number": "…::bigint",
}
NEW_KEYS = "--new-keys"


@dataclass(frozen=True)
class Key:
    """A type of question ids; `collation` is that of text, in its full name."""

    type: str
    collation: str | None = None

    @property
    def sql(self) -> str:
        """The type as a column has it."""
        return f"{self.type} COLLATE {self.collation}" if self.collation else self.type

    @property
    def said(self) -> str:
        """The type in a sentence."""
        return f"{'an' if self.type == 'integer' else 'a'} {self.type}"

    @property
    def is_integer(self) -> bool:
        """Whether ids are numbers."""
        return self.type in _WIDTHS

    def cast(self, expression: str) -> str:
        """Return an expression cast to this type."""
        cast = f"{expression}::{self.type}"
        return f"{cast} COLLATE {self.collation}" if self.collation else cast

    def number(self, expression: str) -> str:
        """Return a bigint that stands for an id of this type: an integer itself, a hash of 64 bits of anything else."""
        if self.is_integer:
            return f"CAST({expression} AS bigint)"
        if self.type == "uuid":
            return f"uuid_hash_extended({expression}, 0)"
        return f'hashtextextended({expression} COLLATE "C", 0)'

    def takes(self, other: Key) -> bool:
        """Whether every id of the `other` type is stored as one of this type without a loss."""
        return self.type == other.type or (self.is_integer and other.is_integer and not self.is_narrower(other))

    def is_narrower(self, other: Key) -> bool:
        """Whether both are integers, and some of the other type are too large for this one."""
        return self.is_integer and other.is_integer and _WIDTHS.index(self.type) < _WIDTHS.index(other.type)


@dataclass(frozen=True)
class Change:
    """Another type for the stored ids: `widened`, or `anew` without any of the ids and labels that there are."""

    key: Key
    anew: bool


def stored(session: Session) -> Key:
    """Return the type of the ids that are stored."""
    key = _of_relation(session, "question")
    assert key is not None
    return key


def of_source(session: Session) -> Key | None:
    """Return the type of the ids that the view of the source gives, None without a view."""
    return _of_relation(session, "source")


def of_tags(session: Session) -> Key | None:
    """Return the type of the ids that the view of tags gives, None without a view."""
    return _of_relation(session, "source_tag")


def of_query(session: Session, query: UserQuery) -> tuple[str, Key]:
    """Return the column of a query that holds ids, quoted, and what they are stored as.

    Raises
    ------
    QueryRefused : there is none, or it is of a type that is no key
    """
    name = query.first_of("question_id", "id")
    column, kind = query.column(name), session.row("keys.kind", type=query.type_of(name))
    assert kind is not None
    if kind.stored_as is None:
        write = _TO_WRITE.get(kind.kind, "…::text")
        hint = f"cast it: SELECT {write} AS {name}"
        raise QueryRefused(
            f"the column {name} of {query.called} is of type {kind.name}; a key is an integer, a uuid or a text",
            hint=f"{hint}; or …::text AS {name}, if there are fractions" if kind.kind == "number" else hint,
        )
    if kind.stored_as != "text":
        return column, Key(kind.stored_as)
    parts = {"column": f"q.{column}::text", "query": f"(\n{query.sql}\n)"}
    ((collation,),) = session.rows_with("keys.collation", parts)
    return column, Key("text", collation)


def to_store(session: Session, key: Key) -> Key:
    """Return what ids of a type are cast to: the stored type where that takes them, else their own."""
    before = stored(session)
    return before if before.takes(key) and not session.scalar("keys.unused") else key


def ids(session: Session, query: UserQuery, key: Key) -> str:
    """Return the ids of a query that stand beside those of the type `key`, cast to it where they are of another one.

    Raises
    ------
    QueryRefused : they are of a type that is not comparable with it
    """
    column, found = of_query(session, query)
    if key.is_narrower(found):
        return found.cast(f"q.{column}")
    if not key.takes(found):
        write = "select the ids that the source gives"
        if key.type == "text" or found.type == "text":
            write = f"cast it: SELECT …::{key.type} AS {query.first_of('question_id', 'id')}"
        raise QueryRefused(f"the ids of {query.called} are {found.type}, those of the source {key.type}", hint=write)
    return key.cast(f"q.{column}")


def looked_up(session: Session, query: UserQuery, key: Key) -> str:
    """Return the ids of a query in which stored questions are named; numbers may be written as texts.

    Raises
    ------
    QueryRefused : they are of a type that is not comparable with the stored one
    """
    name = query.first_of("question_id", "id")
    kind = session.row("keys.kind", type=query.type_of(name))
    assert kind is not None
    if key.is_integer and (kind.kind == "number" or kind.stored_as in (*_WIDTHS, "text")):
        return f"q.{query.column(name)}::bigint"
    if kind.stored_as != key.type:
        write = f"select the ids as {session.qualified('question')} has them"
        if key.type == "text" or kind.stored_as == "text":
            write = f"cast it: SELECT …::{key.type} AS {name}"
        raise QueryRefused(
            f"the column {name} of {query.called} is of type {kind.name}, the ids of questions are {key.type}",
            hint=write,
        )
    return key.cast(f"q.{query.column(name)}")


def change(session: Session, *, new_keys: bool) -> Change | None:
    """Return what has to become of the stored ids for the view of the source, None where they have its type.

    Integers are widened without asking, since nothing is lost by that.

    Raises
    ------
    InputRefused : ids and labels would have to be stored anew, and `new_keys` does not say that they may
    """
    key, before = of_source(session), stored(session)
    if key is None or key == before:
        return None
    if session.scalar("keys.unused"):
        return Change(key, anew=True)
    if before.is_narrower(key):
        return Change(key, anew=False)
    if not new_keys:
        raise InputRefused(
            f"question_id is {key.type} in what is to be embedded now, and {before.type} in what is stored",
            hint=f"cast it to what it was; or give tagdb sync {NEW_KEYS} as well: ids and labels are stored anew, "
            "vectors are kept",
        )
    return Change(key, anew=True)


def apply(session: Session, wanted: Change) -> None:
    """Give the stored ids another type, inside the caller's transaction; what reads them keeps its rights.

    Raises
    ------
    InputRefused : something of the user's depends on them
    """
    session.execute("keys.lock")
    with remaking.remade(session, _MADE_ANEW, tables=list(map(session.qualified, _TABLES))):
        if wanted.anew:
            session.execute("keys.forget")
        session.run_script(session.script("keys.change" if wanted.anew else "keys.widen", type=wanted.key.sql))
        routines.install(session, routines.outdated(session))
    session.execute("keys.wait_as_before")


def _of_relation(session: Session, name: str) -> Key | None:
    row = session.row("keys.column", relation=session.qualified(name))
    return None if row is None else Key(row.type, row.collation if row.type == "text" else None)
