"""Whatever several sessions do, a sync that goes by the triggers leaves what one that compares everything leaves."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import psycopg2
import psycopg2.extensions
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tagdb.db.connection import Database
from tagdb.models import Silent
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.sync import Choice
from tests.examples import examples
from tests.pipeline.capturing import PARTITIONED, assert_as_if_compared, capture_on, run, session
from tests.pipeline.world import USER_TABLES, World, load_once

Connection: TypeAlias = psycopg2.extensions.connection
Step: TypeAlias = tuple[str, int, int, str]

OWN = Choice(
    sql="SELECT id::text AS question_id, concat_ws(' ', title, label) AS text FROM questions",
    tags_sql="SELECT question_id::text AS question_id, tag FROM tags",
)
LABELLED = "SELECT id::text AS question_id, CASE WHEN id < 5 THEN 'low' ELSE 'high' END AS label FROM questions"
KINDS: dict[str, tuple[str, Choice, dict[str, str]]] = {
    "tags": (USER_TABLES, Choice("tags"), {}),
    "title": (USER_TABLES, Choice("title"), {}),
    "title+tags, partitioned": (PARTITIONED, Choice("title+tags"), {}),
    "own SQL, partitioned": (PARTITIONED, OWN, {"questions": "id", "tags": "question_id::text"}),
}


def _put(connection: Connection, number: int, words: str) -> None:
    run(
        connection,
        f"INSERT INTO questions (id, title) VALUES ({number}, '{words}'), ({number + 3}, 'other') "
        "ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title",
    )
    _tag(connection, number, words)


def _tag(connection: Connection, number: int, words: str) -> None:
    run(connection, f"DELETE FROM tags WHERE question_id = {number}")
    for place, tag in enumerate(words.split()):
        run(connection, f"INSERT INTO tags VALUES ({number}, {place}, '{tag}')")


def _merge(connection: Connection, number: int, words: str) -> None:
    run(
        connection,
        f"MERGE INTO questions q USING (VALUES (CAST({number} AS bigint)), ({number + 1})) AS v (id) ON q.id = v.id "
        "WHEN MATCHED AND q.id % 2 = 0 THEN DELETE "
        f"WHEN MATCHED THEN UPDATE SET title = '{words}' WHEN NOT MATCHED THEN INSERT (id, title) VALUES (v.id, 'm')",
    )


def _copy(connection: Connection, number: int, words: str) -> None:
    with connection.cursor() as cursor:
        cursor.copy_expert("COPY questions (id, title) FROM STDIN", io.StringIO(f"{number + 20}\t{words}\n"))
        cursor.copy_expert("COPY tags FROM STDIN", io.StringIO(f"{number + 20}\t0\tcopied\n"))


def _taken_back(connection: Connection, number: int, words: str) -> None:
    run(connection, "SAVEPOINT before")
    _put(connection, number, f"{words} lost")
    run(connection, "ROLLBACK TO before")
    run(connection, f"UPDATE tags SET tag = tag || 'x' WHERE question_id = {number} AND position = 0")


def _in_part(connection: Connection, number: int, words: str) -> None:
    """Change rows in a partition by its own name, where there is one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('low_questions') IS NOT NULL")
        ((parted,),) = cursor.fetchall()
    part = "low_questions" if parted else "questions"
    run(connection, f"UPDATE {part} SET title = '{words} in part', label = 'l' WHERE id = {number}")
    run(connection, f"DELETE FROM {part} WHERE id = {number - 1}")


def _emptied(connection: Connection, number: int, words: str) -> None:
    run(connection, "TRUNCATE tags" if number % 2 else "TRUNCATE questions")
    connection.commit()


DOES: dict[str, Callable[[Connection, int, str], None]] = {
    "put": _put,
    "tag": _tag,
    "merge": _merge,
    "copy": _copy,
    "savepoint": _taken_back,
    "in part": _in_part,
    "empty": _emptied,
    "remove": lambda connection, number, _: run(connection, f"DELETE FROM questions WHERE id = {number}"),
    "renumber": lambda connection, number, _: run(
        connection, f"UPDATE questions SET id = 11 - id WHERE id IN ({number}, {number + 1})"
    ),
    "retag": lambda connection, number, _: run(
        connection, f"UPDATE tags SET question_id = {number} WHERE question_id = {number + 1}"
    ),
    "touch": lambda connection, *_: run(
        connection, "UPDATE questions SET title = title; UPDATE tags SET tag = tag; DELETE FROM tags WHERE false"
    ),
    "commit": lambda connection, *_: connection.commit(),
    "rollback": lambda connection, *_: connection.rollback(),
}
_STEP = st.tuples(
    st.sampled_from([*DOES, "commit", "commit", "sync", "sync"]),
    st.integers(0, 1),
    st.integers(0, 8),
    st.sampled_from(["t1 shared", "t2", "shared words again"]),
)


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=examples(12),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(_STEP, min_size=1, max_size=12))
@example(steps=[("put", 0, 3, "t1 shared"), ("sync", 0, 0, ""), ("commit", 0, 0, ""), ("sync", 0, 0, "")])
@example(steps=[("put", 0, 3, "t2"), ("put", 1, 1, "t2"), ("commit", 1, 0, ""), ("sync", 0, 0, "")])
@example(steps=[("empty", 0, 0, ""), ("put", 0, 1, "t2"), ("commit", 0, 0, ""), ("sync", 0, 0, "")])
def test_capture_misses_nothing(captured_worlds: Callable[[str], World], kind: str, steps: list[Step]) -> None:
    world = captured_worlds(kind)
    with session(world) as first, session(world) as second:
        for connection in (first, second):
            run(connection, "SET lock_timeout = '20ms'")
            connection.commit()
        for name, who, number, words in steps:
            if name == "sync":
                world.sync()
                continue
            connection = (first, second)[who]
            try:
                DOES[name](connection, number, words)
            except psycopg2.Error:  # what it asks for is not there, there already, or locked by the other one
                connection.rollback()
        with suppress(psycopg2.Error):
            first.commit()
        second.commit()
    world.sync()
    assert_as_if_compared(world)


@pytest.fixture
def captured_worlds(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], World]:
    """Return what gives the world of a kind with ten questions in it again, captured."""
    monkeypatch.setattr(registry, "load", load_once)
    made: list[World] = []
    tagged = ", ".join(f"({number}, 0, 't{number}'), ({number}, 1, 'shared')" for number in range(10))
    titled = ", ".join(f"({number}, 'title {number}')" for number in range(10))

    def again(kind: str) -> World:
        tables, choice, ids = KINDS[kind]
        if not made:
            made.append(World(database, tiny_embedder, tables=tables))
        (world,) = made
        fill = f"INSERT INTO questions (id, title) VALUES {titled}; INSERT INTO tags VALUES {tagged}"
        world.run(f"TRUNCATE questions, tags; {fill}")
        if not world.rows("SELECT FROM tagdb.classifier"):
            world.sync(choice)
            query: Any = LABELLED if choice is OWN else LABELLED.replace("id::text AS", "id AS")
            train(world.database, query, TrainSettings(), Silent())
            capture_on(world, ids)
        world.sync()
        return world

    return again
