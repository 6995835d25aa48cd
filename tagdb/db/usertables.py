"""The user's tables `questions` and `tags`: whether they are there, in the shape that presets read or imports write."""

from __future__ import annotations

from tagdb.db import keys
from tagdb.db.connection import Row, Session
from tagdb.errors import InputRefused
from tagdb.shortening import named

_INTEGERS = ("bigint", "integer", "smallint")
_SHAPE = {
    "questions": {"id": "bigint", "title": "text"},
    "tags": {"question_id": "bigint", "position": "bigint", "tag": "text"},
}
_KEYS = {"questions": "id", "tags": "question_id"}
_NEEDED_TO_WRITE = ("position",)
"""Columns that an import fills, and that a preset can do without."""


def imported_table(session: Session, table: str) -> str:
    """Return by which name an import finds its table: in all collections but the default one, their own."""
    return table if session.is_default else session.qualified(table)


def require_user_tables(session: Session) -> None:
    """Pass when `questions` and `tags` are absent or of tagdb's shape.

    Raises
    ------
    InputRefused : one of them is somebody's table of another shape
    """
    for table in _SHAPE:
        name = imported_table(session, table)
        there = session.rows("source.user_columns", table_name=name)
        if there and (found := fault(session, table, name, to_write=True)):
            raise InputRefused(
                found,
                hint="import into another database or schema: PGOPTIONS='-c search_path=mine' tagdb import …",
            )


def require_shape(session: Session, *, with_tags: bool) -> None:
    """Pass where the tables have the shape that a preset reads.

    Raises
    ------
    InputRefused : one is missing or of another shape, or their ids are not comparable
    """
    tables = ("questions", "tags") if with_tags else ("questions",)
    wrong = next((found for table in tables if (found := fault(session, table))), None)
    if wrong is None and with_tags:
        keys_there = [_columns(session, table)[_KEYS[table]] for table in tables]
        if keys_there[0].family != keys_there[1].family:
            wrong = (
                f"the column id of the table questions here is {keys_there[0].type}, "
                f"question_id of the table tags {keys_there[1].type}"
            )
    if wrong:
        raise InputRefused(
            wrong,
            hint="tagdb import FILE makes and fills it; or map your own tables: "
            "tagdb sync --source-sql 'SELECT … AS question_id, … AS text FROM …'",
        )


def has_tags(session: Session) -> bool:
    """Return whether there is a table of tags whose keys stand beside those of the source.

    A table that is anybody's may belong to other questions than those of SQL of the user's own: only the default
    collection takes it for theirs all the same, as it always has.
    """
    found_as = "tags" if session.is_default or not _is_custom(session) else session.qualified("tags")
    if fault(session, "tags", found_as):
        return False
    key, family = keys.of_source(session), _columns(session, found_as)["question_id"].family
    stored_as = {"integers": "bigint", "uuid": "uuid"}.get(family, "text")
    return key is None or stored_as == ("bigint" if key.is_integer else key.type)


def _is_custom(session: Session) -> bool:
    words = session.row("source.definition", view="source")
    return words is not None and words.sql is not None


def _columns(session: Session, table: str) -> dict[str, Row]:
    return {row.name: row for row in session.rows("source.user_columns", table_name=table)}


def fault(session: Session, table: str, found_as: str | None = None, *, to_write: bool = False) -> str | None:
    """Return what keeps the user's table, called `found_as`, from having the shape tagdb reads, or writes; else None.

    An import writes integers as keys; to be read, a key may be of any type that is one.
    """
    columns = _columns(session, found_as or table)
    if not columns:
        return f"there is no table {table} here"
    for name, wanted in _SHAPE[table].items():
        if name not in columns:
            if name in _NEEDED_TO_WRITE and not to_write:
                continue
            return f"the table {table} here has no column {name}; it has {named(list(columns))}"
        found = columns[name]
        if name == _KEYS[table] and not to_write:
            if not found.family:
                return (
                    f"the column {name} of the table {table} here is {found.type}; "
                    "a key is an integer, a uuid or a text"
                )
        elif not (found.is_text if wanted == "text" else found.type in _INTEGERS):
            return f"the column {name} of the table {table} here is {found.type}, not {wanted}"
    return None
