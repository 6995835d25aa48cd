"""Exported files hold what the table holds, in full or not at all."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from tagdb.db import copy
from tagdb.db.connection import Database
from tagdb.errors import DatabaseError, InputRefused
from tagdb.models import Silent
from tagdb.pipeline.asking.export import export_predictions
from tests.examples import examples
from tests.pipeline import stored

AWKWARD = [
    "java",
    "a,b",
    'say "so"',
    "two\nlines",
    "crlf\r\nline",
    "",
    " blank ",
    "NULL",
    "NA",
    "12",
    "true",
    "ümläut→",
    "\\N",
    "a;b\tc",
]


def _label(database: Database, labels: list[str]) -> None:
    """Give questions 1, 2, … these labels."""
    with database.session() as session:
        session.run_script("DELETE FROM tagdb.embedder")
        embedder = stored.new_embedder(session, "some")
        session.run_script(
            "INSERT INTO tagdb.classifier (name, embedder_id, kind, classes, query, metrics, settings, versions) "
            f"VALUES ('c', {embedder}, 'k', '{{}}', '', '{{}}', '{{}}', '{{}}')"
        )
        session.rows_of(
            "INSERT INTO tagdb.labels (question_id, label, probability, classifier_id, text_id) "
            "SELECT n, l, 1 / (n + 1.0), (SELECT id FROM tagdb.classifier), 1 "
            "FROM unnest(CAST(:labels AS text[])) WITH ORDINALITY AS t (l, n) ORDER BY n DESC RETURNING 1",
            {"labels": labels},
        )


def _table(database: Database) -> list[tuple[int, str, float]]:
    sql = "SELECT question_id, label, probability FROM tagdb.labels ORDER BY question_id"
    return [tuple(row) for row in stored.rows(database, sql)]


def _csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("probability", [False, True])
def test_csv_equals_the_table(database: Database, tmp_path: Path, probability: bool) -> None:
    _label(database, AWKWARD)
    target = tmp_path / "results.CSV"
    assert export_predictions(database, str(target), Silent(), probability=probability) == len(AWKWARD)
    content = target.read_bytes().decode()
    assert content.startswith("id,label,probability\n" if probability else "id,label\n")
    expected = [[str(number), label, repr(share)] for number, label, share in _table(database)]
    assert _csv(content)[1:] == [row if probability else row[:2] for row in expected]
    assert [path.name for path in tmp_path.iterdir()] == ["results.CSV"]


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
def test_both_formats_bring_every_label_back(database: Database, tmp_path: Path, labels: list[str]) -> None:
    _label(database, labels)
    export_predictions(database, str(tmp_path / "r.csv"), Silent())
    export_predictions(database, str(tmp_path / "r.parquet"), Silent())
    wanted = list(enumerate(labels, 1))
    assert [(int(n), label) for n, label in _csv((tmp_path / "r.csv").read_bytes().decode())[1:]] == wanted
    found = parquet.read_table(tmp_path / "r.parquet").to_pylist()
    assert [(row["id"], row["label"]) for row in found] == wanted


def test_parquet_equals_the_table(database: Database, tmp_path: Path) -> None:
    _label(database, [*AWKWARD, *["two\nlines\n" * 40] * 9_000])  # the reader's blocks end inside of labels
    target = tmp_path / "results.parquet"
    export_predictions(database, str(target), Silent(), probability=True)
    table = parquet.read_table(target)
    assert [str(kind) for kind in table.schema.types] == ["int64", "string", "double"]
    assert table.column_names == ["id", "label", "probability"]
    assert [tuple(row.values()) for row in table.to_pylist()] == _table(database)


def test_standard_output_gets_csv(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    _label(database, AWKWARD)
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer))
    assert export_predictions(database, "-", Silent()) == len(AWKWARD)
    assert _csv(buffer.getvalue().decode()) == [["id", "label"], *([str(n), label] for n, label, _ in _table(database))]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("error", [DatabaseError("the connection broke"), OSError(28, "No space left on device")])
def test_broken_export_leaves_the_old_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, error: Exception
) -> None:
    _label(database, AWKWARD)
    target = tmp_path / f"results{suffix}"
    target.write_text("of yesterday")

    def half(_cursor: object, _query: str, stream: BinaryIO) -> None:
        stream.write(b"id,label\n1,ja")
        raise error

    monkeypatch.setattr(copy, "copy_csv_out", half)
    with pytest.raises((DatabaseError, InputRefused), match=r"connection broke|results.* cannot be written: No space"):
        export_predictions(database, str(target), Silent())
    assert target.read_text() == "of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_file_and_count_are_of_one_moment(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _label(database, AWKWARD)
    copy_csv_out = copy.copy_csv_out

    def meanwhile(*args: Any) -> None:
        stored.run(database, "DELETE FROM tagdb.labels WHERE question_id > 3")
        copy_csv_out(*args)

    monkeypatch.setattr(copy, "copy_csv_out", meanwhile)
    rows = export_predictions(database, str(tmp_path / "r.csv"), Silent())
    assert rows == len(_csv((tmp_path / "r.csv").read_bytes().decode())) - 1 == len(AWKWARD)


@pytest.mark.parametrize("target", ["no/such/folder/r.csv", "folder.csv", "file/r.parquet"])
def test_path_that_cannot_be_written_is_named(database: Database, tmp_path: Path, target: str) -> None:
    _label(database, AWKWARD)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputRefused, match=rf"{target} cannot be written: \w+") as refused:
        export_predictions(database, str(tmp_path / target), Silent())
    assert refused.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.csv"]


@pytest.mark.parametrize("target", ["results.xlsx", "results", "results.csv.gz"])
def test_other_formats_are_refused(database: Database, tmp_path: Path, target: str) -> None:
    with pytest.raises(InputRefused, match=r"only \.csv and \.parquet"):
        export_predictions(database, str(tmp_path / target), Silent())


def test_nothing_to_export_makes_no_file(database: Database, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="there are no labels yet"):
        export_predictions(database, str(tmp_path / "r.csv"), Silent())
    assert list(tmp_path.iterdir()) == []
