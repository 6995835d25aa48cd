"""Vectors of any length go the whole way, and embedders of different lengths take over from each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagdb.db import queries
from tagdb.db.connection import Database
from tagdb.db.embedded import EmbeddedServer
from tagdb.errors import DatabaseError, EmbedderUnavailable
from tagdb.models import Silent
from tagdb.pipeline.asking import status
from tagdb.pipeline.asking.nearest import nearest_questions, nearest_tags
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning import predict
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.sync import sync
from tagdb.pipeline.syncing import indexing
from tests.elmo.weights import write_random_elmo
from tests.pipeline import stored
from tests.pipeline.world import (
    AS_IT_IS,
    World,
    assert_same_centroids,
    assert_same_vectors,
    encoder,
    expected_centroids,
    load_once,
)

QUESTIONS = {1: "a b", 2: "b", 3: "c a", 4: "d"}
ONLY_THE_INDEX = "-c enable_sort=off -c enable_seqscan=off -c enable_hashjoin=off"
PARTITIONS = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^(text|tag)_vector_' ORDER BY 1"


@pytest.fixture(scope="module")
def small_embedder(short_folder: Path) -> Path:
    """A folder with a random ELMo of 256 dimensions."""
    return write_random_elmo(short_folder / "small", projection_dim=128, dim=8, seed=5)


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Four questions, embedded in 1,024 dimensions."""
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    made.put(QUESTIONS)
    made.sync()
    return made


@pytest.fixture(scope="module")
def filled(server: EmbeddedServer, execute: Callable[[str], None], template: str) -> Iterator[Database]:
    """2,000 questions with vectors of 256 dimensions and as many tags, indexed; a part of them in 64 dimensions too."""
    with stored.shared_database(server, execute, template, "test_dimensions") as database:
        labels = [f"label {number % 3}" for number in range(2000)]
        vectors = dict(zip(stored.numbered(labels), stored.clustered(labels, dim=256), strict=True))
        tags = [[f"tag{number}"] for number in range(2000)]
        stored.fill(database, list(vectors), vectors, labels=labels, tags=tags)
        with database.session() as session:
            other = stored.new_embedder(session, "next", dim=64)
            few = dict(zip(list(vectors)[:500], stored.clustered(labels[:500], dim=64), strict=True))
            stored.embed(session, other, few)
            session.run_script("UPDATE tagdb.embedder SET active = false WHERE name = 'next'")
            session.run_script("UPDATE tagdb.embedder SET active = true WHERE name = 'first'; ANALYZE")
        indexing.build(database, Silent())
        yield database


def _scans(database: Database) -> dict[str, int]:
    query = "SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE indexrelname LIKE '%hnsw'"
    return {row.indexrelname: row.idx_scan for row in stored.rows(database, query)}


def test_neighbours_in_256_dimensions_are_read_from_the_index_and_right(filled: Database) -> None:
    before = _scans(filled)
    assert before.keys() == {"text_vector_1_hnsw", "tag_vector_1_hnsw", "text_vector_2_hnsw"}
    tags, questions = nearest_tags(filled, "tag1", 10, Silent()), nearest_questions(filled, "tag1", 10, Silent())
    with filled.session() as session:
        named = session.rows_of("SELECT nearest FROM tagdb.nearest_tags('tag1', 10)", {})
        asked = session.rows_of("SELECT nearest FROM tagdb.nearest_questions(2, 9)", {})
        view = "SELECT question_id FROM embedding ORDER BY embedding\\:\\:halfvec(256) <=> "
        origin = "(SELECT embedding\\:\\:halfvec(256) FROM embedding WHERE question_id = 2)"
        seen = session.rows_of(f"{view} {origin} LIMIT 10", {})
    scans = {name: scans - before[name] for name, scans in _scans(filled).items()}
    assert scans == {"text_vector_1_hnsw": 3, "tag_vector_1_hnsw": 2, "text_vector_2_hnsw": 0}
    exact = {each.name for each in nearest_questions(filled, "tag1", 10, Silent(), exact=True).found}
    for found in (
        {f"{int(each.name.removeprefix('tag')) + 1}" for each in tags.found} | {"2"},
        {f"{int(row.nearest.removeprefix('tag')) + 1}" for row in named} | {"2"},
        {each.name for each in questions.found},
        {str(row.nearest) for row in asked} | {"2"},
        {str(row.question_id) for row in seen},
    ):
        assert len(found & exact) >= 9


