"""Ids of another type than the stored ones are refused, or stored anew where that is asked for; vectors stay."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import CheckFailed, InputRefused, QueryRefused
from tagdb.models import Silent
from tagdb.pipeline.asking.status import status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.planning import plan
from tagdb.pipeline.running import lifting
from tagdb.pipeline.sync import Choice, sync
from tagdb.pipeline.syncing import comparing
from tests.pipeline.keyed import stored_types
from tests.pipeline.stored import Listener
from tests.pipeline.world import SPLIT_QUERY, OnStep, World, assert_nothing_due, load_once

BY_UUID = Choice(
    sql="SELECT CAST(md5(CAST(id AS text)) AS uuid) AS question_id, title AS text FROM questions",
    tags_sql="SELECT CAST(md5(CAST(question_id AS text)) AS uuid) AS question_id, tag FROM tags",
)
BY_TEXT = Choice(
    sql="SELECT 'q/' || id AS question_id, title AS text FROM questions",
    tags_sql="SELECT s.question_id, t.tag FROM tagdb.source s JOIN tags t ON s.question_id = 'q/' || t.question_id",
)
TRAINING = "SELECT 'q/' || id AS question_id, CASE WHEN id < 5 THEN 'low' ELSE 'high' END AS label FROM questions"
VECTORS = "SELECT text_id, embedder_id, CAST(xmin AS text), CAST(ctid AS text) FROM tagdb.text_vector ORDER BY text_id"
NEAREST = """
CREATE FUNCTION mine() RETURNS bigint LANGUAGE sql RETURN (SELECT max(nearest) FROM tagdb.nearest_questions(1))
"""
RIGHTS = """
SELECT relname AS name, pg_get_userbyid(relowner) AS owner,
    CAST(coalesce(relacl, acldefault('r', relowner)) AS text) AS acl,
    (SELECT string_agg(concat(attname, attacl, col_description(attrelid, attnum)), ' ' ORDER BY attnum)
     FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) AS columns
FROM pg_class c WHERE relnamespace = CAST('tagdb' AS regnamespace) AND relkind = 'v'
UNION ALL
SELECT proname, pg_get_userbyid(proowner), CAST(coalesce(proacl, acldefault('f', proowner)) AS text), NULL
FROM pg_proc WHERE pronamespace = CAST('tagdb' AS regnamespace)
ORDER BY name
"""


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Ten questions with bigint ids, their titles embedded and labelled."""
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    for number in range(10):
        made.put({number: f"t{number} shared"}, title=f"title {number}")
    made.sync(Choice("title"))
    train(made.database, SPLIT_QUERY, TrainSettings(), Silent())
    made.sync()
    return made


@pytest.mark.parametrize("choice", [BY_UUID, BY_TEXT])
def test_another_type_is_refused_with_what_to_do_and_changes_nothing(world: World, choice: Choice) -> None:
    before, rights = world.versions(), world.rows(RIGHTS)
    for attempt in (lambda: world.sync(choice), lambda: world.plan(choice)):
        with pytest.raises(
            InputRefused, match="in what is to be embedded now, and bigint in what is stored"
        ) as refused:
            attempt()
        assert "--new-keys" in (refused.value.hint or "")
    assert world.versions() == before
    assert world.rows(RIGHTS) == rights
    assert world.sync().changes.total == 0


@pytest.mark.parametrize(("choice", "type_"), [(BY_UUID, "uuid"), (BY_TEXT, "text")])
def test_new_keys_are_stored_and_no_text_is_embedded_again(world: World, choice: Choice, type_: str) -> None:
    vectors = world.rows(VECTORS)
    planned = plan(world.database, choice, Silent(), new_keys=True)
    assert (planned.changes.new, planned.changes.gone, planned.texts_due, planned.labels_due) == (10, 10, 0, 10)
    assert set(stored_types(world)) == {"bigint"}
    result = world.sync(choice, new_keys=True)
    assert (result.changes.new, result.changes.gone, result.embedded.due, result.labelled) == (10, 10, 0, 10)
    assert world.rows(VECTORS) == vectors
    assert set(stored_types(world)) == {type_}
    assert world.texts() == dict(world.rows("SELECT question_id, text FROM tagdb.source"))
    assert world.tag_vectors()["shared"][0] == 10
    assert_nothing_due(world)
    written = world.versions()
    again = world.sync(choice, new_keys=True)
    assert (again.changes.total, again.labelled, again.tags) == (0, 0, 0)
    assert world.versions() == written


