"""Tables of tags without a position: their order is that of a key, or of the tags, and is the same on every reading."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tagdb.db import source
from tagdb.db.connection import Database, Session
from tagdb.db.source import Choice
from tagdb.models import Silent
from tests.pipeline.stored import Listener

TAGS = Choice("tags")
WITHOUT = "the table tags has no column position: the tags of a question are in the order of"


@pytest.fixture
def session(shared_database: Database) -> Iterator[Session]:
    """A session on a database with two questions, without tags and without a source."""
    with shared_database.session() as opened:
        opened.run_script(
            "CREATE TABLE questions (id bigint PRIMARY KEY, title text); INSERT INTO questions VALUES (1), (2)"
        )
        yield opened
        opened.run_script(
            "DROP VIEW IF EXISTS tagdb.source, tagdb.source_tag; DROP TABLE IF EXISTS questions, tags CASCADE;"
            "TRUNCATE tagdb.source_definition"
        )


def _choose(session: Session, choice: Choice = TAGS) -> tuple[str, list[str]]:
    """Choose the source; return the text of the first question, and what was said."""
    listener = Listener()
    source.ensure(session, choice, listener)
    ((text,),) = session.rows_of("SELECT text FROM tagdb.source WHERE question_id = 1", {})
    return text, listener.said


@pytest.mark.parametrize(
    ("table", "said", "text"),
    [
        ("question_id bigint, tag text, PRIMARY KEY (question_id, tag)", "its primary key (tag)", "a b c"),
        (
            "question_id bigint, tag text, id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            "its primary key (id)",
            "c a b",
        ),
        (
            'question_id bigint, tag text, "a "" b" serial, PRIMARY KEY (question_id, "a "" b")',
            'its primary key (a " b)',
            "c a b",
        ),
        (
            "question_id bigint NOT NULL, tag text, n serial, CONSTRAINT tags_n UNIQUE (question_id, n)",
            "its unique index tags_n (n)",
            "c a b",
        ),
        (
            "question_id bigint, tag text, n serial, UNIQUE (question_id, n), CONSTRAINT narrow UNIQUE (n)",
            "its unique index narrow (n)",
            "c a b",
        ),
        (
            "question_id bigint, tag text, n int, UNIQUE (question_id, n)",
            "the tags themselves, for it has no key",
            "a b c",
        ),
        ("question_id bigint, tag text", "the tags themselves, for it has no key", "a b c"),
        ("question_id bigint, tag varchar(9)", "the tags themselves, for it has no key", "a b c"),
    ],
)
@pytest.mark.parametrize("preset", ["tags", "title+tags"])
def test_order_is_that_of_the_key_and_is_said_once(
    session: Session, table: str, said: str, text: str, preset: str
) -> None:
    session.run_script(
        f"CREATE TABLE tags ({table}); INSERT INTO tags (question_id, tag) VALUES (1, 'c'), (1, 'a'), (1, 'b')"
    )
    assert _choose(session, Choice(preset)) == (text, [f"{WITHOUT} {said}"])
    assert _choose(session, Choice()) == (text, [])
    assert _choose(session, Choice(preset)) == (text, [])
    assert source.follow(session, Silent()) is False


@pytest.mark.parametrize(
    "index",
    [
        "CREATE UNIQUE INDEX ON tags (n) WHERE n > 0",
        "CREATE UNIQUE INDEX ON tags ((n + 1))",
        "CREATE UNIQUE INDEX ON tags (question_id) INCLUDE (n)",
        "CREATE INDEX ON tags (n)",
    ],
)
def test_index_that_orders_not_every_row_is_no_key(session: Session, index: str) -> None:
    session.run_script("CREATE TABLE tags (question_id bigint NOT NULL, tag text, n int NOT NULL)")
    session.run_script(f"{index}; INSERT INTO tags VALUES (1, 'a', 2)")
    session.run_script("ALTER TABLE tags ALTER n SET NOT NULL")
    text, said = _choose(session)
    assert text == "a"
    assert 'tag COLLATE "C"' in session.rows_of("SELECT pg_get_viewdef('tagdb.source') AS sql", {})[0].sql
    assert said == [] if "INCLUDE" in index else said == [f"{WITHOUT} the tags themselves, for it has no key"]


def test_positions_that_repeat_are_followed_by_the_key(session: Session) -> None:
    session.run_script("CREATE TABLE tags (question_id bigint, position smallint, tag text, id int PRIMARY KEY)")
    session.run_script("INSERT INTO tags VALUES (1, 2, 'x', 1), (1, NULL, 'z', 5), (1, NULL, 'y', 9), (1, 2, 'w', 3)")
    assert _choose(session) == ("x w z y", [])


def test_position_of_a_key_orders_alone(session: Session) -> None:
    session.run_script(
        "CREATE TABLE tags (question_id bigint, position smallint, tag text, PRIMARY KEY (question_id, position))"
    )
    _choose(session)
    assert 'ORDER BY tags."position")' in session.rows_of("SELECT pg_get_viewdef('tagdb.source') AS sql", {})[0].sql


def test_titles_have_no_order_to_speak_of(session: Session) -> None:
    session.run_script("CREATE TABLE tags (question_id bigint, tag text); INSERT INTO tags VALUES (1, 'a')")
    assert _choose(session, Choice("title")) == ("", [])
    assert session.rows_of("SELECT tag FROM tagdb.source_tag", {}) == [("a",)]
