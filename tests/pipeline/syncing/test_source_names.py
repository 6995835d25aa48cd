"""A name in the words of the source that has come to mean another table: the next sync reads that one, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db import source
from tagdb.db.connection import Database
from tagdb.errors import CheckFailed
from tagdb.models import Silent
from tagdb.pipeline.asking.status import status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.sync import Choice, sync
from tagdb.pipeline.syncing import comparing
from tests.pipeline.world import USER_TABLES, World, load_once

TABLES = """
CREATE TABLE ticket (number integer PRIMARY KEY, subject text, topics text[]);
INSERT INTO ticket VALUES (1, 'printer on fire', '{printer}'), (2, 'mouse', '{mouse}');
CREATE TABLE ticket_new (LIKE ticket);
INSERT INTO ticket_new VALUES (2, 'mouse', '{mouse}'), (3, 'keyboard', '{keyboard}');
"""
SUBJECTS = "SELECT number AS question_id, subject AS text FROM ticket"
TOPICS = "SELECT number AS question_id, topics AS tag FROM ticket"
BLUE_GREEN = "ALTER TABLE ticket RENAME TO ticket_old; ALTER TABLE ticket_new RENAME TO ticket"

COLUMNS_SWAPPED = """
ALTER TABLE ticket ADD subject_new text;
UPDATE ticket SET subject_new = CASE number WHEN 1 THEN 'one' ELSE 'two' END;
ALTER TABLE ticket RENAME subject TO subject_old;
ALTER TABLE ticket RENAME subject_new TO subject;
"""


class Saying(Silent):
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        """Keep a line."""
        self.said.append(message)


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    return World(database, tiny_embedder, tables=TABLES + USER_TABLES)


def _say(world: World) -> str:
    reporter = Saying()
    sync(world.database, Choice(), reporter)
    return "\n".join(line for line in reporter.said if "view" in line)


def test_table_under_the_name_of_another_one_is_read(world: World) -> None:
    world.sync(Choice(sql=SUBJECTS, tags_sql=TOPICS))
    world.run(BLUE_GREEN)
    said = _say(world)
    assert "the view tagdb.source reads table ticket instead of table ticket_old from now on" in said
    assert "the view tagdb.source_tag reads table ticket instead of table ticket_old" in said
    assert world.texts() == {2: "mouse", 3: "keyboard"}
    assert world.tag_vectors().keys() == {"mouse", "keyboard"}
    assert _say(world) == ""
    world.run("DROP TABLE ticket_old")
    world.run("UPDATE ticket SET subject = 'rat' WHERE number = 2")
    assert world.sync().changes.changed == 1


def test_status_tells_of_it_before_and_changes_nothing(world: World) -> None:
    world.sync(Choice(sql=SUBJECTS, tags_sql=TOPICS))
    assert status(world.database).current
    world.run(BLUE_GREEN)
    reads = "reads table ticket instead of table ticket_old now"
    for _ in range(2):
        assert [reason.why for reason in status(world.database).reasons] == [
            f"by the names in its words the view tagdb.source {reads}",
            f"by the names in its words the view tagdb.source_tag {reads}",
        ]
    assert world.texts() == {1: "printer on fire", 2: "mouse"}
    world.sync()
    assert status(world.database).current


@pytest.mark.parametrize("preset", source.PRESETS)
def test_presets_follow_the_names_of_their_tables(world: World, preset: str) -> None:
    world.put({1: "sql", 2: "java"}, title="one")
    world.sync(Choice(preset))
    world.run("ALTER TABLE questions RENAME TO questions_old; ALTER TABLE tags RENAME TO tags_old;" + USER_TABLES)
    world.put({2: "java", 3: "rust"}, title="one")
    assert "instead of table questions_old" in _say(world)
    assert world.texts().keys() == {2, 3}
    assert world.tag_vectors().keys() == {"java", "rust"}
    assert _say(world) == ""


def test_tags_alone_may_move(world: World) -> None:
    world.put({1: "sql", 2: "java"}, title="one")
    world.sync(Choice("title"))
    world.run(f"ALTER TABLE tags RENAME TO tags_old; {USER_TABLES.splitlines()[2]}")
    world.run("INSERT INTO tags VALUES (1, 0, 'rust')")
    assert "tagdb.source_tag reads table tags instead of table tags_old" in _say(world)
    assert world.tag_vectors().keys() == {"rust"}


def test_name_between_two_tables_keeps_the_former_one(world: World) -> None:
    world.sync(Choice(sql=SUBJECTS))
    world.run("ALTER TABLE ticket RENAME TO ticket_old; UPDATE ticket_old SET subject = 'rat' WHERE number = 2")
    assert 'relation "ticket" does not exist' in _say(world)
    assert world.texts() == {1: "printer on fire", 2: "rat"}
    world.run("ALTER TABLE ticket_new RENAME TO ticket")
    assert "instead of table ticket_old" in _say(world)
    assert world.texts() == {2: "mouse", 3: "keyboard"}


def test_other_changes_of_a_table_are_no_other_table(world: World) -> None:
    world.sync(Choice(sql="SELECT number AS question_id, subject AS text, * FROM ticket", tags_sql=TOPICS))
    world.run("ALTER TABLE ticket ADD more text; CREATE INDEX ON ticket (subject)")
    world.run("VACUUM FULL ticket")
    assert _say(world) == ""


def test_view_made_by_hand_is_left_alone(world: World) -> None:
    world.sync(Choice(sql=SUBJECTS))
    world.run(
        "DROP VIEW tagdb.source;"
        "CREATE VIEW tagdb.source AS SELECT number::bigint AS question_id, subject AS text FROM ticket_new"
    )
    assert _say(world) == ""
    assert world.texts().keys() == {2, 3}


def test_dry_run_tells_of_it_and_changes_nothing(world: World) -> None:
    world.sync(Choice(sql=SUBJECTS))
    world.run(BLUE_GREEN)
    planned = world.plan()
    assert (planned.changes.new, planned.changes.gone) == (1, 1)
    assert "ticket_old" in world.scalar("SELECT pg_get_viewdef('tagdb.source')")


def test_table_without_most_of_the_questions_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "MANY_GONE", 1)
    world.sync(Choice(sql=SUBJECTS))
    world.run("TRUNCATE ticket_new;" + BLUE_GREEN)
    with pytest.raises(CheckFailed, match="2 of 2 questions are gone"):
        world.sync()
    assert "ticket_old" in world.scalar("SELECT pg_get_viewdef('tagdb.source')")
    assert world.texts().keys() == {1, 2}


def test_another_schema_first_on_the_path_is_another_table(world: World) -> None:
    world.sync(Choice(sql=SUBJECTS))
    world.run(
        "CREATE SCHEMA live; ALTER TABLE ticket_new SET SCHEMA live; ALTER TABLE live.ticket_new RENAME TO ticket"
    )
    assert _say(world) == ""
    name = world.scalar("SELECT current_database()")
    world.run(f"ALTER DATABASE {name} SET search_path = live, public")
    assert "reads table ticket instead of table public.ticket" in _say(world)
    assert world.texts() == {2: "mouse", 3: "keyboard"}


def test_looking_at_names_reads_no_row(world: World) -> None:
    count = "CREATE OR REPLACE FUNCTION seen(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN {} RETURN $1; END $$"
    world.run(count.format(""))
    world.sync(Choice(sql=SUBJECTS.replace("subject AS", "seen(subject) AS")))
    world.run(count.format("RAISE 'a row was read';"))
    with world.database.session() as session, session.rehearsal():
        reporter = Saying()
        assert not source.follow(session, reporter)
    assert reporter.said == []


def test_column_under_the_name_of_another_one_is_read(world: World) -> None:
    world.sync(Choice(sql=SUBJECTS, tags_sql=TOPICS))
    world.run(COLUMNS_SWAPPED)
    said = _say(world)
    assert "tagdb.source reads column subject of table ticket instead of column subject_old of table ticket" in said
    assert "source_tag" not in said
    assert world.texts() == {1: "one", 2: "two"}
    world.run("ALTER TABLE ticket DROP subject_old")
    assert _say(world) == ""


def test_column_is_told_from_the_others_of_its_table(world: World) -> None:
    world.sync(Choice(sql="SELECT *, number AS question_id, subject AS text FROM ticket"))
    world.run(COLUMNS_SWAPPED)
    _say(world)
    assert world.texts() == {1: "one", 2: "two"}
    views = "SELECT CAST(xmin AS text) FROM pg_class WHERE relnamespace = CAST('tagdb' AS regnamespace) ORDER BY oid"
    before = world.rows(views)
    world.sync()
    assert world.rows(views) == before


def test_options_of_the_view_outlast_another_table(world: World) -> None:
    world.sync(Choice(sql=SUBJECTS))
    world.run("ALTER VIEW tagdb.source SET (security_barrier, security_invoker = true)")
    options = "SELECT reloptions FROM pg_class WHERE oid = CAST('tagdb.source' AS regclass)"
    before = world.scalar(options)
    world.run(BLUE_GREEN)
    world.sync()
    assert world.scalar(options) == before
    world.sync(Choice(sql=SUBJECTS + " WHERE number > 2"))
    assert world.scalar(options) == before