def test_texts_that_no_question_has_any_more_go_with_the_old_keys(world: World) -> None:
    world.run("DELETE FROM questions WHERE id = 3; UPDATE questions SET title = 'other' WHERE id = 4")
    result = world.sync(BY_UUID, new_keys=True)
    assert (result.changes.new, result.embedded.texts) == (9, 1)
    assert (
        world.scalar("SELECT count(*) FROM tagdb.text") == world.scalar("SELECT count(*) FROM tagdb.text_vector") == 9
    )


@pytest.mark.parametrize("step", ["comparing", "storing texts", "averaging tags", "predicting"])
def test_kill_loses_nothing_and_the_same_command_goes_on(world: World, step: str) -> None:
    class Killed(BaseException):
        pass

    def kill(now: str) -> None:
        if now == step:
            raise Killed

    with pytest.raises(Killed):
        sync(world.database, BY_TEXT, OnStep(kill), new_keys=True)
    if step in ("comparing", "storing texts"):
        assert set(stored_types(world)) == {"bigint"}
        assert world.scalar("SELECT count(*) FROM tagdb.labels") == 10
    vectors = world.rows(VECTORS)
    world.sync(BY_TEXT, new_keys=True)
    assert world.rows(VECTORS) == vectors
    assert set(stored_types(world)) == {"text"}
    assert_nothing_due(world)


def test_readers_see_old_or_new_keys_and_their_rights_stay(world: World, execute: Callable[[str], None]) -> None:
    execute("CREATE ROLE keys_reader; CREATE ROLE keys_other")
    world.run(
        """
        GRANT SELECT ON tagdb.embedding TO keys_reader WITH GRANT OPTION;
        GRANT SELECT (question_id) ON tagdb.source TO keys_other;
        GRANT SELECT ON tagdb.source_tag TO keys_reader;
        REVOKE EXECUTE ON FUNCTION tagdb.nearest_questions FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION tagdb.nearest_questions TO keys_reader;
        COMMENT ON COLUMN tagdb.source.question_id IS 'ours';
        ALTER DEFAULT PRIVILEGES IN SCHEMA tagdb GRANT SELECT ON TABLES TO keys_other;
        """
    )
    rights = world.rows(RIGHTS)
    world.sync(BY_UUID, new_keys=True)
    assert world.rows(RIGHTS) == rights
    world.run("DROP OWNED BY keys_reader, keys_other")
    execute("DROP ROLE keys_reader, keys_other")


@pytest.mark.parametrize(
    ("dependent", "name"),
    [
        ("CREATE VIEW mine AS SELECT question_id FROM tagdb.labels", "view mine"),
        ("CREATE MATERIALIZED VIEW mine AS SELECT * FROM tagdb.embedding", "materialized view mine"),
        ("CREATE VIEW mine AS SELECT due FROM tagdb.status", "view mine"),
        ("CREATE VIEW mine AS SELECT text FROM tagdb.source", "view mine"),
        (NEAREST, "function mine"),
        (
            "CREATE TABLE mine (id bigint REFERENCES tagdb.labels)",
            "constraint mine_id_fkey on table mine",
        ),
    ],
)
def test_what_depends_on_the_ids_is_named_and_nothing_changes(world: World, dependent: str, name: str) -> None:
    world.run(dependent)
    before = world.versions()
    with pytest.raises(InputRefused, match=f"these depend on it: .*{name}"):
        world.sync(BY_UUID, new_keys=True)
    assert world.versions() == before
    assert world.sync().changes.total == 0


