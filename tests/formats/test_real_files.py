"""Real exports and dumps come out complete, checked against other readers of the same files."""

from __future__ import annotations

import ast
import csv
import gzip
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tagdb.formats import ROW_NUMBER, Columns, Rows, open_source, recognise
from tests.formats.reading import bad, ids, merged, refusal, tags_by_question

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def real(name: str) -> Path:
    """The path of a real file; the test is skipped where it is absent."""
    if not (DATA / name).exists():
        pytest.skip(f"the real file {name} is not at ../shared/data")
    return DATA / name


def rows_of(path: Path, columns: Columns | None = None) -> Rows:
    """All rows of a file of which none is bad."""
    with open_source(path) as source:
        rows = merged(recognise(source, columns=columns))
    assert bad(rows) == []
    return rows


def rows_by_csv(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """The same file, as Python's own reader sees it."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def split(tags: str) -> list[str]:
    """Tags written <a><b>."""
    return tags[1:-1].split("><")


@pytest.mark.parametrize(
    ("name", "posts", "questions"), [("beer_2014_Posts.xml", 1576, 454), ("beer_2016_Posts.xml", 2354, 663)]
)
def test_a_dump(name: str, posts: int, questions: int, tmp_path: Path) -> None:
    path = real(name)
    rows = rows_of(path)
    assert (rows.read, len(rows.questions)) == (posts, questions)
    elements = [row.attrib for row in ET.parse(path).getroot() if row.get("PostTypeId") == "1"]
    assert [(q, title) for q, _, title, _, _ in rows.questions] == [
        (int(row["Id"]), row["Title"].strip()) for row in elements
    ]
    assert tags_by_question(rows) == {int(row["Id"]): split(row["Tags"]) for row in elements}
    packed = tmp_path / "Posts.xml.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert rows_of(packed) == rows


def test_a_data_explorer_export_of_questions_and_answers() -> None:
    path = real("datascience_sede.csv")
    rows = rows_of(path)
    assert len(rows.questions) == 8568
    expected = [row for row in rows_by_csv(path) if row["PostTypeId"] == "1"]
    assert ids(rows) == [int(row["Id"]) for row in expected]
    assert tags_by_question(rows) == {int(row["Id"]): split(row["Tags"]) for row in expected}
    assert rows.read == len(rows_by_csv(path)) == 8568 + sum(rows.skipped.values())


def test_a_data_explorer_export_with_bodies() -> None:
    path = real("stackoverflow_sede.csv")
    rows = rows_of(path)
    expected = rows_by_csv(path)
    assert len(expected) > 300
    assert [(q, title) for q, _, title, _, _ in rows.questions] == [
        (int(row["Id"]), row["Title"].strip()) for row in expected
    ]
    assert tags_by_question(rows) == {int(row["Id"]): split(row["Tags"]) for row in expected}


def test_titles_and_tags_without_ids() -> None:
    path = real("stackoverflow_titles_tags.tsv")
    assert "--id-column row-number" in refusal(path.read_bytes())
    rows = rows_of(path, Columns(id=ROW_NUMBER))
    expected = rows_by_csv(path, "\t")
    assert ids(rows) == list(range(1, 30_001))
    assert [title for _, _, title, _, _ in rows.questions] == [row["title"].strip() for row in expected]
    tags = tags_by_question(rows)
    assert [tags.get(number, []) for number in ids(rows)] == [ast.literal_eval(row["tags"]) for row in expected]


def test_counts_of_tags_are_no_questions() -> None:
    assert "TagName, Count" in refusal(real("stackoverflow_tag_counts.csv").read_bytes())
