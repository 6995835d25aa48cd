"""The benchmarks of the data path and of neighbours: all ways do the same work, and what differs does not pass."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagdb.db.connection import Database

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import data_path
import data_path_ways
import hnsw
import neighbours
import recall
import scratch

VECTORS, DIM = 300, 16


def prepared(database: Database) -> data_path_ways.DataPath:
    """Return a data path of which every way of writing has written."""
    path = data_path.prepare(database, VECTORS, DIM, classes=3, rows=2 * VECTORS)
    data_path.measure(path, "in", 1, memory=False)
    return path


def asked(**given: Any) -> argparse.Namespace:
    """Return the arguments of a small run over neighbours."""
    small: dict[str, Any] = {"vectors": 400, "tags": 40, "queries": 8, "dim": DIM, "rounds": 1}
    return argparse.Namespace(**{**small, "formats": ["halfvec", "vector"], "builds": [], "ef_search": [40], **given})


def run_sql(database: Database, sql: str) -> None:
    with database.session() as session:
        session.run_script(sql)


def scalar(database: Database, sql: str) -> Any:
    with database.session() as session:
        return session.rows_of(sql, {})[0][0]


@pytest.mark.parametrize("classes", [2, 3])
def test_every_way_moves_the_same_vectors_and_gives_the_same_labels(
    database: Database, monkeypatch: pytest.MonkeyPatch, classes: int
) -> None:
    monkeypatch.setattr(data_path_ways, "FIRST_BLOCK", 64)
    monkeypatch.setattr(data_path_ways, "POOL", 128)
    sizes = {
        "vectors": VECTORS,
        "dim": DIM,
        "classes": classes,
        "rows_per_text": 2,
        "rounds": 2,
        "memory": False,
        "alone": False,
    }
    report = data_path.run(database, argparse.Namespace(**sizes))
    parts = [row["part"] for row in report["results"]]
    assert {part: parts.count(part) for part in parts} == {
        "in": 4,
        "out": 3,
        "labels written": 2,
        "labels computed": 2,
    }
    assert report["largest difference"]["vectors"] == 0
    assert report["largest difference"]["probabilities"] < 1e-5
    assert scalar(database, "SELECT count(*) FROM tagdb.labels") == 2 * VECTORS
    assert scalar(database, "SELECT count(DISTINCT label) FROM tagdb.labels") == classes
    # Saturated probabilities would agree whatever computes them.
    assert 0.4 < scalar(database, "SELECT avg(probability) FROM tagdb.labels") < 0.95


@pytest.mark.parametrize(
    ("way", "change"),
    [*((way, "UPDATE") for way in data_path_ways.WRITERS), (data_path_ways.WRITERS[-1], "DELETE FROM")],
)
def test_a_vector_that_one_way_lost_or_changed_is_found(database: Database, way: str, change: str) -> None:
    path = prepared(database)
    assert data_path.vector_difference(path) == 0
    table = f"tagdb.text_vector_{path.embedders[way]}"
    set_ = "SET embedding = embedding + array_fill(0.001, ARRAY[16])::vector" if change == "UPDATE" else ""
    run_sql(database, f"{change} {table} {set_} WHERE text_id = 7")
    with pytest.raises(SystemExit, match="vectors, which differ by up to"):
        data_path.vector_difference(path)


def test_labels_by_other_weights_are_found(database: Database) -> None:
    path = data_path.trained(prepared(database))
    assert data_path.label_difference(path) < 1e-5
    path.estimator.intercept_[0] += 0.001
    with pytest.raises(SystemExit, match="probabilities by up to"):
        data_path.label_difference(path)


def test_equal_classes_may_be_told_either_way_and_others_not() -> None:
    texts, probability = np.array([1, 2]), np.array([0.5, 0.7])
    ours = (texts, np.array([0, 1]), probability)
    assert data_path._label_difference(ours, (texts, np.array([1, 1]), probability)) == 0
    with pytest.raises(SystemExit, match="1 labels differ"):
        data_path._label_difference(ours, (texts, np.array([0, 0]), probability))


def test_peak_memory_is_that_of_a_process_of_its_own(database: Database) -> None:
    held = np.ones(300 * 2**20, dtype=np.uint8)
    row = data_path.measure(prepared(database), "out", 1, memory=True)[0]
    assert 20 < row["peak MB"] < held.nbytes / 2**20


def test_neighbours_are_measured_with_what_tagdb_ships_and_its_rivals(database: Database) -> None:
    report = neighbours.run(database, asked(builds=["16/64", "24/100"]))
    assert report["searched"] == {"questions": 400, "tags": 40}
    for name in report["searched"]:
        rows = [row for row in report["results"] if row["relation"] == name]
        exact, *indexed = rows
        assert exact["recall@10"] == 1
        built = {(row["index"], row["m"], row["ef_construction"]) for row in indexed}
        # 16/64 is what pgvector takes where tagdb's statement names nothing, so that it is not built twice.
        assert built == {(f, *numbers) for f in ("halfvec", "vector") for numbers in ((16, 64), (24, 100))}
        ours = [(row["index"], row["m"], row["ef_search"], row["asked"]) for row in indexed if row.get("tagdb's own")]
        assert ours == [("halfvec", 16, 100, "inside"), ("halfvec", 16, 100, "as sent")]
        assert all(row["size MB"] > 0 and 0 < row["p50 ms"] <= row["p95 ms"] for row in indexed)


def test_a_poor_index_has_a_poor_recall_and_a_wide_search_of_tagdbs_own_a_good_one(database: Database) -> None:
    name = scalar(database, "SELECT current_database()")
    for setting in ("enable_seqscan", "enable_sort"):
        run_sql(database, f"ALTER DATABASE {name} SET {setting} = off")
    report = neighbours.run(
        database, asked(vectors=2000, tags=0, queries=20, formats=["halfvec"], builds=["2/4"], ef_search=[1, 400])
    )
    assert report["searched"] == {"questions": 2000, "tags": 0}
    inside = [row for row in report["results"] if row.get("asked") == "inside"]
    assert {row["plan"] for row in inside} == {"index"}
    recall = {(row["m"], row["ef_search"]): row["recall@10"] for row in inside}
    assert recall[2, 1] < 0.7
    assert recall[2, 1] <= recall[2, 400] < recall[16, 400]
    assert recall[16, 400] > 0.98


def test_bits_are_candidates_for_the_exact_order(database: Database) -> None:
    given = asked(
        vectors=400, tags=0, queries=20, formats=[hnsw.BITS, hnsw.CENTRED_BITS], builds=["16/64"], ef_search=[10, 400]
    )
    report = neighbours.run(database, given)
    found = {(row["index"], row["ef_search"]): row["recall@10"] for row in report["results"] if "ef_search" in row}
    for number_format in given.formats:
        assert found[number_format, 10] < found[number_format, 400] == 1


def test_vectors_of_a_database_are_copied_and_left_alone(database: Database) -> None:
    prepared(database)
    with scratch.scratch_database(database.dsn) as copied:
        name = scalar(copied, "SELECT current_database()")
        report = neighbours.run(copied, asked(queries=50), database)
        assert report["searched"] == {"questions": VECTORS - 50, "tags": 0}
        assert report["dim"] == DIM
        assert scalar(copied, "SELECT count(*) FROM tagdb.text_vector") == VECTORS - 50
        in_both = "SELECT count(*) FROM tagdb.text_vector v JOIN benchmark.origin o ON o.embedding = v.embedding"
        assert scalar(copied, in_both) == 0
    assert scalar(database, f"SELECT count(*) FROM pg_database WHERE datname = '{name}'") == 0
    assert scalar(database, "SELECT count(*) FROM pg_indexes WHERE indexname LIKE '%hnsw'") == 0


def test_recall_is_the_share_found_and_a_tie_counts_either_way() -> None:
    nearest = list(range(recall.K))
    exact = recall.Exact([nearest], [{*nearest, 99}])
    assert exact.recall([nearest]) == 1
    assert exact.recall([[*nearest[:-1], 99]]) == 1
    assert exact.recall([[*nearest[:-1], 98]]) == pytest.approx(0.9)
    assert exact.recall([None]) == 0
