"""Another source takes effect with the texts that it gives, all at once or not at all, and a failing query is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import QueryRefused
from tagdb.models import Silent
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.planning import plan
from tagdb.pipeline.sync import Choice, sync
from tagdb.pipeline.syncing import comparing
from tests.pipeline.world import OnStep, World, load_once

TICKETS = """
CREATE TABLE tickets (number integer PRIMARY KEY, subject text, size integer, topics text[]);
INSERT INTO tickets VALUES (1, 'printer', 3, '{printer}'), (2, 'mouse', 2, '{mouse}'), (11, 'keyboard', 1, '{}');
"""
SUBJECTS = "SELECT number AS question_id, subject AS text FROM tickets"
TOPICS = "SELECT number AS question_id, topics AS tag FROM tickets"
BAD_TOPICS = "SELECT number AS question_id, 'size' || 1 / (size - 1) AS tag FROM tickets"
BAD_SUBJECTS = "SELECT number AS question_id, subject || 1 / (size - 1) AS text FROM tickets"
VIEWS = "SELECT pg_get_viewdef('tagdb.source'), pg_get_viewdef('tagdb.source_tag')"


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    made.put({1: "sql join", 2: "python", 3: "rust"}, title="How to join?")
    made.sync()
    made.run(TICKETS)
    return made


def _texts_of_source(world: World) -> dict[int, str]:
    return dict(world.rows("SELECT question_id, text FROM tagdb.source"))


@pytest.mark.parametrize("choice", [Choice(sql=SUBJECTS, tags_sql=TOPICS), Choice("title")])
@pytest.mark.parametrize("step", ["comparing", "storing texts"])
def test_run_that_ends_before_texts_are_stored_leaves_the_former_source(
    world: World, step: str, choice: Choice
) -> None:
    class Killed(BaseException):
        pass

    def kill(now: str) -> None:
        if now == step:
            raise Killed

    before, views = world.versions(), world.rows(VIEWS)
    with pytest.raises(Killed):
        sync(world.database, choice, OnStep(kill))
    assert world.rows(VIEWS) == views
    assert world.versions() == before
    assert world.sync().changes.total == 0


def test_end_of_storing_that_fails_leaves_the_former_source(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    views, apply = world.rows(VIEWS), comparing.apply

    def fail(*arguments: object) -> None:
        apply(*arguments)  # type: ignore[arg-type]
        raise RuntimeError("at the last moment")

    with monkeypatch.context() as patch:
        patch.setattr(comparing, "apply", fail)
        with pytest.raises(RuntimeError, match="at the last moment"):
            world.sync(Choice(sql=SUBJECTS))
    assert world.rows(VIEWS) == views
    assert world.texts() == _texts_of_source(world) == {1: "sql join", 2: "python", 3: "rust"}


def test_reader_sees_source_and_texts_of_one_choice(world: World) -> None:
    seen: dict[str, set[int]] = {}
    sync(world.database, Choice(sql=SUBJECTS), OnStep(lambda now: seen.update({now: set(world.texts())})))
    assert seen["comparing"] == seen["storing texts"] == {1, 2, 3}
    assert seen["averaging tags"] == {1, 2, 11} == set(_texts_of_source(world))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            Choice(sql=SUBJECTS, tags_sql=BAD_TOPICS),
            r"the tags query \(--source-tags-sql\) cannot be run: division by zero",
        ),
        (
            Choice(sql=BAD_SUBJECTS, tags_sql=TOPICS),
            r"the source query \(--source-sql\) cannot be run: division by zero",
        ),
        (Choice(tags_sql=BAD_TOPICS), r"the tags query \(--source-tags-sql\) cannot be run: division by zero"),
        (Choice(sql=SUBJECTS, tags_sql="SELECT number AS id FROM tickets"), "the tags query .* has no column tag"),
        (
            Choice(sql=SUBJECTS, tags_sql="SELECT subject::integer AS id, subject AS tag FROM tickets"),
            "the tags query .* cannot be run: invalid input syntax for type integer",
        ),
    ],
)
def test_query_that_fails_at_some_row_is_named_and_not_remembered(world: World, choice: Choice, message: str) -> None:
    before, views = world.versions(), world.rows(VIEWS)
    with pytest.raises(QueryRefused, match=message) as refused:
        world.sync(choice)
    assert refused.value.hint
    with pytest.raises(QueryRefused, match=message):
        plan(world.database, choice, Silent())
    assert world.rows(VIEWS) == views
    assert world.versions() == before
    assert world.sync().changes.total == 0


@pytest.mark.parametrize("moving", [True, False])
def test_tags_query_that_begins_to_fail_is_named(world: World, moving: bool) -> None:
    world.sync(Choice(sql=SUBJECTS, tags_sql="SELECT number AS id, 'size' || 6 / size AS tag FROM tickets"))
    assert world.tag_vectors().keys() == {"size2", "size3", "size6"}
    world.run(f"UPDATE tickets SET size = 0 {', subject = 5' if moving else ''} WHERE number = 2")
    with pytest.raises(QueryRefused, match=r"the tags query \(--source-tags-sql\) cannot be run: division") as refused:
        world.sync()
    assert "--source-tags-sql 'SELECT …'" in (refused.value.hint or "")
    assert "the tags query" in world.last_run()["detail"]["error"]
    world.run("UPDATE tickets SET size = 1 WHERE number = 2")
    world.sync()
    assert world.tag_vectors()["size6"][0] == 2


def test_source_query_that_begins_to_fail_is_named(world: World) -> None:
    world.sync(Choice(sql="SELECT number AS id, subject || 6 / size AS text FROM tickets"))
    world.run("UPDATE tickets SET size = 0 WHERE number = 2")
    message = r"the source query \(--source-sql\) cannot be run: division by zero"
    with pytest.raises(QueryRefused, match=message) as refused:
        world.sync()
    assert "--source-sql 'SELECT …'" in (refused.value.hint or "")
    with pytest.raises(QueryRefused, match=message):
        world.plan()


def test_failure_of_something_else_is_not_laid_on_a_query(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.sync(Choice(sql=SUBJECTS, tags_sql=TOPICS))
    world.run("UPDATE tickets SET subject = 'rat' WHERE number = 2")

    def fail(*_: object) -> None:
        with world.database.session() as session:
            session.rows_of("SELECT 1 / 0", {})

    monkeypatch.setattr(comparing, "apply", fail)
    with pytest.raises(Exception, match=r"^division by zero$"):
        world.sync()