UNRELATED = "text_vector_2"
STATEMENTS: dict[str, dict[str, Any]] = {
    "sync.count_due_texts": {},
    "sync.delete_otherwise_truncated": {"max_tokens": 512},
    "work.stage_texts": {"limit": None, "run": 1},
    "tag_vectors.members": {},
    "train.count_rows": {},
    "train.create_training": {"sample": None, "seed": 0},
    "predict.stale": {},
    "status.counts": {},
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_partitions_of_other_embedders_are_left_out_of_the_plan(filled: Database, name: str) -> None:
    topic, _, query = name.partition(".")
    statement = queries.topic(topic)[query]
    if query in ("members", "stale"):
        relations = {"questions": "tagdb.question", "labels": "tagdb.labels", "texts": "tagdb.text"}
        statement = statement.format(embedder=1, classifier=1, number="q.question_id", **relations)
    with filled.session() as session, session.rehearsal():
        session.run_script(queries.topic("train")["create_rows"].format(type="bigint"))
        plan = [row[0] for row in session.rows_of(f"EXPLAIN {statement}", {"embedder": 1, **STATEMENTS[name]})]
    assert any("text_vector_1" in line for line in plan), plan
    assert not any(UNRELATED in line for line in plan), plan


def test_view_reads_the_active_embedder_alone(filled: Database) -> None:
    plan = stored.column(filled, "EXPLAIN (ANALYZE, TIMING off) SELECT count(embedding) FROM embedding")
    (other,) = [str(line) for line in plan if UNRELATED in str(line)]
    assert "never executed" in other
    assert stored.column(filled, "SELECT count(*) FROM embedding WHERE vector_dims(embedding) = 256") == [2000]


@pytest.mark.parametrize("dim", [64, 4000])
def test_training_and_predicting_in_any_dimension(database: Database, dim: int) -> None:
    labels = [f"label {number % 3}" for number in range(60)]
    drawn = stored.clustered(labels, dim=dim)
    vectors = dict(zip(stored.numbered(labels), drawn, strict=True))
    stored.fill(database, list(vectors), vectors, labels=labels, tags=[[label] for label in labels])
    assert train(database, stored.LABELLED, TrainSettings(), Silent()).metrics.accuracy > 0.8
    assert predict.predict(database, Silent()).written == 60
    query = "SELECT coef::real[] AS coef, intercept FROM tagdb.classifier_weight ORDER BY position"
    weights = stored.rows(database, query)
    scores = drawn.astype(np.float64) @ np.array([row.coef for row in weights]).T + [row.intercept for row in weights]
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    written = stored.rows(database, "SELECT label, probability FROM tagdb.labels ORDER BY question_id")
    assert [row.label for row in written] == [f"label {place}" for place in scores.argmax(axis=1)]
    np.testing.assert_allclose([row.probability for row in written], odds.max(1) / odds.sum(1), atol=1e-5)
    assert all(each.built for each in indexing.build(database, Silent()))
    assert nearest_questions(database, "label 1", 60, Silent()).complete


def test_old_vectors_serve_until_those_of_another_length_are_complete(
    world: World, tiny_embedder: Path, small_embedder: Path
) -> None:
    def neighbours() -> list[list[Any]]:
        return [
            list(nearest_tags(world.database, "a", 3, Silent()).found),
            list(nearest_questions(world.database, "a", 4, Silent()).found),
            world.rows("SELECT * FROM tagdb.nearest_tags('a', 3)"),
            world.rows("SELECT * FROM tagdb.nearest_questions(1, 3)"),
        ]

    before, centroids, near = world.vectors(), world.tag_vectors(), neighbours()
    registry.choose(world.database, str(small_embedder))
    for limit, left in ((2, 2), (1, 1)):
        assert world.sync(limit=limit).texts_left == left
        assert_same_vectors(world.vectors(), before, tolerance=0)
        assert_same_centroids(world.tag_vectors(), centroids, tolerance=0)
        assert neighbours() == near
    picture = status.status(world.database)
    assert (picture.embedder, picture.switching_to, picture.due) == ("tiny", "small", 1)
    assert [(each.relation, each.embedder, each.active, each.vectors) for each in picture.indexes] == [
        ("text_vector", "tiny", True, 4),
        ("tag_vector", "tiny", True, 4),
        ("text_vector", "small", False, 3),
        ("tag_vector", "small", False, 0),
    ]

    assert world.sync().embedded.due == 1
    expected = encoder(small_embedder).embed(list(QUESTIONS.values()))
    assert expected.shape == (4, 256)
    assert_same_vectors(world.vectors(), dict(zip(QUESTIONS, expected, strict=True)))
    tags = {number: text.split() for number, text in QUESTIONS.items()}
    assert_same_centroids(world.tag_vectors(), expected_centroids(world, tags), tolerance=1e-6)
    assert world.rows(PARTITIONS) == [("tag_vector_2",), ("text_vector_2",)]
    assert [len(found) for found in neighbours()] == [3, 4, 3, 3]
    picture = status.status(world.database)
    assert (picture.embedder, picture.switching_to, picture.current) == ("small", None, True)

    registry.choose(world.database, str(tiny_embedder))
    world.sync()
    assert_same_vectors(world.vectors(), before)
    assert_same_centroids(world.tag_vectors(), centroids)
    assert world.rows(PARTITIONS) == [("tag_vector_1",), ("text_vector_1",)]


def test_edits_and_a_switch_equal_a_full_rebuild(world: World, small_embedder: Path) -> None:
    registry.choose(world.database, str(small_embedder))
    world.sync(limit=1)
    world.put({2: "e f", 5: "a"})
    world.remove(4)
    world.sync()
    vectors, centroids = world.vectors(), world.tag_vectors()
    world.forget()
    world.sync()
    assert_same_vectors(world.vectors(), vectors)
    assert_same_centroids(world.tag_vectors(), centroids)


def test_switch_given_up_drops_what_was_made_of_it(world: World, tiny_embedder: Path, small_embedder: Path) -> None:
    before = world.versions()
    registry.choose(world.database, str(small_embedder))
    world.sync(limit=2)
    assert len(world.rows(PARTITIONS)) == 4
    registry.choose(world.database, str(tiny_embedder))
    assert world.rows(PARTITIONS) == [("tag_vector_1",), ("text_vector_1",)]
    assert world.sync().embedded.due == 0
    assert {name: rows for name, rows in world.versions().items() if name != "embedder"} == {
        name: rows for name, rows in before.items() if name != "embedder"
    }


def test_index_of_the_new_embedder_stands_before_anything_reads_it(
    world: World, small_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def standing() -> set[str]:
        return set(_scans(world.database))

    monkeypatch.setattr(indexing, "ENOUGH", {"text_vector": 4, "tag_vector": 4})
    world.sync()
    registry.choose(world.database, str(small_embedder))
    assert world.sync(limit=3).indexed == []
    old, new = ({f"text_vector_{number}_hnsw", f"tag_vector_{number}_hnsw"} for number in (1, 2))
    assert standing() == old
    seen: list[set[str]] = []
    promote = registry.promote

    def spy(*args: object) -> bool:
        seen.append(standing())
        return promote(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(registry, "promote", spy)
    assert world.sync().indexed == ["text_vector", "tag_vector"]
    assert seen == [old | new]
    assert standing() == new
    monkeypatch.setenv("PGOPTIONS", ONLY_THE_INDEX)
    assert [each.name for each in nearest_questions(world.database, "d", 1, Silent()).found] == ["4"]


def test_long_reader_delays_neither_a_switch_nor_other_readers(
    world: World, tiny_embedder: Path, small_embedder: Path
) -> None:
    before, listener = world.vectors(), stored.Listener()
    with world.database.session() as reader, reader.transaction(read_only=True):
        reader.rows_of("SELECT * FROM embedding JOIN tagdb.question USING (question_id), tagdb.text", {})
        registry.choose(world.database, str(small_embedder))
        assert sync(world.database, AS_IT_IS, listener).embedded.due == 4
        (left,) = [line for line in listener.said if "stay until the next sync" in line]
        assert "another session was in the way" in left
        assert len(world.vectors()[1]) == 256
        assert len(world.rows(PARTITIONS)) == 4
        ((still,),) = reader.rows_of("SELECT CAST(embedding AS real[]) FROM embedding WHERE question_id = 1", {})
        np.testing.assert_array_equal(still, before[1])

        registry.choose(world.database, str(tiny_embedder))
        assert world.sync().embedded.due == 0, "what could not be dropped is good again"
        assert_same_vectors(world.vectors(), before, tolerance=0)
    world.sync()
    assert world.rows(PARTITIONS) == [("tag_vector_1",), ("text_vector_1",)]


def test_longer_vectors_than_can_be_indexed_are_refused(world: World, short_folder: Path) -> None:
    before = world.versions()
    folder = write_random_elmo(short_folder / "long", projection_dim=2001, dim=1)
    with pytest.raises(EmbedderUnavailable, match="have 4,002 numbers; pgvector indexes 4,000") as refused:
        registry.choose(world.database, str(folder))
    assert refused.value.hint is not None
    assert "tagdb embedder train --projection-dim 2000" in refused.value.hint
    assert world.versions() == before
    with pytest.raises(DatabaseError, match="embedder_dim_check"):
        world.run("UPDATE tagdb.embedder SET dim = 4001")


def test_partition_takes_vectors_of_its_embedders_length_only(world: World) -> None:
    for relation in ("text_vector", "tag_vector"):
        with pytest.raises(DatabaseError, match=f"{relation}_1_dim_check"):
            world.run(f"UPDATE tagdb.{relation} SET embedding = '[1,2,3]'")
