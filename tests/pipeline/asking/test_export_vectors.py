"""Exported vectors and tags are those of the database, beside the right ids, whatever the ids and tags are."""

from __future__ import annotations

import csv
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from tagdb.db import copy, keys
from tagdb.db.connection import Database
from tagdb.errors import DatabaseError, InputRefused, UsageError
from tagdb.models import Silent
from tagdb.pipeline.asking.export import export_predictions, export_tags, export_vectors
from tests.pipeline import stored

N = 600
DIM = 8
TITLES = [f"title {number}" for number in range(1, N + 1)]
TAGS = ["c#", "=SUM(A1)", "@angular", "ümläut→", "-moz", "a,b", 'say "so"', "+x", "plain"]
KEYS = {
    "bigint": "{n}",
    "smallint": "{n}",
    "uuid": "md5({n}::text)::uuid",
    "text": "CASE {n} % 3 WHEN 0 THEN 'ключ→' || {n} ELSE repeat('k', CAST({n} % 40 AS integer)) || {n} END",
}


def _fill(database: Database, key: str = "bigint", dim: int = DIM) -> np.ndarray:
    """Store questions with vectors and keys of a type; the last ten have no vector yet."""
    drawn = np.random.default_rng(5).normal(0, 1, (N, dim)).astype(np.float32)
    vectors = dict(zip(TITLES[:-10], drawn[:-10], strict=True))
    stored.fill(database, TITLES, vectors, tags=[[TAGS[number % len(TAGS)], "all"] for number in range(N)])
    if key != "bigint":
        with database.session() as session, session.transaction():
            session.run_script("CREATE TEMP TABLE kept ON COMMIT DROP AS TABLE tagdb.question")
            keys.apply(session, keys.Change(keys.Key(key), anew=True))
            expression = KEYS[key].format(n="question_id")
            session.run_script(f"INSERT INTO tagdb.question SELECT {expression}, text_id FROM kept")
    return drawn


def _wanted(database: Database) -> list[tuple[object, list[float]]]:
    """Ask PostgreSQL for ids and vectors, one by one as texts."""
    found = stored.rows(
        database,
        "SELECT q.question_id AS id, v.embedding::text AS embedding FROM tagdb.question q "
        "JOIN tagdb.text_vector v USING (text_id) ORDER BY q.question_id",
    )
    return [
        (row.id if isinstance(row.id, int) else str(row.id), [float(x) for x in row.embedding[1:-1].split(",")])
        for row in found
    ]


@pytest.mark.parametrize("key", list(KEYS))
def test_both_forms_have_every_vector_beside_its_id(database: Database, tmp_path: Path, key: str) -> None:
    _fill(database, key)
    wanted = _wanted(database)
    listener = stored.Listener()
    assert export_vectors(database, str(tmp_path / "v.parquet"), listener) == len(wanted) == N - 10
    assert export_vectors(database, str(tmp_path / "v.npy"), listener) == N - 10
    assert listener.said == ["10 questions have no vector and were left out: tagdb status"] * 2
    ids = [each for each, _ in wanted]
    numbers = np.array([vector for _, vector in wanted], dtype=np.float32)
    table = parquet.read_table(tmp_path / "v.parquet")
    assert table.column("id").to_pylist() == ids
    assert str(table.schema.field("id").type) == {"bigint": "int64", "smallint": "int16"}.get(key, "string")
    np.testing.assert_array_equal(np.array(table.column("embedding").to_pylist(), dtype=np.float32), numbers)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    assert mapped.dtype == np.float32
    np.testing.assert_array_equal(mapped, numbers)
    assert np.load(tmp_path / "v.id.npy").tolist() == ids
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.id.npy", "v.npy", "v.parquet"]


def test_tags_have_their_counts_and_centroids(database: Database, tmp_path: Path) -> None:
    _fill(database)
    found = stored.rows(database, "SELECT tag, questions, embedding::text AS v FROM tagdb.tag_vector ORDER BY tag")
    tags, counts = [row.tag for row in found], [row.questions for row in found]
    centroids = np.array([[float(x) for x in row.v[1:-1].split(",")] for row in found], dtype=np.float32)
    assert sorted(tags) == sorted([*TAGS, "all"])
    for name in ("t.csv", "t.parquet", "t.npy"):
        assert export_tags(database, str(tmp_path / name), Silent()) == len(tags)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as lines:
        assert list(csv.reader(lines)) == [["tag", "questions"], *map(list, zip(tags, map(str, counts), strict=True))]
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table.column_names == ["tag", "questions", "embedding"]
    assert table.column("tag").to_pylist() == tags == np.load(tmp_path / "t.tag.npy").tolist()
    assert table.column("questions").to_pylist() == counts == np.load(tmp_path / "t.questions.npy").tolist()
    np.testing.assert_array_equal(np.array(table.column("embedding").to_pylist(), dtype=np.float32), centroids)
    np.testing.assert_array_equal(np.load(tmp_path / "t.npy"), centroids)


