"""Real dumps and exports, from file to vectors; a dump two years newer costs only the texts that are new in it."""

from __future__ import annotations

import ast
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tagdb.db.connection import Database
from tagdb.models import Silent
from tagdb.pipeline.asking import status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.importing import Columns, ImportResult, import_files
from tests.conftest import SHARED, needs_shared
from tests.pipeline.tables import Imports
from tests.pipeline.world import World, assert_same_centroids, assert_same_vectors, load_once

pytestmark = needs_shared
DATA = SHARED / "data"


def _dump(name: str) -> dict[int, list[str]]:
    """The tags of each question of a dump, as another reader sees them."""
    posts = [row.attrib for row in ET.parse(DATA / name).getroot()]
    return {int(row["Id"]): row["Tags"][1:-1].split("><") for row in posts if row["PostTypeId"] == "1"}


def _export(name: str) -> dict[int, list[str]]:
    with (DATA / name).open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("PostTypeId", "1") == "1"]
    return {int(row["Id"]): row["Tags"][1:-1].split("><") for row in rows}


def _numbered(name: str) -> dict[int, list[str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {number: list(dict.fromkeys(ast.literal_eval(row["tags"]))) for number, row in enumerate(rows, 1)}


@pytest.mark.parametrize(
    ("name", "expected", "records"),
    [
        ("beer_2014_Posts.xml", _dump, 1576),
        ("datascience_sede.csv", _export, None),
        ("stackoverflow_sede.csv", _export, None),
        ("stackoverflow_titles_tags.tsv", _numbered, 30_000),
    ],
)
def test_real_file_arrives_whole_and_a_second_time_changes_nothing(
    database: Database, tmp_path: Path, name: str, expected: object, records: int | None
) -> None:
    assert callable(expected)
    imports, tags = Imports(database, tmp_path), expected(name)
    columns = Columns(id="row-number") if name.endswith(".tsv") else None

    def load() -> ImportResult:
        return import_files(database, [str(DATA / name)], Silent(), columns=columns)

    result = load()
    assert (result.added, result.bad) == (len(tags), {})
    assert records in (None, result.records)
    assert imports.rows("SELECT count(*) FROM questions") == [(len(tags),)]
    assert imports.tags() == {number: names for number, names in tags.items() if names and names != [""]}
    before = imports.versions()
    load()
    assert imports.versions() == before


def _texts(tags: Mapping[int, Sequence[str]]) -> set[str]:
    return {" ".join(names) for names in tags.values()}


def test_newer_dump_costs_only_its_new_texts_and_equals_a_fresh_database(
    database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "load", load_once)
    old, new = _dump("beer_2014_Posts.xml"), _dump("beer_2016_Posts.xml")
    world = World(database, tiny_embedder)
    import_files(database, [str(DATA / "beer_2014_Posts.xml")], Silent())
    first = world.sync()
    assert (first.changes.new, first.embedded.texts) == (454, len(_texts(old)))

    import_files(database, [str(DATA / "beer_2016_Posts.xml")], Silent(), replace=True, confirmed=True)
    planned, second = world.plan(), world.sync()
    assert (second.changes.new, second.changes.gone) == (len(new.keys() - old.keys()), len(old.keys() - new.keys()))
    assert second.changes.changed == sum(old[number] != new[number] for number in old.keys() & new.keys())
    assert 0 < second.embedded.texts == len(_texts(new) - _texts(old)) < len(_texts(new))
    assert (planned.changes, planned.texts_due) == (second.changes, second.embedded.due)
    assert first.embedded.texts_per_second is not None
    assert planned.seconds == pytest.approx(planned.texts_due / first.embedded.texts_per_second)
    assert status.status(database).current

    texts, vectors, centroids = world.texts(), world.vectors(), world.tag_vectors()
    assert texts == {number: " ".join(names) for number, names in new.items()}
    assert set(centroids) == {tag for names in new.values() for tag in names}
    world.forget()
    assert world.sync().embedded.texts == len(_texts(new))
    assert world.texts() == texts
    assert_same_vectors(world.vectors(), vectors)
    assert_same_centroids(world.tag_vectors(), centroids)
