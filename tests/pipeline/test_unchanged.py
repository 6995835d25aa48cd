"""Where no row has moved, sync compares nothing; whatever moved, by whomever and wherever, is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.models import Silent
from tagdb.pipeline import comparing, embedders, indexing, status, tag_vectors, unchanged
from tagdb.pipeline.sync import Choice
from tagdb.pipeline.train import TrainSettings, train
from tests.pipeline.world import World, load_once

QUERY = "SELECT id AS question_id, CASE WHEN id < 5 THEN 'low' ELSE 'high' END AS label FROM questions"


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(embedders, "load", load_once)
    made = World(database, tiny_embedder)
    made.put({number: f"t{number} shared" for number in range(10)})
    made.sync()
    return made


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Collect one entry each time that texts are compared."""
    calls: list[None] = []
    stage = comparing._stage_changes

    def count(*arguments: object) -> None:
        calls.append(None)
        stage(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(comparing, "_stage_changes", count)
    return calls


def test_second_sync_reads_no_text_and_no_vector(
    world: World, compared: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(tag_vectors, "refresh")
    result = world.sync()
    assert not compared
    assert (result.changes.total, result.embedded.due, result.tags, result.labelled) == (0, 0, 0, 0)
    assert world.plan().texts_due == 0
    assert world.sync(Choice("tags")).changes.total == 0
    assert not compared
    assert world.last_run()["status"] == "done"


@pytest.mark.parametrize(
    "move",
    [
        "INSERT INTO questions VALUES (77)",
        "DELETE FROM questions WHERE id = 3",
        "UPDATE tags SET tag = 'other' WHERE question_id = 3 AND position = 0",
        "DELETE FROM tags WHERE question_id = 3 AND position = 0",
        "DELETE FROM tags WHERE question_id = 3 AND position = 0; INSERT INTO tags VALUES (3, 0, 't3')",
        "DELETE FROM tagdb.text_vector WHERE text_id = (SELECT text_id FROM tagdb.question WHERE question_id = 3)",
        "UPDATE tagdb.question SET text_id = (SELECT min(id) FROM tagdb.text)",
        "UPDATE tagdb.tag_vector SET members = 0 WHERE tag = 't3'",
        "DELETE FROM tagdb.tag_vector WHERE tag = 't3'",
        "CREATE TABLE more () INHERITS (questions)",
        "ALTER TABLE tags ENABLE ROW LEVEL SECURITY",
    ],
)
def test_whatever_moved_is_compared(world: World, compared: list[None], move: str) -> None:
    expected = world.tag_vectors().keys()
    world.run(move)
    world.sync()
    assert compared
    assert world.texts().keys() == {row[0] for row in world.rows("SELECT id FROM questions")}
    assert world.texts() == dict(world.rows("SELECT question_id, text FROM tagdb.source"))
    assert world.vectors().keys() == {number for number, text in world.texts().items() if text}
    if "tagdb" in move:
        assert world.tag_vectors().keys() == expected


def test_move_that_another_session_commits_while_texts_are_compared_is_found_next_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put({3: "t3 edited"})
    stage = comparing._stage_changes

    def edit_after(*arguments: object) -> None:
        stage(*arguments)  # type: ignore[arg-type]
        world.put({4: "t4 edited"})

    monkeypatch.setattr(comparing, "_stage_changes", edit_after)
    world.sync()
    monkeypatch.setattr(comparing, "_stage_changes", stage)
    assert world.sync().changes.changed == 1
    assert world.texts()[4] == "t4 edited"


def test_label_that_somebody_deleted_comes_back(world: World, compared: list[None]) -> None:
    train(world.database, QUERY, TrainSettings(), Silent())
    world.sync()
    world.sync()
    assert len(compared) == 1, "a new classifier is a move"
    world.run("DELETE FROM labels WHERE question_id = 3")
    assert world.sync().labelled == 1


def test_status_says_the_same_without_comparing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    train(world.database, QUERY, TrainSettings(), Silent())
    world.sync()
    short = status.status(world.database)
    monkeypatch.setattr(unchanged, "since_last_sync", lambda *_: False)
    assert status.status(world.database) == short
    assert (short.rows, short.labelled, short.stale) == (10, 10, 0)
    monkeypatch.undo()
    monkeypatch.delattr(status, "_count_changes")
    assert status.status(world.database) == short


def test_another_cap_on_tokens_is_no_second_run(world: World, compared: list[None]) -> None:
    assert world.sync(max_tokens=1).embedded.due == 10
    assert world.sync(max_tokens=1).embedded.due == 0
    assert len(compared) == 1


def test_what_a_limit_left_is_not_forgotten(world: World, compared: list[None]) -> None:
    world.put({number: f"new{number}" for number in range(20, 30)})
    assert world.sync(limit=4).texts_left == 6
    assert world.sync().embedded.texts == 6
    world.sync()
    assert len(compared) == 2


@pytest.mark.parametrize(
    "choice",
    [
        Choice(sql="SELECT id AS question_id, title AS text FROM questions"),
        Choice(tags_sql="SELECT question_id, tag FROM tags WHERE now() < '2020-01-01'"),
    ],
)
def test_own_sql_is_always_run(world: World, compared: list[None], choice: Choice) -> None:
    world.sync(choice)
    world.sync()
    assert len(compared) == 2


def test_index_is_built_though_nothing_has_moved(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "ENOUGH", {"text_vector": 5, "tag_vector": 5})
    assert set(world.sync().indexed) == {"text_vector", "tag_vector"}
