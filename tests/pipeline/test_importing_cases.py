"""Small files of shapes that people have: what becomes of each in the tables, or why it is refused, nothing written."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagdb.db.connection import Database
from tagdb.errors import InputRefused
from tagdb.pipeline.importing import Columns, Reading
from tests.pipeline.tables import Imports

CASES = Path(__file__).parents[2].parent / "shared" / "cases"


def case(name: str) -> str:
    """The path of a file; the test is skipped where it is absent."""
    if not (CASES / name).exists():
        pytest.skip(f"the file {name} is not at ../shared/cases")
    return str(CASES / name)


@pytest.fixture
def imports(database: Database, tmp_path: Path) -> Imports:
    return Imports(database, tmp_path)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("tags", "Tags"),
        ("users", "Users"),
        ("badges", "Badges"),
        ("postlinks", "PostLinks"),
        ("comments", "Comments"),
    ],
)
def test_other_tables_of_a_dump_change_nothing(imports: Imports, table: str, said: str) -> None:
    imports.run([case("questions_for_tags_table.csv")])
    before = imports.versions()
    with pytest.raises(InputRefused, match=said):
        imports.run([case(f"dump_{table}_table.csv")])
    assert imports.versions() == before
    assert imports.tags() == {2: ["discussion", "language"]}


def test_tags_between_semicolons(imports: Imports) -> None:
    imports.run([case("tags_semicolons.csv")])
    assert imports.tags() == {1: ["python", "list", "reverse"], 2: ["c#", ".net"]}


def test_entities_of_html(imports: Imports) -> None:
    imports.run([case("html_entities.csv")])
    assert imports.tags() == {1: ["c#", ".net"]}
    assert imports.questions()[1][0] == 'Quote "this" & that'


def test_dates_that_cannot_be_read_cost_no_question(imports: Imports) -> None:
    result = imports.run([case("dates.csv")])
    assert (result.added, result.bad) == (7, {})
    dates = {number: created_at for number, (_, _, created_at) in imports.questions().items()}
    assert {number for number, created_at in dates.items() if created_at is None} <= {2, 3, 7}
    assert dates[1] == "2016-03-10 12:34:56.789+00"
    assert dates[4] == "2008-07-31 21:42:52+00"
    assert dates[5] == "2008-07-31 21:42:52.123+00"
    assert dates[6] == "2009-11-17 08:00:00+00"


def test_words_for_missing_are_no_labels(imports: Imports) -> None:
    result = imports.run([case("missing_labels.csv")])
    assert {number: label for number, (_, label, _) in imports.questions().items() if label} == {6: "web"}
    assert "missing_labels.csv: label: 4 words for missing" in result.notes[0]
    assert "1 empty" in result.notes[0]


def test_words_for_missing_are_kept_where_that_is_asked_for(imports: Imports) -> None:
    imports.run([case("missing_labels.csv")], reading=Reading(null_words=()))
    labels = [imports.questions()[number][1] for number in range(1, 7)]
    assert labels == ["NA", "NULL", "nan", "None", None, "web"]


def test_quotes_that_are_text_swallow_no_question(imports: Imports) -> None:
    result = imports.run([case("stray_quote.tsv")])
    assert len(imports.questions()) + sum(result.bad.values()) == 5
    assert len(imports.run([case("stray_quote.tsv")], reading=Reading(quotes=False)).bad) == 0
    assert imports.questions()[2][0] == '"say hello'


@pytest.mark.parametrize("name", ["one_column.csv", "one_column.tsv"])
def test_one_column_is_not_cut_at_its_commas(imports: Imports, name: str) -> None:
    imports.run([case(name)], columns=Columns(id="row-number"))
    assert [title for title, _, _ in imports.questions().values()] == ["What is a, b?", "How do I c?"]


def test_columns_by_number(imports: Imports) -> None:
    imports.run([case("no_header.csv")], columns=Columns("1", "2", "3"), reading=Reading(header=False))
    assert imports.tags() == {1: ["python", "list"], 2: ["sql"]}
    assert imports.questions()[1][0] == "How to sort?"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("name", "count"), [("api_items.json", 2), ("api_page.json", 1), ("lines.jsonl", 2)])
def test_json_packed_or_not(imports: Imports, name: str, count: int, packed: bool) -> None:
    path = case(name)
    if packed:
        (imports.folder / f"{name}.gz").write_bytes(gzip.compress(Path(path).read_bytes()))
        path = str(imports.folder / f"{name}.gz")
    imports.run([path])
    assert imports.tags() == dict([(1, ["python", "list"]), (2, ["sql"])][:count])
    assert len(imports.questions()) == count


def test_separator_that_excel_names(imports: Imports) -> None:
    imports.run([case("excel_sep.csv")])
    assert (imports.questions(), imports.tags()) == ({1: ("A", None, None)}, {1: ["python"]})


def test_another_encoding_is_named(imports: Imports) -> None:
    with pytest.raises(InputRefused) as refused:
        imports.run([case("cp1251.csv")])
    assert "--encoding" in (refused.value.hint or "")
    assert imports.rows("SELECT to_regclass('questions')") == [(None,)]
    imports.run([case("cp1251.csv")], reading=Reading(encoding="cp1251"))
    expected = Path(case("cp1251.csv")).read_text(encoding="cp1251").splitlines()[1].split(",")[1]
    assert imports.questions()[1][0] == expected


def test_tags_of_questions_that_are_not_here_are_counted(imports: Imports) -> None:
    imports.load("id,title\n1,a\n")
    assert imports.run([case("tags_some_without_question.csv")]).absent == 1


@pytest.mark.parametrize("piped", [False, True])
def test_parquet_from_a_file_and_through_a_pipe(
    imports: Imports, monkeypatch: pytest.MonkeyPatch, *, piped: bool
) -> None:
    path = imports.folder / "q.parquet"
    table = pa.table({"id": [1, 2], "title": ["a", "b"], "tags": [["x y", "z"], ["w"]]})
    pq.write_table(table, path)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(path.read_bytes())))
    imports.run(["-" if piped else str(path)])
    assert imports.tags() == {1: ["x y", "z"], 2: ["w"]}
