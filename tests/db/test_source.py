"""What is embedded: presets over `questions` and `tags`, or any SELECT, changed without leaving anything half done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tagdb.db import source, usertables
from tagdb.db.connection import Database, Session
from tagdb.db.source import Choice
from tagdb.errors import InputRefused, QueryRefused
from tests.db.conftest import session_with

_TABLES = """
CREATE TABLE questions (id bigint PRIMARY KEY, title text, label text);
CREATE TABLE tags (question_id bigint, position smallint, tag text, PRIMARY KEY (question_id, position));
INSERT INTO questions VALUES (1, 'How?', 'a'), (2, NULL, 'b'), (3, 'Why?', NULL);
INSERT INTO tags VALUES (1, 1, 'sql'), (1, 0, 'python'), (2, 0, 'c#');
"""
_CUSTOM = "SELECT id, upper(title) AS text FROM questions WHERE title IS NOT NULL"


@pytest.fixture
def session(shared_database: Database) -> Iterator[Session]:
    """A session on a database with three questions and without a source."""
    with session_with(shared_database, _TABLES) as opened:
        yield opened


def _texts(session: Session) -> dict[int, str]:
    rows = session.rows_of("SELECT question_id, text FROM tagdb.source ORDER BY 1", {})
    return {row.question_id: row.text for row in rows}


def _tags(session: Session) -> list[tuple[int, str]]:
    return [tuple(row) for row in session.rows_of("SELECT question_id, tag FROM tagdb.source_tag ORDER BY 1, 2", {})]


_ALL_TAGS = [(1, "python"), (1, "sql"), (2, "c#")]


@pytest.mark.parametrize(
    ("preset", "texts"),
    [
        ("tags", {1: "python sql", 2: "c#", 3: ""}),
        ("title", {1: "How?", 2: "", 3: "Why?"}),
        ("title+tags", {1: "How? python sql", 2: "c#", 3: "Why?"}),
    ],
)
def test_preset_puts_a_text_together(session: Session, preset: str, texts: dict[int, str]) -> None:
    assert source.current(session) is None
    assert source.ensure(session, Choice(preset)) is True
    assert source.current(session) == preset
    assert _texts(session) == texts
    assert _tags(session) == _ALL_TAGS
    assert source.ensure(session, Choice(preset)) is False
    assert source.ensure(session, Choice()) is False
    assert source.current(session) == preset


def test_without_a_choice_the_tag_list_is_embedded(session: Session) -> None:
    assert source.ensure(session, Choice()) is True
    assert source.current(session) == "tags"


def test_choices_replace_one_another(session: Session) -> None:
    for choice, name, first in (
        (Choice("title+tags"), "title+tags", "How? python sql"),
        (Choice(sql=_CUSTOM), source.CUSTOM, "HOW?"),
        (Choice(), source.CUSTOM, "HOW?"),
        (Choice("title"), "title", "How?"),
        (Choice(sql='SELECT 1 AS id, title COLLATE "C" AS text FROM questions LIMIT 1'), source.CUSTOM, "How?"),
        (Choice("tags"), "tags", "python sql"),
    ):
        source.ensure(session, choice)
        assert source.current(session) == name
        assert _texts(session)[1] == first
        assert _tags(session) == _ALL_TAGS


def test_sql_may_name_the_id_either_way_and_end_in_a_comment(session: Session) -> None:
    for sql in ("SELECT 7::smallint AS id, 'x' AS text", "SELECT 7 AS question_id, 'x'::varchar(9) AS text; -- all"):
        assert source.ensure(session, Choice(sql=sql)) is True
        assert _texts(session) == {7: "x"}


def test_missing_text_is_an_empty_one(session: Session) -> None:
    source.ensure(session, Choice(sql="SELECT 7 AS id, NULL::text AS text"))
    assert _texts(session) == {7: ""}


def test_tags_of_ones_own(session: Session) -> None:
    session.run_script("DROP TABLE tags; CREATE TABLE own (thing integer, word text); INSERT INTO own VALUES (1, 'w')")
    choice = Choice("title", tags_sql="SELECT thing AS question_id, word AS tag FROM own")
    assert source.ensure(session, choice) is True
    assert _tags(session) == [(1, "w")]
    assert source.ensure(session, choice) is False, "the same words make the same view"
    assert source.ensure(session, Choice(sql=_CUSTOM)) is True
    assert _tags(session) == [(1, "w")], "what was said of tags stays until something else is said"


def test_titles_can_be_embedded_where_there_are_no_tags(session: Session) -> None:
    session.run_script("DROP TABLE tags")
    source.ensure(session, Choice("title"))
    assert _texts(session)[1] == "How?"
    assert _tags(session) == []


@pytest.mark.parametrize(
    ("statement", "preset", "message"),
    [
        ("DROP TABLE questions", "title", "there is no table questions here"),
        ("DROP TABLE tags", "tags", "there is no table tags here"),
        ("DROP TABLE tags", "title+tags", "there is no table tags here"),
        ("ALTER TABLE questions DROP title", "title", "questions here has no column title; it has id, label"),
        ("ALTER TABLE questions RENAME id TO number", "tags", "questions here has no column id; it has number"),
        ("ALTER TABLE questions ALTER id TYPE numeric", "title", "column id of .* is numeric; a key is an integer"),
        (
            "ALTER TABLE questions ALTER id TYPE text",
            "tags",
            "column id of the table questions here is text, question_id of the table tags bigint",
        ),
        ("ALTER TABLE tags ALTER tag TYPE text[] USING ARRAY[tag]", "tags", r"column tag .* is text\[\], not text"),
        ("ALTER TABLE tags ALTER position TYPE text", "tags", "column position of the table tags here is text"),
        ("ALTER TABLE tags DROP tag", "tags", "tags here has no column tag; it has question_id, position"),
    ],
)
def test_tables_of_another_shape_are_refused_with_what_to_type(
    session: Session, statement: str, preset: str, message: str
) -> None:
    session.run_script(statement)
    with pytest.raises(InputRefused, match=message) as refused:
        source.ensure(session, Choice(preset))
    assert "--source-sql" in (refused.value.hint or "")
    assert source.current(session) is None


def test_import_into_tags_without_position_is_refused_with_a_way_that_works(session: Session) -> None:
    session.run_script("ALTER TABLE tags DROP position")
    with pytest.raises(InputRefused, match="the table tags here has no column position") as refused:
        usertables.require_user_tables(session)
    assert "PGOPTIONS='-c search_path=mine' tagdb import" in (refused.value.hint or "")
    session.run_script("CREATE SCHEMA mine; SET search_path = mine")
    usertables.require_user_tables(session)
    session.run_script("DROP SCHEMA mine; RESET search_path")


def test_tables_of_near_enough_types_are_taken(session: Session) -> None:
    session.run_script(
        "ALTER TABLE questions ALTER id TYPE integer, ALTER title TYPE varchar(80);"
        "ALTER TABLE tags ALTER tag TYPE varchar(35)"
    )
    usertables.require_user_tables(session)
    source.ensure(session, Choice("title+tags"))
    assert _texts(session)[1] == "How? python sql"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT id, title FROM questions", "no column text; it has id, title"),
        ("SELECT title AS text FROM questions", "no column question_id or id; it has text"),
        ("SELECT 1.5 AS id, 'x' AS text", "column id of the source query .* is of type numeric"),
        ("SELECT now() AS question_id, 'x' AS text", "column question_id of .* is of type timestamp with time zone"),
        ("SELECT id, title AS text, label AS text FROM questions", "ambiguous"),
        ("SELECT id, text FROM nowhere", 'relation "nowhere" does not exist'),
        ("DELETE FROM questions RETURNING id, 'x' AS text", "it writes"),
        ("SELECT 1 AS id, 'x' AS text; DROP TABLE questions", "more than one statement"),
        ("", "is empty"),
    ],
)
def test_sql_that_does_not_fit_is_refused_and_nothing_changes(session: Session, sql: str, message: str) -> None:
    source.ensure(session, Choice("title"))
    with pytest.raises(QueryRefused, match=message):
        source.ensure(session, Choice(sql=sql or " ;"))
    assert source.current(session) == "title"
    assert _texts(session)[1] == "How?"


def test_bad_tags_sql_undoes_the_text_chosen_with_it(session: Session) -> None:
    source.ensure(session, Choice("title"))
    with pytest.raises(QueryRefused, match="no column tag"):
        source.ensure(session, Choice("tags", tags_sql="SELECT 1 AS question_id"))
    assert source.current(session) == "title"
    assert _texts(session)[1] == "How?"


def test_contradicting_or_unknown_choices_are_refused() -> None:
    with pytest.raises(InputRefused, match="no text preset 'titles'") as refused:
        Choice("titles")
    assert "title+tags" in (refused.value.hint or "")
    with pytest.raises(InputRefused, match="both say what to embed"):
        Choice("title", sql=_CUSTOM)


def test_import_is_refused_where_a_table_of_that_name_is_somebody_elses(session: Session) -> None:
    usertables.require_user_tables(session)
    session.run_script("DROP TABLE questions, tags")
    usertables.require_user_tables(session)
    session.run_script("CREATE TABLE questions (id uuid, title text)")
    with pytest.raises(InputRefused, match="column id of the table questions here is uuid") as refused:
        usertables.require_user_tables(session)
    assert "search_path" in (refused.value.hint or "")