def test_view_that_reads_something_else_of_a_table_is_in_nobodys_way(world: World) -> None:
    world.run("CREATE VIEW mine AS SELECT label, count(*) FROM tagdb.labels GROUP BY label")
    world.sync(BY_UUID, new_keys=True)
    assert world.scalar("SELECT sum(count) FROM mine") == 10


@pytest.mark.parametrize("emptied", ["DELETE FROM questions", "UPDATE questions SET title = ''"])
def test_mass_of_questions_that_goes_is_refused_under_new_keys_too(
    world: World, monkeypatch: pytest.MonkeyPatch, emptied: str
) -> None:
    monkeypatch.setattr(comparing, "MANY_GONE", 4)
    world.run(f"{emptied} WHERE id < 6")
    before = world.versions()
    with pytest.raises(CheckFailed, match="6 of 10 questions are gone"):
        world.sync(BY_UUID, new_keys=True)
    assert plan(world.database, BY_UUID, Silent(), new_keys=True).refused
    assert world.versions() == before
    world.sync(BY_UUID, new_keys=True, allow_gone=True)
    assert (
        world.scalar("SELECT count(*) FROM tagdb.question q JOIN tagdb.text t ON t.id = text_id WHERE text <> ''") == 4
    )


def test_as_many_questions_with_new_keys_are_no_mass_that_goes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "MANY_GONE", 4)
    assert world.sync(BY_UUID, new_keys=True).changes.new == 10


def test_tags_of_another_type_than_the_texts_are_refused(world: World) -> None:
    before = world.versions()
    for choice in (
        Choice(sql=BY_UUID.sql, tags_sql="SELECT question_id, tag FROM tags"),
        Choice(tags_sql="SELECT 'q/' || question_id AS question_id, tag FROM tags"),
    ):
        with pytest.raises(QueryRefused, match=r"the ids of the tags query .* are (bigint|text), those of the source"):
            world.sync(choice, new_keys=True)
    assert world.versions() == before


def test_table_of_tags_with_other_ids_is_left_alone(world: World) -> None:
    heard = Listener()
    sync(world.database, Choice(sql=BY_UUID.sql), heard, new_keys=True)
    assert world.tag_vectors() == {}
    assert any("the table tags is not read" in line for line in heard.said)
    world.sync(BY_UUID)
    assert world.tag_vectors()["shared"][0] == 10


def test_own_tags_that_do_not_fit_the_new_ids_are_asked_for(world: World) -> None:
    by_number = Choice(sql="SELECT id, title AS text FROM questions", tags_sql="SELECT question_id, tag FROM tags")
    world.sync(by_number)
    before = world.versions()
    with pytest.raises(QueryRefused, match=r"the ids of the tags query .* are bigint, those of the source text"):
        world.sync(Choice(sql=BY_TEXT.sql), new_keys=True)
    assert world.versions() == before
    assert world.sync().changes.total == 0


def test_tags_that_read_the_source_come_along_with_its_ids(world: World) -> None:
    reading = "SELECT s.question_id, 'all' AS tag FROM tagdb.source s"
    world.sync(Choice(sql="SELECT id, title AS text FROM questions", tags_sql=reading))
    world.run("GRANT SELECT ON tagdb.source_tag TO PUBLIC")
    world.sync(Choice(sql=BY_TEXT.sql), new_keys=True)
    assert world.tag_vectors()["all"][0] == 10
    assert world.scalar("SELECT has_table_privilege('pg_monitor', 'tagdb.source_tag', 'SELECT')")


def test_other_tags_may_take_the_place_of_those_that_read_the_source(world: World) -> None:
    world.sync(
        Choice(
            sql="SELECT id, title AS text FROM questions",
            tags_sql="SELECT s.question_id, t.tag FROM tagdb.source s JOIN tags t USING (question_id)",
        )
    )
    with pytest.raises(QueryRefused, match="the tags query"):
        world.sync(Choice(sql=BY_TEXT.sql), new_keys=True)
    world.sync(BY_TEXT, new_keys=True)
    assert world.tag_vectors()["shared"][0] == 10


