"""`status` counts exactly, in every state that a database can be in, and changes nothing by looking."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tagdb import elmo
from tagdb.db.connection import Database
from tagdb.errors import InputRefused
from tagdb.models import Silent
from tagdb.pipeline.asking.status import Status, status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.sync import Choice, sync
from tagdb.pipeline.syncing.embedding import NO_TOKEN
from tests.pipeline.world import OnStep, World, load_once


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    made.put({number: f"{'odd' if number % 2 else 'even'} t{number % 7}" for number in range(1, 31)})
    return made


def _counts(picture: Status) -> dict[str, Any]:
    """What is not zero."""
    names = ("rows", "new", "changed", "gone", "texts", "embedded", "truncated", "due", "failed", "tags", "tags_due")
    counts = {name: getattr(picture, name) for name in (*names, "labelled", "stale", "current")}
    return {name: value for name, value in counts.items() if value}


def test_database_without_a_source_is_empty_and_not_current(database: Database) -> None:
    picture = status(database)
    assert (picture.source, picture.embedder, picture.classifier, picture.last_run) == (None, None, None, None)
    assert _counts(picture) == {}
    assert [reason.why for reason in picture.reasons] == ["nothing was ever synced"]
    json.dumps(picture.as_json())


def test_each_edit_is_counted_as_what_it_is(world: World) -> None:
    world.sync()
    assert _counts(status(world.database)) == {"rows": 30, "texts": 14, "embedded": 14, "tags": 9, "current": True}
    world.put({1: "other", 2: "other", 40: "more", 41: ""})
    world.remove(29, 30)
    picture = status(world.database)
    assert _counts(picture) == {
        "rows": 30,
        "new": 2,
        "changed": 2,
        "gone": 2,
        "texts": 14,
        "embedded": 14,
        "tags": 9,
        "tags_due": 5,
    }
    before = world.versions()
    status(world.database)
    assert world.versions() == before


def test_due_texts_are_counted_until_they_are_embedded(world: World) -> None:
    world.sync(limit=4)
    picture = status(world.database)
    assert (picture.texts, picture.embedded, picture.due, picture.current) == (14, 4, 10, False)
    world.sync()
    assert status(world.database).due == 0


def test_text_without_token_keeps_nothing_from_being_current_but_a_refused_one_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put({50: ""})
    world.sync()
    picture = status(world.database)
    assert (picture.failures, picture.failed, picture.refused, picture.current) == ({NO_TOKEN: 1}, 1, 0, True)

    def refuse(*_: object) -> None:
        raise InputRefused("too odd")

    monkeypatch.setattr(elmo.Elmo, "embed_tokens", refuse)
    world.put({51: "odd"})
    world.sync()
    picture = status(world.database)
    assert (picture.failures, picture.refused, picture.due) == ({NO_TOKEN: 1, "too odd": 1}, 1, 0)
    assert not picture.current


def test_truncated_texts_are_counted(world: World) -> None:
    world.put({60: "a b c d"})
    world.sync(max_tokens=3)
    assert status(world.database).truncated == 1


def test_stale_labels_are_counted(world: World) -> None:
    query = "SELECT question_id AS question_id, tag AS label FROM tags WHERE position = 0"
    world.sync()
    train(world.database, query, TrainSettings(), Silent())
    picture = status(world.database)
    assert picture.classifier is not None
    assert (picture.labelled, picture.stale, picture.current) == (0, 30, False)
    world.sync()
    picture = status(world.database)
    assert (picture.labelled, picture.stale, picture.current) == (30, 0, True)
    world.put({1: "even t1", 2: ""})
    planned = world.plan().labels_due
    result = world.sync()
    assert (planned, result.labelled, result.labels_removed) == (2, 1, 1)
    assert (status(world.database).labelled, status(world.database).current) == (29, True)


def test_last_run_is_shown_while_it_runs_and_after(world: World) -> None:
    seen: list[str] = []

    def look(_step: str) -> None:
        last = status(world.database).last_run
        assert last is not None
        seen.append(last["status"])

    sync(world.database, Choice(), OnStep(look))
    assert set(seen) == {"running"}
    last = status(world.database).last_run
    assert last is not None
    assert (last["command"], last["status"], last["read"]) == ("sync", "done", 14)
    json.dumps(status(world.database).as_json(), default=str)
