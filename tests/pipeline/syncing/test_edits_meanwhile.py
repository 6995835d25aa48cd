"""What others insert, change or delete while a sync runs is in the database after the next one, or after this."""

from __future__ import annotations

from typing import Any

import pytest

from tagdb.db.connection import Session
from tagdb.models import Silent
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.syncing import comparing, indexing
from tagdb.pipeline.syncing.moved import Moved
from tests.pipeline.world import SPLIT_QUERY, World, assert_nothing_due, refuse_poison


def test_move_that_another_session_commits_while_texts_are_compared_is_found_next_time(
    synced: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced.put({3: "t3 edited"})
    stage = comparing._stage_changes

    def edit_after(*arguments: Any, **options: Any) -> None:
        stage(*arguments, **options)
        synced.put({4: "t4 edited"})

    monkeypatch.setattr(comparing, "_stage_changes", edit_after)
    synced.sync()
    monkeypatch.setattr(comparing, "_stage_changes", stage)
    assert synced.sync().changes.changed == 1
    assert synced.texts()[4] == "t4 edited"


def test_label_that_somebody_deletes_meanwhile_comes_back(synced: World, looks: list[Moved]) -> None:
    train(synced.database, SPLIT_QUERY, TrainSettings(), Silent())
    synced.sync()
    synced.put({3: "t3 edited"})
    synced.sync_while("averaging tags", lambda: synced.run("DELETE FROM tagdb.labels WHERE question_id = 7"))
    assert looks[-1] is Moved.SOME
    assert_nothing_due(synced)


@pytest.mark.parametrize("table", ["tag_vector", "labels"])
def test_what_somebody_deletes_while_the_index_is_built_comes_back(
    synced: World, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    train(synced.database, SPLIT_QUERY, TrainSettings(), Silent())
    rows = synced.scalar(f"SELECT count(*) FROM tagdb.{table}")

    def delete(_: Session) -> list[indexing.IndexStatus]:
        synced.run(f"DELETE FROM tagdb.{table}")
        return []

    monkeypatch.setattr(indexing, "status", delete)
    synced.put({3: "t3 edited"})
    synced.sync()
    monkeypatch.undo()
    synced.sync()
    assert synced.scalar(f"SELECT count(*) FROM tagdb.{table}") >= max(rows, 10)


def test_refused_text_that_somebody_lets_try_again_meanwhile_gets_its_labels(
    synced: World, looks: list[Moved], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(synced.database, SPLIT_QUERY, TrainSettings(), Silent())
    synced.put({100: "poison"})
    with monkeypatch.context() as patches:
        refuse_poison(patches)
        assert synced.sync().failed == 1
    synced.put({3: "t3 edited"})
    synced.sync_while("storing texts", lambda: synced.run("DELETE FROM tagdb.failure"))
    assert looks[-1] is Moved.SOME
    assert_nothing_due(synced)
    assert "poison" in synced.tag_vectors()
