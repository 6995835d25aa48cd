"""Columns of the user's SQL by type: what has one text is taken, what has not is refused with what to write."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tagdb.db import source
from tagdb.db.connection import Database, Session
from tagdb.db.source import Choice
from tagdb.errors import QueryRefused

_TYPES = """
CREATE TYPE citext;
CREATE FUNCTION citextin(cstring) RETURNS citext LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION citextout(citext) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE citext (INPUT = citextin, OUTPUT = citextout, STORAGE = extended, CATEGORY = 'S', COLLATABLE = true);
CREATE CAST (citext AS text) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (text AS citext) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE TYPE pair AS (a text, b text);
CREATE DOMAIN short AS varchar(20) CHECK (length(value) < 20);
CREATE DOMAIN shorter AS short;
CREATE DOMAIN number AS bigint;
CREATE DOMAIN words AS text[];
CREATE TABLE questions (id bigint PRIMARY KEY, title text);
CREATE TABLE tags (question_id bigint, position smallint, tag text, PRIMARY KEY (question_id, position));
"""


@pytest.fixture(scope="module", autouse=True)
def _types(shared_database: Database) -> None:
    with shared_database.session() as session:
        session.run_script(_TYPES)


@pytest.fixture
def session(shared_session: Session) -> Iterator[Session]:
    """A session without a source."""
    yield shared_session
    shared_session.run_script("DROP VIEW IF EXISTS tagdb.source, tagdb.source_tag; TRUNCATE tagdb.source_definition")


def _text(session: Session, expression: str) -> str:
    source.ensure(session, Choice(sql=f"SELECT 1 AS id, {expression} AS text"))
    ((text,),) = session.rows_of("SELECT text FROM tagdb.source", {})
    return str(text)


def _tags(session: Session, expression: str) -> list[str]:
    tags_sql = f"SELECT 1 AS id, {expression} AS tag"
    source.ensure(session, Choice(sql="SELECT 1 AS id, 'x' AS text", tags_sql=tags_sql))
    return [tag for (tag,) in session.rows_of("SELECT tag FROM tagdb.source_tag ORDER BY tag", {})]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("'x'", "x"),
        ("'x '::char(5)", "x"),
        ("'x'::varchar(5)", "x"),
        ("'x'::name", "x"),
        ("'x'::\"char\"", "x"),
        ("'X'::citext", "X"),
        ("'cross'::mood", "cross"),
        ("'x'::shorter", "x"),
        ("7::number", "7"),
        ("7.50::numeric", "7.50"),
        ("'00000000-0000-0000-0000-00000000000a'::uuid", "00000000-0000-0000-0000-00000000000a"),
        ("true", "true"),
        ("array_to_string('{a,b}'::text[], ' ')", "a b"),
        ("'{\"title\": \"x\"}'::jsonb->>'title'", "x"),
    ],
)
def test_what_has_one_text_is_taken(session: Session, expression: str, text: str) -> None:
    assert _text(session, expression) == text
    assert _tags(session, expression) == [text]


@pytest.mark.parametrize(
    ("expression", "kind", "write"),
    [
        ("'{a,b}'::text[]", "text[]", "array_to_string(…, ' ') AS text"),
        ("'{a,b}'::words", "text[]", "array_to_string(…, ' ') AS text"),
        ("'{calm}'::mood[]", "mood[]", "array_to_string(…, ' ') AS text"),
        ("'{}'::jsonb", "jsonb", "…->>'title' AS text"),
        ("'{}'::json", "json", "…->>'title' AS text"),
        ("'x'::bytea", "bytea", "convert_from(…, 'UTF8') AS text"),
        ("now()", "timestamp with time zone", "to_char(…, 'YYYY-MM-DD') AS text"),
        ("current_date", "date", "to_char("),
        ("interval '1 day'", "interval", "to_char("),
        ("row('a', 'b')::pair", "pair", "(…).title AS text"),
        ("row('a', 'b')", "record", "(…).title AS text"),
        ("'a:1'::tsvector", "tsvector", "…::text AS text"),
        ("point(1, 2)", "point", "…::text AS text"),
        ("'1'::money", "money", "…::text AS text"),
    ],
)
def test_what_has_not_is_refused_with_what_to_write(session: Session, expression: str, kind: str, write: str) -> None:
    said = rf"column text of the source query .* is of type {re.escape(kind)}, which is not text"
    with pytest.raises(QueryRefused, match=said) as refused:
        _text(session, expression)
    assert write in (refused.value.hint or "")
    assert source.current(session) is None


@pytest.mark.parametrize(
    ("expression", "tags"),
    [
        ("'{java,spring}'::text[]", ["java", "spring"]),
        ("'{java,NULL,spring}'::varchar[]", ["java", "spring"]),
        ("'{{a,b},{c,d}}'::text[]", ["a", "b", "c", "d"]),
        ("'{calm,cross}'::mood[]", ["calm", "cross"]),
        ("'{Java}'::citext[]", ["Java"]),
        ("'{3,1}'::integer[]", ["1", "3"]),
        ("'{a,b}'::words", ["a", "b"]),
        ("ARRAY['a', 'b']::shorter[]", ["a", "b"]),
        ("'{}'::text[]", []),
        ("NULL::text[]", []),
        ('\'["java", "spring", null, 7]\'::jsonb', ["7", "java", "spring"]),
        ('\'["java", {"a": 1}, ["b"]]\'::json', ["java"]),
        ("'[]'::jsonb", []),
        ("'null'::jsonb", []),
        ("NULL::jsonb", []),
        ("'\"java\"'::jsonb", ["java"]),
        ("'7'::json", ["7"]),
        ('\'{"list": ["java", "java"]}\'::jsonb->\'list\'', ["java", "java"]),
        ("'{\"other\": 1}'::jsonb->'list'", []),
        ('jsonb_path_query_array(\'[{"name": "java"}, {"name": "sql"}]\', \'$[*].name\')', ["java", "sql"]),
    ],
)
def test_arrays_of_tags_are_taken_as_their_elements(session: Session, expression: str, tags: list[str]) -> None:
    assert _tags(session, expression) == tags


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        ("'x'::bytea", "column tag of the tags query .* is of type bytea", "convert_from(…, 'UTF8') AS tag"),
        ("ARRAY[now()]", "is of type timestamp with time zone\\[\\]", "unnest(…)::text AS tag"),
        ("ARRAY['{}'::jsonb]", "is of type jsonb\\[\\]", "unnest(…)::text AS tag"),
        ("'{\"a\": 1}'::json", "the tags query .* cannot be run: cannot extract elements from an object", "--source-"),
    ],
)
def test_other_tags_are_refused(session: Session, expression: str, message: str, hint: str) -> None:
    with pytest.raises(QueryRefused, match=message) as refused:
        _tags(session, expression)
    assert hint in (refused.value.hint or "")
    assert source.current(session) is None


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("'{java,NULL,spring}'::text[]", "java spring"),
        ("'{}'::words", ""),
        ("'{calm}'::mood[]", "calm"),
        ("'{3,1}'::integer[]", "3 1"),
        ("'{Java,SQL}'::citext[]", "Java SQL"),
        ("'{{a,b},{c,d}}'::varchar[]", "a b c d"),
    ],
)
def test_text_of_an_array_is_what_the_hint_makes_of_it(session: Session, expression: str, text: str) -> None:
    with pytest.raises(QueryRefused) as refused:
        _text(session, expression)
    mended = re.search(r"SELECT …, (.*) AS text", refused.value.hint or "")
    assert mended
    assert _text(session, mended[1].replace("…", expression)) == text


@pytest.mark.parametrize(
    ("key", "type_"),
    [
        ("7::smallint", "smallint"),
        ("7", "integer"),
        ("7::bigint", "bigint"),
        ("7::number", "bigint"),
        ("'00000000-0000-0000-0000-00000000000a'::uuid", "uuid"),
        ("'7'", "text"),
        ("'x'::varchar(5)", "text"),
        ("'x'::char(5)", "text"),
        ("'x'::name", "text"),
        ("'X'::citext", "text"),
        ("'cross'::mood", "text"),
        ("'x'::shorter", "text"),
    ],
)
def test_keys_of_a_first_source_are_of_its_own_type(session: Session, key: str, type_: str) -> None:
    source.ensure(session, Choice(sql=f"SELECT {key} AS id, 'x' AS text", tags_sql=f"SELECT {key} AS id, 'a' AS tag"))
    for view in ("source", "source_tag"):
        found = session.rows_of(f"SELECT CAST(pg_typeof(question_id) AS text) FROM tagdb.{view}", {})
        assert found == [(type_,)]


@pytest.mark.parametrize(
    ("key", "kind", "ids"),
    [
        ("7.0", "numeric", [7]),
        ("7.25::float8", "double precision", ["7.25"]),
        ("'7'::oid", "oid", ["7"]),
        ("true", "boolean", ["true"]),
        ("'{\"id\": 1}'::jsonb", "jsonb", ['{"id": 1}']),
        ("'\"k\"'::json", "json", ["k"]),
        ("'\\x01ff'::bytea", "bytea", ["01ff"]),
        ("'2020-01-01 00:00:00Z'::timestamptz", "timestamp with time zone", ["1577836800.000000"]),
        ("'2020-01-01'::date", "date", ["1577836800"]),
        ("'{a,b}'::text[]", "text[]", ["a/b"]),
        ("row('a', 'b')::pair", "pair", ["(a,b)"]),
        ("'10.0.0.1'::inet", "inet", ["10.0.0.1/32"]),
        ("'[1,2]'::int4range", "int4range", ["[1,3)"]),
    ],
)
def test_other_keys_are_refused_with_a_hint_that_works(
    session: Session, key: str, kind: str, ids: list[object]
) -> None:
    said = rf"column id of the source query .* is of type {re.escape(kind)}; a key is an integer, a uuid or a text"
    with pytest.raises(QueryRefused, match=said) as refused:
        source.ensure(session, Choice(sql=f"SELECT {key} AS id, 'x' AS text"))
    written = re.search(r"SELECT (.*?) AS id", refused.value.hint or "")
    assert written
    expression = written[1].replace("…", f"({key})")
    source.ensure(session, Choice(sql=f"SELECT {expression} AS id, 'x' AS text"))
    assert [row.question_id for row in session.rows_of("SELECT question_id FROM tagdb.source", {})] == ids


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE questions ALTER title TYPE citext; ALTER TABLE tags ALTER tag TYPE citext",
        "ALTER TABLE questions ALTER title TYPE shorter; ALTER TABLE tags ALTER tag TYPE char(30)",
        "ALTER TABLE questions ALTER id TYPE number; ALTER TABLE tags ALTER tag TYPE name",
    ],
)
@pytest.mark.parametrize("preset", source.PRESETS)
def test_presets_read_texts_of_every_kind(shared_database: Database, preset: str, change: str) -> None:
    with shared_database.session() as session, session.rehearsal():
        session.run_script(change)
        session.run_script("INSERT INTO questions VALUES (1, 'How?'); INSERT INTO tags VALUES (1, 1, 'sql')")
        source.ensure(session, Choice(preset))
        ((text,),) = session.rows_of("SELECT text FROM tagdb.source", {})
        assert text == {"tags": "sql", "title": "How?", "title+tags": "How? sql"}[preset]
        assert session.rows_of("SELECT tag FROM tagdb.source_tag", {}) == [("sql",)]
