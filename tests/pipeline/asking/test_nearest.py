"""Neighbours are those that numpy finds among the same vectors, whatever condition narrows them down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tagdb.db import source
from tagdb.db.connection import Database
from tagdb.db.embedded import EmbeddedServer
from tagdb.errors import InputRefused, QueryRefused, TagdbError
from tagdb.models import Silent
from tagdb.pipeline import sync
from tagdb.pipeline.asking.nearest import Neighbours, nearest_questions, nearest_tags
from tagdb.pipeline.embedders import registry
from tests.pipeline import stored

TAGS = [f"tag{number}" for number in range(25)]
N = 120


class World(NamedTuple):
    """A database and the vectors of its questions."""

    database: Database
    drawn: np.ndarray


HALF = 2e-3  # what half precision may do to a cosine distance


def _fill(database: Database) -> np.ndarray:
    """Store 120 questions with titles of their own and tags number % 25 and number % 7; return their vectors."""
    texts = [f"text {number}" for number in range(1, N + 1)]
    drawn = np.random.default_rng(1).normal(0.1, 0.3, (N, stored.DIM)).astype(np.float32)
    tags = [[TAGS[number % 25], f"big{number % 7}"] for number in range(1, N + 1)]
    labels = ["it's 50% : a::b" if number % 2 else None for number in range(1, N + 1)]
    stored.fill(database, texts, dict(zip(texts, drawn, strict=True)), tags=tags, labels=labels)
    return drawn


@pytest.fixture(scope="module")
def world(server: EmbeddedServer, execute: Callable[[str], None], template: str) -> Iterator[World]:
    """The database that the tests here only read."""
    with stored.shared_database(server, execute, template, "test_nearest") as database:
        yield World(database, _fill(database))


def _distances(origin: np.ndarray, others: np.ndarray) -> np.ndarray:
    origin, others = origin.astype(np.float64), others.astype(np.float64)
    cosines: np.ndarray = others @ origin / np.linalg.norm(others, axis=1) / np.linalg.norm(origin)
    return 1 - cosines


def _centroids(drawn: np.ndarray) -> dict[str, np.ndarray]:
    numbers = np.arange(1, N + 1)
    members = {tag: numbers % 25 == place for place, tag in enumerate(TAGS)}
    members |= {f"big{rest}": numbers % 7 == rest for rest in range(7)}
    return {tag: drawn[chosen].astype(np.float64).mean(axis=0) for tag, chosen in members.items()}


def _pairs(result: Neighbours) -> list[tuple[str, float]]:
    return [(each.name, each.distance) for each in result.found]


def _expected(names: list[str], distances: np.ndarray, k: int) -> list[tuple[str, float]]:
    return [(names[place], distances[place]) for place in np.argsort(distances, kind="stable")[:k]]


def _same(found: list[tuple[str, float]], expected: list[tuple[str, float]], tolerance: float = 1e-6) -> None:
    assert [distance for _, distance in found] == pytest.approx([d for _, d in expected], abs=tolerance)
    if tolerance < 1e-5:
        assert [name for name, _ in found] == [name for name, _ in expected]
    assert len({name for name, _ in found}) == len(found)


@pytest.mark.parametrize("exact", [True, False])
def test_nearest_tags_equal_brute_force(world: World, exact: bool) -> None:
    database, tagged = world
    centroids = _centroids(tagged)
    for tag in ("tag3", "big0"):
        others = [name for name in centroids if name != tag]
        expected = _expected(others, _distances(centroids[tag], np.array([centroids[name] for name in others])), 9)
        result = nearest_tags(database, tag, 9, Silent(), exact=exact)
        _same(_pairs(result), expected, 1e-6 if exact else HALF)
        assert (result.origin, result.complete) == (f"tag {tag}", True)
        counts = {row.tag: row.n for row in stored.rows(database, "SELECT tag, count(*) AS n FROM tags GROUP BY tag")}
        assert [each.questions for each in result.found] == [counts[each.name] for each in result.found]


@pytest.mark.parametrize("exact", [True, False])
def test_nearest_questions_equal_brute_force(world: World, exact: bool) -> None:
    database, tagged = world
    origin = _centroids(tagged)["tag3"]
    expected = _expected([str(number) for number in range(1, N + 1)], _distances(origin, tagged), 11)
    result = nearest_questions(database, "tag3", 11, Silent(), exact=exact)
    _same(_pairs(result), expected, 1e-6 if exact else HALF)
    assert [each.text for each in result.found] == [f"text {each.name}" for each in result.found]


def test_functions_in_sql_equal_the_command(world: World) -> None:
    database, tagged = world
    found = stored.rows(database, "SELECT nearest, questions, distance FROM tagdb.nearest_tags('tag3', 9)")
    assert [tuple(row) for row in found] == [
        (each.name, each.questions, each.distance) for each in nearest_tags(database, "tag3", 9, Silent()).found
    ]
    found = stored.rows(database, "SELECT nearest::text, distance, text FROM tagdb.nearest_questions(42, 9)")
    others = [number for number in range(N) if number != 41]
    expected = _expected([str(n + 1) for n in others], _distances(tagged[41], tagged[others]), 9)
    _same([(row.nearest, row.distance) for row in found], expected, HALF)
    assert [row.text for row in found] == [f"text {row.nearest}" for row in found]
    assert len(stored.rows(database, "SELECT * FROM tagdb.nearest_tags('big1')")) == 10
    for nothing in ("tagdb.nearest_tags('no such tag')", "tagdb.nearest_questions(5000)"):
        assert stored.rows(database, f"SELECT * FROM {nothing}") == []


def test_more_than_there_are_gives_all_and_says_so(world: World) -> None:
    database, _ = world
    tags = nearest_tags(database, "tag3", 500, Silent())
    assert (len(tags.found), tags.complete) == (31, False)
    questions = nearest_questions(database, "tag3", 500, Silent(), where="id <= 40")
    assert (len(questions.found), questions.complete) == (40, False)


CONDITIONS: dict[str, Callable[[int], bool]] = {
    "id % 3 = 0": lambda number: number % 3 == 0,
    "label = 'it''s 50% : a::b'": lambda number: number % 2 == 1,
    "label LIKE '%50\\%%' -- with a remark; and :colons": lambda number: number % 2 == 1,
    "label LIKE 'it%' /* one :more */ AND id::text LIKE '%1'": lambda number: number % 2 == 1 and number % 10 == 1,
    "created_at >= '2020-02-01 00:00:00' OR title = $$text 1$$": lambda number: number == 1 or number >= 17,
    "id IN (SELECT question_id FROM tags WHERE tag = 'tag7')": lambda number: number % 25 == 7,
    "questions.id BETWEEN 5 AND 9": lambda number: 5 <= number <= 9,
    "title ~ '^text\\s\\d\\:?$'": lambda number: number < 10,
    "label IS NULL": lambda number: number % 2 == 0,
    "false": lambda _: False,
}


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_condition_narrows_down(world: World, condition: str, exact: bool) -> None:
    database, tagged = world
    numbers = [number for number in range(1, N + 1) if CONDITIONS[condition](number)]
    distances = _distances(_centroids(tagged)["tag3"], tagged[np.array(numbers, dtype=int) - 1])
    result = nearest_questions(database, "tag3", 5, Silent(), where=condition, exact=exact)
    _same(_pairs(result), _expected([str(number) for number in numbers], distances, 5), 1e-6 if exact else HALF)
    assert {int(each.name) for each in result.found} <= set(numbers)


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "id =",
        "id > 1)",
        "id > 1; DROP TABLE questions",
        "no_such_column = 1",
        "1",
        "count(*) > 1",
        "id / 0 = 1",
        "ORDER BY id",
        "id IN (WITH gone AS (DELETE FROM questions RETURNING id) SELECT id FROM gone)",
        "title = 'unfinished",
        "id > 1 /* unfinished",
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_broken_condition_is_refused(world: World, condition: str, exact: bool) -> None:
    database, _ = world
    with pytest.raises(QueryRefused) as refused:
        nearest_questions(database, "tag3", 5, Silent(), where=condition, exact=exact)
    assert refused.value.hint
    assert stored.column(database, "SELECT count(*) FROM questions") == [N]


def test_condition_speaks_of_the_users_own_source(database: Database) -> None:
    _fill(database)
    with database.session() as session:
        source.ensure(session, source.Choice(sql="SELECT id AS question_id, title AS text FROM questions"))
    result = nearest_questions(database, "tag3", 5, Silent(), where="text LIKE '%9' AND question_id > 50")
    assert {int(each.name) for each in result.found} <= set(range(59, 120, 10))
    assert result.complete
    with pytest.raises(QueryRefused, match="title"):
        nearest_questions(database, "tag3", 5, Silent(), where="title = 'x'")


def test_unknown_tag_is_taken_as_text(database: Database, tiny_embedder: Path) -> None:
    stored.run(
        database,
        "CREATE TABLE questions (id bigint PRIMARY KEY, title text)",
        "CREATE TABLE tags (question_id bigint, position smallint, tag text)",
        "INSERT INTO questions SELECT i, 'title ' || i FROM generate_series(1, 6) i",
        "INSERT INTO tags SELECT i, 1, 'number ' || i FROM generate_series(1, 6) i",
    )
    registry.choose(database, str(tiny_embedder))
    sync.sync(database, sync.Choice("title"), Silent())
    listener = stored.Listener()
    found = nearest_questions(database, "title 4", 6, listener, exact=True)
    assert listener.said == ["no question has the tag 'title 4'; taking it as text"]
    assert (found.origin, found.found[0].name, found.complete) == ("text 'title 4'", "4", True)
    assert found.found[0].distance == pytest.approx(0, abs=1e-6)
    assert found.found[1].distance > 1e-4
    tags = nearest_tags(database, "title 4", 6, listener)
    assert (tags.found[0].name, len(tags.found)) == ("number 4", 6)
    with pytest.raises(InputRefused, match="an empty text has no neighbours"):
        nearest_questions(database, "  ", 3, Silent())


def test_database_without_vectors_says_so(database: Database) -> None:
    for ask in (nearest_tags, nearest_questions):
        with pytest.raises(TagdbError, match="no question has a vector yet") as refused:
            ask(database, "pandas", 3, Silent())
        assert refused.value.hint == "tagdb sync"
