"""Neighbours over the HNSW indexes: the plans use them, and nothing comes back short or wrong because of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tagdb.db import queries
from tagdb.db.connection import Database
from tagdb.db.embedded import EmbeddedServer
from tagdb.models import Silent
from tagdb.pipeline.asking.nearest import Neighbours, nearest_questions, nearest_tags
from tagdb.pipeline.syncing import indexing
from tests.pipeline import stored

N = 3000
TAGGED = 3000
ONLY_THE_INDEX = "-c enable_sort=off -c enable_seqscan=off -c enable_hashjoin=off"


@pytest.fixture(scope="module")
def indexed(server: EmbeddedServer, execute: Callable[[str], None], template: str) -> Iterator[Database]:
    """3,000 questions of a text and a vector each, as many tags, and both indexes."""
    with stored.shared_database(server, execute, template, "test_indexed") as database:
        rng = np.random.default_rng(2)
        drawn = rng.standard_normal((N, 12)) @ rng.standard_normal((12, stored.DIM))
        drawn += rng.normal(0, 0.05, drawn.shape)
        texts = [f"text {number}" for number in range(1, N + 1)]
        vectors = dict(zip(texts, drawn.astype(np.float32), strict=True))
        stored.fill(database, texts, vectors, tags=[[f"tag{number % TAGGED}"] for number in range(1, N + 1)])
        indexing.build(database, Silent())
        yield database


def _scans(database: Database) -> dict[str, int]:
    """How often each index has been read; a connection tells the server so when it closes."""
    return {
        row.indexrelname: row.idx_scan
        for row in stored.rows(
            database, "SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE indexrelname LIKE '%hnsw'"
        )
    }


def _query(name: str, condition: str) -> str:
    parts = {"{dim}": str(stored.DIM), "{type}": "bigint", "{condition}": condition}
    sql = queries.topic("nearest")[name]
    for part, meaning in parts.items():
        sql = sql.replace(part, meaning)
    return sql


def _plan(database: Database, sql: str) -> str:
    origin = "[" + ",".join(["0.5"] * stored.DIM) + "]"
    with database.session() as session, session.transaction(read_only=True):
        session.execute("nearest.allow_long_scan", k=10)
        parameters = {"embedder": 1, "origin": origin, "k": 10, "except": "1", "longest": 200}
        return "\n".join(row[0] for row in session.rows_of(f"EXPLAIN {sql}", parameters))


@pytest.mark.parametrize(
    ("name", "condition", "index"),
    [
        ("tags", "", "tag_vector_1_hnsw"),
        ("questions", "true", "text_vector_1_hnsw"),
        ("questions", "q.question_id IN (SELECT id FROM questions WHERE id > 1500)", "text_vector_1_hnsw"),
    ],
)
def test_plan_of_the_shipped_queries_reads_the_index(indexed: Database, name: str, condition: str, index: str) -> None:
    plan = _plan(indexed, _query(name, condition))
    assert f"Index Scan using {index}" in plan, plan
    assert "Sort" not in plan, plan
    exact = _plan(indexed, _query(f"{name}_exact", condition))
    assert "hnsw" not in exact, exact


def test_command_and_functions_read_the_index_every_time(indexed: Database) -> None:
    before = _scans(indexed)
    nearest_tags(indexed, "tag1", 10, Silent())
    nearest_questions(indexed, "tag1", 10, Silent())
    assert _scans(indexed) == {name: scans + 1 for name, scans in before.items()}
    with indexed.session() as session:
        for _ in range(8):  # often enough for PostgreSQL to consider a generic plan
            assert len(session.rows_of("SELECT * FROM tagdb.nearest_tags('tag1', 10)", {})) == 10
            assert len(session.rows_of("SELECT * FROM tagdb.nearest_questions(1, 10)", {})) == 10
    assert _scans(indexed) == {name: scans + 9 for name, scans in before.items()}


def _recall(found: Neighbours, exact: Neighbours) -> float:
    wanted = {each.name for each in exact.found}
    return len({each.name for each in found.found} & wanted) / len(wanted)


def test_neighbours_over_the_index_are_the_exact_ones(indexed: Database) -> None:
    for k in (10, 300):
        tags = [(nearest_tags(indexed, f"tag{n}", k, Silent(), exact=exact)) for n in (1, 7) for exact in (False, True)]
        asked = [
            (nearest_questions(indexed, f"tag{n}", k, Silent(), exact=exact)) for n in (1, 7) for exact in (False, True)
        ]
        for found, exact in zip((tags + asked)[::2], (tags + asked)[1::2], strict=True):
            assert found.complete
            assert _recall(found, exact) >= 0.95
            distances = [each.distance for each in found.found]
            assert distances == sorted(distances)


@pytest.mark.parametrize("k", [5, 40])
@pytest.mark.parametrize(
    "condition",
    ["id % 600 = 0", "id % 40 = 0", "id % 3 = 0", "id IN (SELECT question_id FROM tags WHERE tag = 'tag9')"],
)
@pytest.mark.parametrize("forced", [False, True])
def test_filter_never_comes_back_short(
    indexed: Database, condition: str, k: int, forced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = int(str(stored.column(indexed, f"SELECT count(*) FROM questions WHERE {condition}")[0]))
    if forced:  # no other way through the table than the index
        monkeypatch.setenv("PGOPTIONS", ONLY_THE_INDEX)
    found = nearest_questions(indexed, "tag1", k, Silent(), where=condition)
    exact = nearest_questions(indexed, "tag1", k, Silent(), where=condition, exact=True)
    assert len(found.found) == len(exact.found) == min(k, there)
    assert found.complete is (there >= k)
    assert _recall(found, exact) >= 0.95


def test_scan_that_ends_early_is_made_up_for(indexed: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # pgvector gives up a scan that outgrows work_mem.
    monkeypatch.setenv("PGOPTIONS", f"{ONLY_THE_INDEX} -c work_mem=64kB")
    sql = _query("questions", "q.question_id % 600 = 0")
    with indexed.session() as session, session.transaction(read_only=True):
        session.execute("nearest.allow_long_scan", k=5)
        origin = session.scalar("nearest.tag_embedding", embedder=1, tag="tag1")
        assert len(session.rows_of(sql, {"embedder": 1, "origin": origin, "except": None, "k": 5, "longest": 200})) < 5
    assert nearest_questions(indexed, "tag1", 5, Silent(), where="id % 600 = 0").complete
    assert nearest_tags(indexed, "tag1", TAGGED - 1, Silent()).complete


def test_vectors_of_another_embedder_are_passed_over(indexed: Database) -> None:
    (first,) = stored.column(indexed, "SELECT id FROM tagdb.embedder WHERE active")
    before = nearest_questions(indexed, "tag1", 20, Silent())
    with indexed.session() as session:
        other = stored.new_embedder(session, "other")
        session.run_script(
            f"UPDATE tagdb.embedder SET active = false; UPDATE tagdb.embedder SET active = true WHERE id = {first};"
            f"INSERT INTO tagdb.text_vector SELECT text_id, {other}, tokens, truncated, embedding "
            "FROM tagdb.text_vector WHERE text_id % 4 = 0"
        )
    try:
        assert nearest_questions(indexed, "tag1", 20, Silent()) == before
        assert len(stored.rows(indexed, "SELECT * FROM tagdb.nearest_questions(1, 2999)")) == 2999
    finally:
        stored.run(indexed, f"DROP TABLE tagdb.text_vector_{other}, tagdb.tag_vector_{other}")
        stored.run(indexed, f"DELETE FROM tagdb.embedder WHERE id = {other}")