def test_integers_are_widened_without_a_word(database: Database, tiny_embedder: Path, world: World) -> None:
    world.run(
        "CREATE TABLE ticket AS SELECT CAST(id AS integer) AS number, title FROM questions; TRUNCATE tagdb.labels"
    )
    world.run("TRUNCATE tagdb.question, tagdb.labels")
    numbered = Choice(sql="SELECT number AS question_id, title AS text FROM ticket")
    world.sync(numbered)
    assert set(stored_types(world)) == {"integer"}
    lifting.drop(database)
    world.run("ALTER TABLE ticket ALTER number TYPE bigint; INSERT INTO ticket VALUES (9000000000, 'title 1')")
    lifting.restore(database, Silent())
    vectors, members = world.rows(VECTORS), world.rows("SELECT tag, members FROM tagdb.tag_vector ORDER BY tag")
    assert world.plan().changes.new == 1
    result = world.sync()
    assert (result.changes.new, result.changes.changed, result.changes.gone) == (1, 0, 0)
    assert set(stored_types(world)) == {"bigint"}
    assert world.rows(VECTORS) == vectors
    assert world.rows("SELECT tag, members FROM tagdb.tag_vector ORDER BY tag") == members
    assert world.scalar("SELECT count(*) FROM tagdb.labels") == 11


def test_narrower_integers_stand_beside_stored_ones(world: World) -> None:
    before = world.versions()
    world.sync(Choice(sql="SELECT CAST(id AS smallint) AS id, title AS text FROM questions"))
    assert set(stored_types(world)) == {"bigint"}
    assert {name: world.versions()[name] for name in ("question", "text", "labels")} == {
        name: before[name] for name in ("question", "text", "labels")
    }


def test_column_that_was_altered_to_another_type_is_told_by_status_and_sync(world: World) -> None:
    lifting.drop(world.database)
    world.run("ALTER TABLE tags ALTER question_id TYPE uuid USING CAST(md5(CAST(question_id AS text)) AS uuid)")
    world.run("ALTER TABLE questions ALTER id TYPE uuid USING CAST(md5(CAST(id AS text)) AS uuid)")
    lifting.restore(world.database, Silent())
    (reason,) = [each for each in status(world.database).reasons if "question_id" in each.why]
    assert "uuid" in reason.why
    assert "--new-keys" in reason.next
    with pytest.raises(InputRefused, match="question_id is uuid in what is to be embedded now, and bigint in"):
        world.sync()
    assert world.sync(new_keys=True).embedded.due == 0
    assert status(world.database).due == status(world.database).new == 0
    assert {row[0] for row in world.rows("SELECT question_id FROM tagdb.labels")} == {
        uuid.UUID(row[0]) for row in world.rows("SELECT md5(CAST(n AS text)) FROM generate_series(0, 9) n")
    }


def test_empty_database_takes_whatever_comes(world: World) -> None:
    world.run("DELETE FROM questions; DELETE FROM tags")
    world.sync(allow_gone=True)
    world.run("INSERT INTO questions (id, title) VALUES (1, 'title 1')")
    world.sync(BY_TEXT)
    assert set(stored_types(world)) == {"text"}
    assert world.rows("SELECT question_id FROM tagdb.question") == [("q/1",)]


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("SELECT id AS question_id, title AS label FROM questions", "SELECT …::text AS question_id"),
        ("SELECT gen_random_uuid() AS id, title AS label FROM questions", "SELECT …::text AS id"),
        ("SELECT 1.5 AS id, title AS label FROM questions", "SELECT …::text AS id"),
    ],
)
def test_training_on_ids_of_another_type_is_refused(world: World, query: str, hint: str) -> None:
    world.sync(BY_TEXT, new_keys=True)
    with pytest.raises(QueryRefused, match="the ids of questions are text") as refused:
        train(world.database, query, TrainSettings(), Silent())
    assert hint in (refused.value.hint or "")
    train(world.database, TRAINING, TrainSettings(), Silent())
