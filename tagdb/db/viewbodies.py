"""What the views over the user's tables select: ids, texts and tags, made of whatever the columns of a query hold."""

from __future__ import annotations

from dataclasses import dataclass

from tagdb.db import conditions, keys, separators
from tagdb.db.connection import Row, Session
from tagdb.db.keys import Key
from tagdb.db.userquery import UserQuery
from tagdb.errors import QueryRefused

_TO_WRITE = {
    "array": "array_to_string(…, ' ')",
    "json": "…->>'title'",
    "bytes": "convert_from(…, 'UTF8')",
    "time": "to_char(…, 'YYYY-MM-DD')",
    "record": "(…).title",
}


@dataclass(frozen=True)
class Definition:
    """The words that a view was last made from: of the preset of that name, or `sql` of the user's own.

    Rows of texts that do not satisfy `condition` are left out; `separator` stands between the tags of one text.
    """

    preset: str | None
    sql: str | None
    condition: str | None = None
    separator: str | None = None


def texts(session: Session, query: UserQuery, words: Definition) -> str:
    question_id, found = keys.of_query(session, query)
    text = query.column("text")
    kind = _type_of(session, query, "text")
    if kind.is_array or kind.kind != "text":
        raise _not_text(query, "text", kind)
    ids = keys.to_store(session, found).cast(f"q.{question_id}")
    texts = query.selecting(f"""{ids} AS question_id, coalesce(q.{text}::text, '') COLLATE "default" AS text""")
    if words.preset or words.condition is None:
        return texts
    conditions.check(session, words.condition, query.as_rows, "the source query", query.columns)
    return f"{texts} WHERE {conditions.in_parentheses(words.condition)}"


def tags(session: Session, query: UserQuery, words: Definition) -> str:
    question_id, tag = keys.ids(session, query, key(session)), query.column("tag")
    kind = _type_of(session, query, "tag")
    if words.separator and (kind.is_array or kind.kind != "text"):
        raise QueryRefused(
            f"the column tag of {query.called} is of type {kind.name}, and {separators.OPTION} takes texts apart",
            hint=f"leave it out; if it was given before, take it back: tagdb sync … {separators.OPTION} ''",
        )
    if words.separator:
        elements = separators.split(f"q.{tag}::text", words.separator)
        element = separators.trimmed("t.tag")
    elif kind.kind == "text" and not kind.is_array:
        return query.selecting(f"""{question_id} AS question_id, q.{tag}::text COLLATE "default" AS tag""")
    elif kind.kind == "text":
        elements, element = f"unnest(q.{tag})", "t.tag::text"
    elif kind.kind == "json" and not kind.is_array:
        elements = f"jsonb_array_elements({_as_json_list(f'q.{tag}::jsonb')})"
        element = "CASE WHEN jsonb_typeof(t.tag) NOT IN ('object', 'array') THEN t.tag #>> '{}' END"
    else:
        raise _not_text(query, "tag", kind)
    several = query.selecting(f"""{question_id} AS question_id, {element} COLLATE "default" AS tag""")
    return f"{several} CROSS JOIN LATERAL {elements} AS t (tag) WHERE {element} IS NOT NULL"


def _as_json_list(value: str) -> str:
    """Return SQL for a JSON value as a list of tags: one that is no list is the only tag of it, null none."""
    kind = f"jsonb_typeof({value})"
    only = f"CASE WHEN {kind} <> 'null' THEN jsonb_build_array({value}) END"
    return f"CASE WHEN {kind} IN ('array', 'object') THEN {value} ELSE {only} END"


def key(session: Session) -> Key:
    """Return the type of the ids that both views have."""
    return keys.of_source(session) or keys.stored(session)


def _type_of(session: Session, query: UserQuery, column: str) -> Row:
    found = session.row("source.text_type", type=query.type_of(column))
    assert found is not None
    return found


def _not_text(query: UserQuery, column: str, kind: Row) -> QueryRefused:
    write = _TO_WRITE.get("array" if kind.is_array else kind.kind, "…::text")
    if column == "tag" and kind.is_array:
        write = "unnest(…)::text"
    return QueryRefused(
        f"the column {column} of {query.called} is of type {kind.name}, which is not text",
        hint=f"make text of it in the query: SELECT …, {write} AS {column}",
    )