def test_a_spreadsheet_gets_no_formula(database: Database, tmp_path: Path) -> None:
    _fill(database)
    export_tags(database, str(tmp_path / "t.csv"), Silent(), spreadsheet=True)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as lines:
        tags = {row["tag"] for row in csv.DictReader(lines)}
    assert tags == {"c#", "'=SUM(A1)", "'@angular", "ümläut→", "'-moz", "a,b", 'say "so"', "'+x", "plain", "all"}
    with pytest.raises(UsageError, match="is for CSV"):
        export_tags(database, str(tmp_path / "t.parquet"), Silent(), spreadsheet=True)


@pytest.mark.parametrize("key", ["bigint", "text"])
def test_labels_and_ids_for_a_spreadsheet(database: Database, tmp_path: Path, key: str) -> None:
    _fill(database, key)
    awkward = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x", "a=1", "", " =1", "'=1"]
    stored.run(
        database,
        "INSERT INTO tagdb.classifier (name, embedder_id, kind, classes, query, metrics, settings, versions) "
        "SELECT 'c', id, 'k', '{}', '', '{}', '{}', '{}' FROM tagdb.embedder WHERE active",
        *(
            "INSERT INTO tagdb.labels (question_id, label, probability, classifier_id, text_id) "
            f"SELECT CAST({-number} AS {key}), $l${label}$l$, 0.5, id, 1 FROM tagdb.classifier"
            for number, label in enumerate(awkward, 1)
        ),
    )
    export_predictions(database, str(tmp_path / "plain.csv"), Silent())
    export_predictions(database, str(tmp_path / "safe.csv"), Silent(), spreadsheet=True)
    found = {}
    for name in ("plain", "safe"):
        with (tmp_path / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
            found[name] = {int(row["id"].strip("'")): (row["id"], row["label"]) for row in csv.DictReader(lines)}
    quote = "'" if key == "text" else ""
    for number, label in enumerate(awkward, 1):
        assert found["plain"][-number] == (str(-number), label)
        assert found["safe"][-number] == (f"{quote}{-number}", f"'{label}" if number <= 11 else label)


def test_a_broken_export_leaves_what_was_there(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(database)
    for name in ("v.npy", "v.parquet"):
        export_vectors(database, str(tmp_path / name), Silent())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    copy_out = copy.copy_out

    def half(cursor: object, query: str, fields: object, sink: object) -> None:
        copy_out(cursor, f"({query} LIMIT 9)", fields, sink)  # type: ignore[arg-type]
        raise DatabaseError("the connection broke")

    monkeypatch.setattr(copy, "copy_out", half)
    stored.run(database, "DELETE FROM tagdb.question WHERE question_id < 50")
    for name in ("v.npy", "v.parquet"):
        with pytest.raises(DatabaseError, match="connection broke"):
            export_vectors(database, str(tmp_path / name), Silent())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_no_matrix_stays_beside_names_of_another(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the two files' last moments, an export leaves the names alone, which no one takes for a whole."""
    _fill(database)
    export_vectors(database, str(tmp_path / "v.npy"), Silent())
    stored.run(database, "DELETE FROM tagdb.question WHERE question_id < 50")
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if target.name == "v.npy":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        export_vectors(database, str(tmp_path / "v.npy"), Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["v.id.npy"]


def test_memory_does_not_grow_with_the_vectors(database: Database, tmp_path: Path) -> None:
    _fill(database, dim=1024)
    stored.run(
        database,
        "INSERT INTO tagdb.question (question_id, text_id) "
        "SELECT 1000 + 100 * q.question_id + n, q.text_id FROM tagdb.question q, generate_series(1, 50) n",
    )
    peaks = {}
    for name in ("v.npy", "v.parquet"):
        tracemalloc.start()
        rows = export_vectors(database, str(tmp_path / name), Silent())
        peaks[name] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert rows == 51 * (N - 10)
    assert (tmp_path / "v.npy").stat().st_size > 120_000_000
    assert peaks["v.npy"] < 20_000_000
    assert peaks["v.parquet"] < 90_000_000


@pytest.mark.parametrize("target", ["v.csv", "v.npz", "-", "v"])
def test_other_forms_of_vectors_are_refused(database: Database, tmp_path: Path, target: str) -> None:
    _fill(database)
    with pytest.raises(InputRefused, match=r"only \.parquet and \.npy are written"):
        export_vectors(database, target if target == "-" else str(tmp_path / target), Silent())


def test_without_vectors_no_file_is_made(database: Database, tmp_path: Path) -> None:
    for export in (export_vectors, export_tags):
        with pytest.raises(InputRefused, match="vector yet") as refused:
            export(database, str(tmp_path / "v.npy"), Silent())
        assert refused.value.hint == "tagdb sync"
    stored.fill(database, [], {})
    with pytest.raises(InputRefused, match="no question has a vector yet"):
        export_vectors(database, str(tmp_path / "v.npy"), Silent())
    assert list(tmp_path.iterdir()) == []
