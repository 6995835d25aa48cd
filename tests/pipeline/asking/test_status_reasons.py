"""`status` says why not everything is current, also where no count tells, and what to type next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import InputRefused, TagdbError
from tagdb.models import Silent
from tagdb.pipeline.asking.status import Status, status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning import classifiers, predict
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.sync import Choice
from tagdb.pipeline.syncing import comparing
from tests.pipeline.world import SPLIT_QUERY, World, load_once, titled_world


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    return titled_world(database, tiny_embedder)


def _why(world: World) -> list[str]:
    """The reasons there are; none exactly where everything is current."""
    picture = status(world.database)
    assert picture.current is not bool(picture.reasons)
    assert all(reason.next for reason in picture.reasons)
    return [reason.why for reason in picture.reasons]


def _next(world: World) -> str:
    return status(world.database).reasons[0].next


def test_database_in_which_nothing_was_ever_synced(world: World) -> None:
    assert (_why(world), _next(world)) == (["nothing was ever synced"], "tagdb sync")
    world.run("DROP TABLE questions, tags")
    assert _next(world).startswith("tagdb import FILE")
    world.run("CREATE TABLE questions (id bigint PRIMARY KEY, title text)")
    world.sync(Choice("title"))
    assert _why(world) == []


def test_failed_sync_is_told_until_one_succeeds(world: World) -> None:
    world.sync()
    train(world.database, SPLIT_QUERY, TrainSettings(), Silent())
    world.sync()
    world.run("CREATE TABLE twice AS SELECT 1 AS question_id, 'password=s3cret' AS text FROM generate_series(1, 2)")
    with pytest.raises(InputRefused):
        world.sync(Choice(sql="SELECT question_id, text FROM twice"))
    told = "the last sync failed: the source names question 1 more than once"
    assert (_why(world), _next(world)) == ([told], "tagdb sync")
    last = status(world.database).last_run
    assert last is not None
    assert (last["status"], last["error"]) == ("failed", "the source names question 1 more than once")
    predict.predict(world.database, Silent())
    assert _why(world) == [told]
    world.sync()
    assert _why(world) == []


def test_other_command_that_failed_is_told_while_it_is_the_last(world: World) -> None:
    world.sync()
    with pytest.raises(TagdbError):
        train(
            world.database, "SELECT 'password=s3cret'::integer AS question_id, 'a' AS label", TrainSettings(), Silent()
        )
    (why,) = _why(world)
    assert why.startswith("the last train failed: the query cannot be run")
    assert "tagdb train" in _next(world)
    assert "s3cret" not in json.dumps(status(world.database).as_json(), default=str)
    world.sync()
    assert _why(world) == []


def test_failure_without_words_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(comparing, "compare", fail)
    with pytest.raises(MemoryError):
        world.sync()
    assert _why(world) == ["the last sync failed: without a word", "nothing was ever synced"]


def test_classifier_that_is_gone_with_its_labels_is_missed(world: World) -> None:
    world.sync()
    assert _why(world) == []
    for seed in (0, 1):
        train(world.database, SPLIT_QUERY, TrainSettings(seed=seed), Silent(), name=f"it's {seed}")
    world.sync()
    assert _why(world) == []
    world.run("DELETE FROM tagdb.classifier WHERE active; DELETE FROM tagdb.labels")
    assert (_why(world), _next(world)) == (
        ["there is no active classifier any more, and no label"],
        """tagdb models activate 'it'"'"'s 1'""",
    )
    world.run("DELETE FROM tagdb.classifier")
    assert _next(world) == "tagdb train --query SQL"
    assert len(_why(world)) == 1
    train(world.database, SPLIT_QUERY, TrainSettings(), Silent())
    world.sync()
    assert _why(world) == []


def test_labels_that_no_classifier_renews_are_told(world: World) -> None:
    world.sync()
    for seed in (0, 1):
        train(world.database, SPLIT_QUERY, TrainSettings(seed=seed), Silent(), name=f"c{seed}")
    world.sync()
    classifiers.activate(world.database, "c1")
    world.run("UPDATE tagdb.classifier SET active = false")
    assert _why(world) == ["there is no active classifier any more to renew 12 labels"]


def test_source_that_is_gone_with_its_table_is_told_apart_from_none(world: World) -> None:
    world.sync()
    world.run("DROP TABLE questions CASCADE")
    picture = status(world.database)
    assert (picture.source, picture.rows, picture.tables) == (None, 12, ["public.tags"])
    assert picture.reasons[0].why == (
        "the view tagdb.source is gone, dropped with a table that it read; 12 texts stored still"
    )
    assert picture.reasons[0].next == "once that is there again: tagdb sync --text tags"


def test_view_of_tags_that_is_gone_or_waits_for_a_table_is_told(world: World) -> None:
    world.sync(Choice("title"))
    world.run("CREATE TABLE kept AS SELECT * FROM tags; DROP TABLE tags CASCADE")
    assert _why(world) == [
        "the view tagdb.source_tag is gone, dropped with a table that it read",
        "13 tags due",
    ]
    world.sync()
    assert _why(world) == []
    world.run("CREATE TABLE tags (question_id bigint, word text)")
    assert _why(world) == []
    world.run("DROP TABLE tags; ALTER TABLE kept RENAME TO tags")
    assert _why(world) == ["a table tags has come, which was not there before"]
    world.sync()
    assert _why(world) == []
    assert len(world.tag_vectors()) == 13


def test_tables_are_named_whatever_the_search_path(world: World) -> None:
    world.run('CREATE SCHEMA "My Help""desk"; CREATE TABLE "My Help""desk"."Tickets" AS SELECT 1 AS id, \'a\' AS text')
    world.sync(Choice(sql='SELECT id AS question_id, text FROM "My Help""desk"."Tickets"'))
    assert status(world.database).tables == ['"My Help""desk"."Tickets"', "public.tags"]
    world.sync(Choice(sql="SELECT 1 AS question_id, 'a' AS text", tags_sql="SELECT 1 AS question_id, 'a' AS tag"))
    assert status(world.database).tables == []


@pytest.mark.parametrize(
    ("preset", "table"),
    [("tags", "questions"), ("tags", "tags"), ("title", "questions"), ("title", "tags"), ("title+tags", "tags")],
)
def test_name_that_means_another_table_is_told(world: World, preset: str, table: str) -> None:
    world.sync(Choice(preset))
    world.run(f"CREATE TABLE fresh (LIKE {table} INCLUDING ALL); INSERT INTO fresh SELECT * FROM {table}")
    world.run(f"ALTER TABLE {table} RENAME TO old_{table}")
    assert _why(world) == []
    world.run(f"ALTER TABLE fresh RENAME TO {table}")
    why = _why(world)
    assert why == [f"{table} means public.{table} now, which is not what tagdb reads ({_reads(world)})"]
    assert f"public.old_{table}" in why[0]


def _reads(world: World) -> str:
    return ", ".join(status(world.database).tables)


@pytest.mark.parametrize(
    "choice",
    [
        Choice("title"),
        Choice(
            sql="SELECT id AS question_id, title AS text FROM questions", tags_sql="SELECT question_id, tag FROM tags"
        ),
    ],
)
def test_tags_that_change_under_an_unchanged_text_are_due(world: World, choice: Choice) -> None:
    world.sync(choice)
    assert _why(world) == []
    world.run("UPDATE tags SET tag = 'other' WHERE question_id IN (2, 3) AND position = 0")
    picture = status(world.database)
    assert (picture.new, picture.changed, picture.gone, picture.tags_due, picture.tags) == (0, 0, 0, 3, 13)
    assert _why(world) == ["3 tags due"]
    result = world.sync()
    assert result.tags + result.tags_removed == 3
    assert _why(world) == []
    world.run("UPDATE tagdb.tag_vector SET members = 0 WHERE tag = 'other'")
    assert _why(world) == ["1 tag due"]


def test_label_whose_text_has_no_vector_any_more_is_due(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that dies before it predicts leaves the label of a text that the question no longer has."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    world.sync(Choice("title"))
    train(world.database, SPLIT_QUERY, TrainSettings(), Silent())
    world.sync()
    world.run("UPDATE questions SET title = '' WHERE id = 3")
    with monkeypatch.context() as patches:
        patches.setattr(predict, "write_labels", die)
        with pytest.raises(KeyboardInterrupt):
            world.sync()
    assert _why(world) == ["1 label due"]
    assert world.sync().labels_removed == 1
    assert _why(world) == []


@pytest.mark.parametrize(
    ("view", "choice"),
    [
        ("source", Choice(sql="SELECT id AS question_id, (12 / id)::text AS text FROM numbers")),
        (
            "source_tag",
            Choice(
                sql="SELECT id AS question_id, 'a' AS text FROM numbers",
                tags_sql="SELECT id AS question_id, (12 / id)::text AS tag FROM numbers",
            ),
        ),
    ],
)
def test_view_that_cannot_be_read_is_told_beside_everything_else(world: World, view: str, choice: Choice) -> None:
    world.run("CREATE TABLE numbers AS SELECT generate_series(1, 12) AS id")
    world.sync(choice)
    world.run("INSERT INTO numbers VALUES (0)")
    picture = status(world.database)
    assert picture.reasons[0].why == f"the view tagdb.{view} cannot be read: division by zero"
    assert picture.compared is (view != "source")
    assert (picture.rows, picture.new) == ((12, 0) if view == "source" else (13, 1))
    assert picture.texts == len(set(world.texts().values()))
    world.run("DELETE FROM numbers WHERE id = 0")
    assert _why(world) == []


def test_reasons_are_in_the_json_and_most_important_first() -> None:
    picture = Status("a database", source="tags", stale=2, tags_due=1, changed=3, new=1_000)
    assert picture.as_json()["reasons"] == [
        {"why": "1,000 questions new", "next": "tagdb sync"},
        {"why": "3 questions changed", "next": "tagdb sync"},
        {"why": "1 tag due", "next": "tagdb sync"},
        {"why": "2 labels due", "next": "tagdb sync"},
    ]
    assert picture.as_json()["current"] is False
