"""What is embedded: the presets, the user's own SQL over tables of any shape, and what is refused of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import InputRefused, QueryRefused
from tagdb.models import Silent
from tagdb.pipeline.asking import status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.planning import plan
from tagdb.pipeline.sync import Choice
from tests.pipeline.world import World, assert_same_centroids, expected_centroids, load_once

TICKETS = """
CREATE TABLE tickets (number text, subject varchar(80), parts text[]);
INSERT INTO tickets
VALUES ('11', 'printer on fire', '{printer,fire}'), ('12', NULL, '{printer}'), ('13', 'mouse', '{}');
"""
SUBJECTS = "SELECT CAST(number AS integer) AS question_id, subject AS text FROM tickets"
PARTS = "SELECT CAST(number AS integer) AS question_id, unnest(parts) AS tag FROM tickets"


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    made.put({1: "sql join"}, title="How to join?")
    made.put({2: "python", 3: ""}, title=None)
    return made


@pytest.mark.parametrize(
    ("preset", "texts"),
    [
        (None, {1: "sql join", 2: "python", 3: ""}),
        ("tags", {1: "sql join", 2: "python", 3: ""}),
        ("title", {1: "How to join?", 2: "", 3: ""}),
        ("title+tags", {1: "How to join? sql join", 2: "python", 3: ""}),
    ],
)
def test_preset_gives_the_texts_it_promises(world: World, preset: str | None, texts: dict[int, str]) -> None:
    world.sync(Choice(preset))
    assert world.texts() == texts
    assert world.tag_vectors().keys() <= {"sql", "join", "python"}
    assert status.status(world.database).source == preset or preset is None


def test_preset_is_remembered_and_switching_makes_exactly_the_changed_texts_due(world: World) -> None:
    world.put({4: "rust"})
    world.sync(Choice("title+tags"))
    assert world.sync().changes.total == 0
    result = world.sync(Choice("tags"))
    assert (result.changes.changed, result.embedded.due) == (1, 1)
    assert world.texts() == {1: "sql join", 2: "python", 3: "", 4: "rust"}
    assert world.sync().changes.total == 0


def test_dry_run_of_another_preset_changes_nothing(world: World) -> None:
    world.sync()
    before = world.versions()
    assert world.plan(Choice("title")).changes.changed == 2
    assert world.versions() == before
    assert world.plan().changes.total == 0
    assert status.status(world.database).source == "tags"


def test_dry_run_on_an_untouched_database_writes_nothing(database: Database) -> None:
    with database.session() as session:
        session.run_script(TICKETS)
    planned = plan(database, Choice(sql=SUBJECTS), Silent())
    assert (planned.changes.new, planned.texts_due, planned.labels_due, planned.seconds) == (3, 3, None, None)
    with database.session() as session:
        assert session.rows_of("SELECT to_regclass('tagdb.source') IS NULL, count(*) FROM tagdb.embedder", {}) == [
            (True, 0)
        ]


def test_own_sql_embeds_a_table_of_any_shape(world: World) -> None:
    world.run(TICKETS)
    result = world.sync(Choice(sql=SUBJECTS, tags_sql=PARTS + ";"))
    assert world.texts() == {11: "printer on fire", 12: "", 13: "mouse"}
    assert result.without_token == 1
    expected = expected_centroids(world, {11: ["printer", "fire"], 12: ["printer"]})
    assert expected.keys() == {"printer", "fire"}
    assert_same_centroids(world.tag_vectors(), expected, tolerance=1e-6)
    world.run("UPDATE tickets SET subject = 'quiet' WHERE number = '12'")
    assert world.sync().changes.changed == 1
    assert status.status(world.database).source == "custom SQL"


def test_own_sql_without_tags_works_where_there_is_no_table_tags(world: World) -> None:
    world.run("DROP TABLE questions, tags; " + TICKETS)
    world.sync(Choice(sql=SUBJECTS))
    assert world.texts().keys() == {11, 12, 13}
    assert not world.tag_vectors()


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        (SUBJECTS + " UNION ALL SELECT 13, 'mouse'", "names question 13 more than once"),
        (SUBJECTS + " UNION ALL SELECT NULL, 'nobody''s'", "without a question_id"),
        ("SELECT number, subject AS text FROM tickets", "no column question_id"),
        ("SELECT 1 AS question_id, parts FROM tickets", "no column text"),
        (
            "SELECT 1 / (length(subject) - 5) AS question_id, subject AS text FROM tickets",
            "cannot be run: division by zero",
        ),
        ("SELECT 1 AS question_id, 'x' AS text; DELETE FROM tickets", "more than one statement"),
        (
            "DELETE FROM tickets RETURNING 1 AS question_id, subject AS text",
            r"the source query \(--source-sql\) cannot be run",
        ),
        ("SELECT * FROM nowhere", "nowhere"),
    ],
)
def test_refused_source_leaves_the_former_one_in_place(world: World, sql: str, complaint: str) -> None:
    world.run(TICKETS)
    world.sync()
    before = world.versions()
    with pytest.raises((InputRefused, QueryRefused), match=complaint):
        world.sync(Choice(sql=sql))
    assert world.versions() == before
    assert world.scalar("SELECT count(*) FROM tickets") == 3
    assert status.status(world.database).source == "tags"
    assert world.sync().changes.total == 0


def test_question_that_comes_to_stand_twice_is_refused_though_one_text_is_the_stored_one(world: World) -> None:
    world.run(TICKETS)
    world.sync(Choice(sql=SUBJECTS))
    world.run("INSERT INTO tickets VALUES ('13', 'keyboard')")
    with pytest.raises(InputRefused, match="names question 13 more than once"):
        world.sync()
    assert world.texts()[13] == "mouse"


def test_preset_over_a_table_of_another_shape_is_refused(world: World) -> None:
    world.run("ALTER TABLE questions RENAME title TO subject")
    with pytest.raises(InputRefused, match="no column title") as refused:
        world.sync(Choice("title"))
    assert "--source-sql" in (refused.value.hint or "")


def test_source_dropped_with_its_table_is_not_taken_for_nothing_to_do(world: World) -> None:
    world.sync()
    before = world.vectors()
    world.run("ALTER TABLE questions RENAME TO old_questions; DROP VIEW tagdb.source")
    assert not status.status(world.database).current
    with pytest.raises(InputRefused, match=r"tagdb\.source is gone"):
        world.sync()
    world.run("ALTER TABLE old_questions RENAME TO questions")
    assert world.sync(Choice("tags")).changes.total == 0
    assert world.vectors().keys() == before.keys()


def test_tags_dropped_with_their_table_come_back_with_it(world: World) -> None:
    world.sync(Choice("title"))
    world.run("CREATE TABLE kept AS SELECT * FROM tags; DROP TABLE tags CASCADE")
    assert world.sync().tags_removed == 2
    world.run("ALTER TABLE kept RENAME TO tags")
    assert world.sync().tags == 2
