"""Views of the source that are the user's own stay the user's, and come back in the words they were made from."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tagdb.db import source
from tagdb.db.connection import Database
from tagdb.errors import InputRefused
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.sync import Choice
from tests.pipeline.world import World, load_once

TABLES = """
CREATE TABLE ticket (number integer PRIMARY KEY, subject text, topics text[]);
CREATE TABLE topic (ticket integer, name text);
INSERT INTO ticket VALUES (1, 'printer on fire', '{hot}'), (2, 'it''s a mouse', '{cold}');
INSERT INTO topic VALUES (1, 'printer'), (1, 'fire'), (2, 'mouse');
"""
SUBJECTS = "SELECT number AS question_id, subject AS text FROM ticket"
TOPICS = "SELECT ticket AS question_id, name AS tag FROM topic"


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder, tables=TABLES)
    made.sync(Choice(sql=SUBJECTS, tags_sql=TOPICS))
    assert made.tag_vectors().keys() == {"printer", "fire", "mouse"}
    return made


def _refused(world: World, choice: Choice) -> str:
    before = world.versions()
    with pytest.raises(InputRefused, match="is gone, dropped with a table that it read") as refused:
        world.sync(choice)
    assert world.versions() == before
    return refused.value.hint or ""


def _paste(world: World, hint: str) -> None:
    """Type what a hint says into a shell."""
    command = hint.partition(": ")[2].replace("tagdb ", f"{shlex.quote(sys.executable)} -m tagdb ")
    ran = subprocess.run(["bash", "-c", f"{command} --json"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["changed"] == 0


def test_tags_of_ones_own_outlive_the_view_of_texts(world: World) -> None:
    before = world.rows("SELECT tag, CAST(ctid AS text) FROM tagdb.tag_vector ORDER BY 1")
    world.run("DROP VIEW tagdb.source")
    assert world.sync(Choice(sql=SUBJECTS)).tags_removed == 0
    assert world.rows("SELECT tag, CAST(ctid AS text) FROM tagdb.tag_vector ORDER BY 1") == before
    world.run("INSERT INTO topic VALUES (2, 'fire')")
    assert world.sync().tags == 1


@pytest.mark.parametrize("preset", ["title", "title+tags"])
def test_tags_of_ones_own_outlive_another_preset(world: World, preset: str) -> None:
    world.run(
        "CREATE TABLE questions (id bigint PRIMARY KEY, title text);"
        "INSERT INTO questions VALUES (1, 'one'), (2, 'two');"
        "CREATE TABLE tags (question_id bigint, position smallint, tag text, PRIMARY KEY (question_id, position));"
        "INSERT INTO tags VALUES (1, 1, 'unasked')"
    )
    world.sync(Choice("tags", tags_sql=TOPICS))
    world.sync(Choice(preset))
    assert world.tag_vectors().keys() == {"printer", "fire", "mouse"}
    world.run("DROP VIEW tagdb.source")
    world.sync(Choice(preset))
    assert world.tag_vectors().keys() == {"printer", "fire", "mouse"}


def test_preset_in_place_of_ones_own_sql_brings_its_tags(world: World) -> None:
    world.run("CREATE TABLE questions (id bigint PRIMARY KEY, title text); INSERT INTO questions VALUES (1, 'one')")
    world.sync(Choice("title"))
    assert world.tag_vectors().keys() == {"printer", "fire"}, "there is no table tags to take others from"
    world.sync(Choice(sql=SUBJECTS))
    world.run(
        "CREATE TABLE tags (question_id bigint, position smallint, tag text, PRIMARY KEY (question_id, position));"
        "INSERT INTO tags VALUES (1, 1, 'asked')"
    )
    world.sync(Choice("title"))
    assert world.tag_vectors().keys() == {"asked"}


def test_tags_whose_table_was_dropped_are_asked_for(world: World) -> None:
    world.run("CREATE TABLE kept AS TABLE topic; DROP TABLE topic CASCADE")
    before = world.tag_vectors()
    hint = _refused(world, Choice())
    assert hint == f"once that is there again: tagdb sync --source-tags-sql {shlex.quote(TOPICS)}"
    assert _refused(world, Choice(sql=SUBJECTS)) == f"once that is there again, add --source-tags-sql '{TOPICS}'"
    world.run("ALTER TABLE kept RENAME TO topic")
    _paste(world, hint)
    assert world.tag_vectors().keys() == before.keys()


@pytest.mark.parametrize(
    "subjects",
    [
        SUBJECTS,
        SUBJECTS + " WHERE subject <> 'it is'",
        SUBJECTS + """ WHERE subject NOT IN ('"', '$HOME', '`')""",
        "SELECT number AS question_id, -- the key\n subject AS text\nFROM ticket;",
        SUBJECTS + f" WHERE subject <> '{'x' * 600}'",
        SUBJECTS + " WHERE subject <> 'password=secret'",
    ],
)
def test_source_that_was_dropped_comes_back_by_one_paste(world: World, subjects: str) -> None:
    world.sync(Choice(sql=subjects))
    world.run("CREATE TABLE kept AS TABLE ticket; DROP TABLE ticket CASCADE; DROP TABLE topic CASCADE")
    hint = _refused(world, Choice())
    assert "\n" not in hint
    assert "secret" not in hint
    world.run(f"ALTER TABLE kept RENAME TO ticket; {TABLES.splitlines()[2]} {TABLES.splitlines()[4]}")
    _paste(world, hint)
    assert world.sync().changes.total == 0
    assert world.tag_vectors().keys() == {"printer", "fire", "mouse"}


def test_preset_that_was_dropped_comes_back_by_one_paste(database: Database, tiny_embedder: Path) -> None:
    made = World(database, tiny_embedder)
    made.put({1: "sql join"}, title="How to join?")
    made.sync(Choice("title"))
    made.run("DROP VIEW tagdb.source")
    hint = _refused(made, Choice())
    assert hint == "once that is there again: tagdb sync --text title"
    _paste(made, hint)


def test_own_source_without_a_question_yet_is_not_taken_for_none(world: World) -> None:
    world.run("DELETE FROM ticket")
    world.sync()
    world.run("DROP VIEW tagdb.source")
    assert SUBJECTS in _refused(world, Choice())


def test_same_words_again_change_nothing(world: World) -> None:
    views = "SELECT oid, CAST(xmin AS text) FROM pg_class WHERE relnamespace = 'tagdb'\\:\\:regnamespace ORDER BY oid"
    before, catalog = world.versions(), world.rows(views)
    result = world.sync(Choice(sql=SUBJECTS, tags_sql=TOPICS))
    assert (result.changes.total, result.tags) == (0, 0)
    assert world.versions() == before
    with world.database.session() as session:
        assert not source.ensure(session, Choice(sql=SUBJECTS, tags_sql=TOPICS))
    assert world.rows(views) == catalog
