"""The first sync fills relations that are empty in a quicker way: what it leaves must be what any other sync leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tagdb.db.connection import Database
from tagdb.errors import InputRefused
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.sync import Choice
from tests.pipeline.world import World, load_once

CATALOG = """
SELECT c.conname AS name, pg_get_constraintdef(c.oid) AS definition, c.convalidated AS valid
FROM pg_constraint c WHERE c.conrelid = 'tagdb.question'\\:\\:regclass
UNION ALL
SELECT i.indexrelid\\:\\:regclass\\:\\:text, pg_get_indexdef(i.indexrelid), i.indisvalid
FROM pg_index i WHERE i.indrelid = 'tagdb.question'\\:\\:regclass
ORDER BY 1, 2
"""


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    made.put({1: "python pandas", 2: "python", 3: "python pandas"})
    return made


def _rules(world: World) -> Sequence[tuple[Any, ...]]:
    return world.rows(CATALOG)


def test_relations_have_the_same_rules_before_and_after(world: World) -> None:
    before = _rules(world)
    assert any("FOREIGN KEY (text_id)" in definition for _, definition, _ in before)
    file = world.scalar("SELECT pg_relation_filenode('tagdb.question')")
    world.sync()
    assert _rules(world) == before
    assert world.scalar("SELECT pg_relation_filenode('tagdb.question')") != file
    assert world.texts() == {1: "python pandas", 2: "python", 3: "python pandas"}


def test_reader_in_the_way_is_not_waited_for(world: World) -> None:
    before, file = _rules(world), world.scalar("SELECT pg_relation_filenode('tagdb.question')")
    reader = psycopg2.connect(world.database.dsn)
    with reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tagdb.question")
        world.sync()
        assert world.scalar("SELECT pg_relation_filenode('tagdb.question')") == file
        cursor.execute("SELECT count(*) FROM tagdb.question")
        assert cursor.fetchone() == (3,)
    reader.close()
    assert _rules(world) == before
    assert world.texts() == {1: "python pandas", 2: "python", 3: "python pandas"}


def test_later_syncs_leave_the_relation_in_place(world: World) -> None:
    world.sync()
    file = world.scalar("SELECT pg_relation_filenode('tagdb.question')")
    world.put({4: "rust"})
    world.sync()
    assert world.scalar("SELECT pg_relation_filenode('tagdb.question')") == file


@pytest.mark.parametrize(
    "repeating",
    [
        "ALTER TABLE questions DROP CONSTRAINT questions_pkey; INSERT INTO questions VALUES (1, 'another')",
        "CREATE TABLE more () INHERITS (questions); INSERT INTO more VALUES (1, 'another')",
    ],
)
def test_preset_on_tables_that_repeat_an_id_is_refused(world: World, repeating: str) -> None:
    world.sync(Choice("title"))
    world.run(repeating)
    with pytest.raises(InputRefused, match="names question 1 more than once"):
        world.sync()
