"""A table of tags without an order of its own is taken; a position that comes or goes is followed, and is no fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import InputRefused, QueryRefused
from tagdb.pipeline.asking.status import status
from tagdb.pipeline.checking.doctor import examine
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.running import lifting
from tagdb.pipeline.sync import Choice, sync
from tagdb.pipeline.syncing.moved import Moved
from tests.pipeline.stored import Listener
from tests.pipeline.world import AS_IT_IS, World, assert_right_centroids, load_once

TABLES = """
CREATE TABLE questions (id bigint PRIMARY KEY, title text, label text, created_at timestamptz);
CREATE TABLE tags (question_id bigint, tag text, PRIMARY KEY (question_id, tag));
INSERT INTO questions SELECT n, 'one' FROM generate_series(1, 200) n;
INSERT INTO tags SELECT n, t FROM generate_series(1, 200) n, unnest(ARRAY['sql', 'b' || n]) t;
"""
FILL = "UPDATE tags SET position = CASE tag WHEN 'sql' THEN 0 ELSE 1 END"


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    return World(database, tiny_embedder, tables=TABLES)


def _say(world: World, choice: Choice = AS_IT_IS) -> list[str]:
    listener = Listener()
    sync(world.database, choice, listener)
    return [line for line in listener.said if "order" in line or "view" in line]


def _source_of_doctor(world: World) -> str:
    (finding,) = (each for each in examine(world.database.dsn).findings if each.check == "source")
    return finding.level.name


def test_tags_are_taken_and_fingerprints_hold(world: World, looks: list[Moved]) -> None:
    said = _say(world)
    assert said == [
        "the table tags has no column position: the tags of a question are in the order of its primary key (tag)"
    ]
    assert world.texts()[7] == "b7 sql"
    assert world.tag_vectors().keys() == {"sql"} | {f"b{n}" for n in range(1, 201)}
    assert _say(world) == []
    assert looks.pop() is Moved.NONE
    assert status(world.database).current
    assert _source_of_doctor(world) == "OK"
    world.run("INSERT INTO tags VALUES (7, 'a'); DELETE FROM tags WHERE (question_id, tag) = (70, 'sql')")
    assert world.sync().changes.changed == 2
    assert looks.pop() is Moved.SOME
    assert (world.texts()[7], world.texts()[70]) == ("a b7 sql", "b70")
    assert_right_centroids(world, world.texts())
    assert status(world.database).current


def test_position_that_comes_is_followed(world: World, looks: list[Moved]) -> None:
    world.sync()
    world.run(f"ALTER TABLE tags ADD position smallint; {FILL}")
    assert _source_of_doctor(world) == "OK"
    assert [reason.why for reason in status(world.database).reasons] == []
    assert _say(world) == ["the tags of a question are in the order of their position from now on"]
    assert world.texts()[7] == "sql b7"
    assert _say(world) == []
    assert looks.pop() is Moved.NONE
    assert status(world.database).current


def test_position_without_values_changes_no_text(world: World) -> None:
    world.sync()
    world.run("ALTER TABLE tags ADD position smallint")
    assert world.sync().changes.total == 0
    assert world.texts()[7] == "b7 sql"


@pytest.mark.parametrize("how", ["cascade", "lifted"])
def test_position_that_goes_away_leaves_the_key(world: World, how: str) -> None:
    world.run(f"ALTER TABLE tags ADD position smallint; {FILL}")
    assert _say(world) == []
    assert world.texts()[7] == "sql b7"
    if how == "cascade":
        world.run("ALTER TABLE tags DROP position CASCADE")
        with pytest.raises(InputRefused, match="is gone") as gone:
            world.sync()
        hint = gone.value.hint
    else:
        lifting.drop(world.database)
        world.run("ALTER TABLE tags DROP position")
        with pytest.raises(QueryRefused, match="cannot be put back") as refused:
            lifting.restore(world.database, Listener())
        hint = refused.value.hint
    assert (hint or "").endswith("tagdb sync --text tags")
    (said,) = _say(world, Choice("tags"))
    assert "in the order of its primary key (tag)" in said
    assert world.texts()[7] == "b7 sql"
    assert world.tag_vectors().keys() == {"sql"} | {f"b{n}" for n in range(1, 201)}
    assert status(world.database).current


def test_position_under_another_name_is_none(world: World) -> None:
    world.run(f"ALTER TABLE tags ADD position smallint; {FILL}")
    world.sync()
    world.run("ALTER TABLE tags RENAME position TO place")
    (said,) = _say(world)
    assert "no longer reads column place of table tags" in said
    assert "in the order of its primary key (tag)" in said
    assert world.texts()[7] == "b7 sql"


def test_key_that_is_dropped_is_noticed(world: World) -> None:
    world.run("ALTER TABLE tags DROP CONSTRAINT tags_pkey, ADD id integer; UPDATE tags SET id = -ascii(tag)")
    world.run("ALTER TABLE tags ADD PRIMARY KEY (question_id, id)")
    world.sync()
    assert world.texts()[7] == "sql b7"
    world.run("ALTER TABLE tags DROP CONSTRAINT tags_pkey")
    (said,) = _say(world)
    assert "the tags themselves, for it has no key" in said
    assert world.texts()[7] == "b7 sql"


def test_table_without_position_that_comes_later_is_waited_for(world: World) -> None:
    world.run("ALTER TABLE tags RENAME TO later")
    world.sync(Choice("title"))
    assert status(world.database).current
    world.run("ALTER TABLE later RENAME TO tags")
    assert [reason.why for reason in status(world.database).reasons] == [
        "a table tags has come, which was not there before"
    ]
    world.sync()
    assert "b7" in world.tag_vectors()
    assert status(world.database).current


def test_table_of_another_shape_that_comes_later_is_not(world: World) -> None:
    world.run("DROP TABLE tags")
    world.sync(Choice("title"))
    world.run("CREATE TABLE tags (question_id bigint, position text, tag text)")
    assert status(world.database).current
    world.sync()
    assert status(world.database).current
