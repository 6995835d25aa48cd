"""The SQL of the presets: over all rows or some, and with the tags of a question by position or as the key has them."""

from __future__ import annotations

from dataclasses import dataclass

from tagdb.db import conditions
from tagdb.db.connection import Session, quote_identifier
from tagdb.db.resources import folder
from tagdb.shortening import named

TAGGED = ("tags", "title+tags")
"""Those whose texts have the tags in them."""

_BY_TAG = 'tag::text COLLATE "C"'


@dataclass(frozen=True)
class TagOrder:
    """What the tags of a question are ordered by, in SQL; and in words, where it is not their position alone."""

    sql: str
    said: str | None


def tag_order(session: Session) -> TagOrder:
    """Return the order for the user's table `tags`, a total one: a text must not change with the way rows are read."""
    found = session.row("source.tag_key")
    by_key = ", ".join(map(quote_identifier, found.columns)) if found and found.columns else _BY_TAG
    if found and found.positioned:
        return TagOrder("position" if found.position_is_unique else f"position, {by_key}", None)
    without = "the table tags has no column position: the tags of a question are in the order of"
    if not found or not found.name:
        return TagOrder(by_key, f"{without} the tags themselves, for it has no key")
    if not found.columns:
        return TagOrder(by_key, None)
    key = "its primary key" if found.is_primary else f"its unique index {found.name}"
    return TagOrder(by_key, f"{without} {key} ({named(found.columns)})")


def sql(session: Session, name: str, condition: str | None) -> str:
    """Return the SQL of a preset, or of its tags; a condition sees the columns of `questions` alone.

    Raises
    ------
    QueryRefused : the condition is not one expression on them
    """
    questions, template = "questions", (folder("sql") / "sources" / f"{name}.sql").read_text(encoding="utf-8")
    if condition is not None:
        columns = [row.name for row in session.rows("source.user_columns", table_name=questions)]
        conditions.check(session, condition, questions, questions, columns)
        read = "id, title" if "title" in name else "id"
        questions = f"(SELECT {read} FROM questions WHERE {conditions.in_parentheses(condition)})"
    return template.format(questions=questions, order=tag_order(session).sql)
