"""Where few rows have moved since the last sync, the next one compares and labels the questions around them only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tagdb.db.connection import Database, Session
from tagdb.models import Silent
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.syncing import comparing, moved
from tagdb.pipeline.syncing.moved import Moved
from tests.examples import examples
from tests.pipeline.world import SPLIT_QUERY, USER_TABLES, World, assert_nothing_due, load_once


def test_only_the_band_that_moved_is_compared_and_labelled(
    synced: World, looks: list[Moved], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced.put({number: f"t{number} shared" for number in range(100, 400)})
    synced.sync()
    train(synced.database, SPLIT_QUERY, TrainSettings(), Silent())
    synced.sync()
    synced.put({200: "moved", 1000: "new"})
    moved_ids: list[int] = []
    stage = comparing._stage_changes

    def stage_and_tell(session: Session, *arguments: Any, **options: Any) -> None:
        stage(session, *arguments, **options)
        moved_ids.extend(row[0] for row in session.rows_of("SELECT question_id FROM moved ORDER BY 1", {}))

    monkeypatch.setattr(comparing, "_stage_changes", stage_and_tell)
    result = synced.sync()
    assert looks[-1] is Moved.SOME
    assert moved_ids == [*range(192, 256), *range(960, 1024)]
    assert (result.changes.new, result.changes.changed, result.changes.gone, result.labelled) == (1, 1, 0, 2)
    assert_nothing_due(synced)


def test_where_many_bands_moved_all_is_compared(
    synced: World, looks: list[Moved], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moved, "LARGEST_SHARE", 6)
    synced.put(dict.fromkeys(range(0, 256, 64), "t"))
    synced.sync()
    synced.put({0: "other"})
    synced.sync()
    synced.put({0: "third", 64: "third"})
    synced.sync()
    assert looks[-2:] == [Moved.SOME, Moved.UNKNOWN]
    assert synced.texts() == dict(synced.rows("SELECT question_id, text FROM tagdb.source"))


@pytest.mark.parametrize(
    "lacking",
    [
        "ALTER TABLE questions ALTER id TYPE integer",
        "ALTER TABLE tags DROP CONSTRAINT tags_pkey",
        """
        ALTER TABLE tags DROP CONSTRAINT tags_pkey;
        ALTER TABLE tags ALTER question_id DROP NOT NULL;
        CREATE INDEX ON tags (question_id)
        """,
    ],
)
def test_tables_in_which_no_question_can_be_looked_up_are_read_whole(
    database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch, looks: list[Moved], lacking: str
) -> None:
    monkeypatch.setattr(registry, "load", load_once)
    world = World(database, tiny_embedder, tables=f"{USER_TABLES}; {lacking}")
    world.put({1: "a", 2: "b"})
    world.sync()
    world.put({2: "c"})
    assert world.sync().changes.changed == 1
    world.sync()
    assert looks[-2:] == [Moved.UNKNOWN, Moved.NONE]


def test_labels_of_questions_that_did_not_move_are_renewed_by_another_classifier(
    synced: World, looks: list[Moved]
) -> None:
    train(synced.database, SPLIT_QUERY, TrainSettings(), Silent())
    synced.sync()
    synced.put({3: "t3 edited"})
    train(synced.database, SPLIT_QUERY, TrainSettings(seed=1), Silent(), activate=True)
    assert synced.sync().labelled == 10
    assert looks[-1] is Moved.SOME
    assert_nothing_due(synced)


def test_fingerprints_of_a_sync_that_was_killed_before_its_end_are_not_believed(
    synced: World, looks: list[Moved]
) -> None:
    synced.put({3: "t3 edited"})
    synced.sync()
    synced.run("UPDATE tagdb.run SET status = 'failed' WHERE id = (SELECT max(id) FROM tagdb.run)")
    synced.sync()
    synced.sync()
    assert looks == [Moved.SOME, Moved.UNKNOWN, Moved.NONE]


_NUMBERS = st.integers(-3, 200)
_EDIT = st.one_of(
    st.tuples(st.just("put"), _NUMBERS, st.sampled_from(["t1 shared", "t2", "other words"])),
    st.tuples(st.just("remove"), _NUMBERS, st.just("")),
    st.tuples(st.just("retag"), _NUMBERS, st.just("other")),
    st.tuples(st.just("forget label"), _NUMBERS, st.just("")),
    st.tuples(st.just("forget vector"), _NUMBERS, st.just("")),
)


def _edit(synced: World, operation: str, number: int, tags: str) -> None:
    if operation == "put":
        synced.put({number: tags})
    elif operation == "remove":
        synced.remove(number)
    elif operation == "retag":
        synced.run(f"UPDATE tags SET tag = '{tags}' WHERE question_id = {number} AND position = 0")
    elif operation == "forget label":
        synced.run(f"DELETE FROM tagdb.labels WHERE question_id = {number}")
    else:
        synced.run(
            "DELETE FROM tagdb.text_vector WHERE text_id = "
            f"(SELECT text_id FROM tagdb.question WHERE question_id = {number})"
        )


@settings(
    max_examples=examples(8),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(series=st.lists(st.lists(_EDIT, max_size=3), min_size=1, max_size=3))
@example(series=[[("put", 77, "t1 shared")], [("remove", 77, "")], [("retag", 3, "other"), ("put", -1, "t2")]])
def test_after_any_edits_nothing_is_due(
    synced: World, looks: list[Moved], series: list[list[tuple[str, int, str]]]
) -> None:
    synced.put({number: f"t{number} shared" for number in range(10)})
    synced.sync()
    if not synced.rows("SELECT FROM tagdb.classifier"):
        train(synced.database, SPLIT_QUERY, TrainSettings(), Silent())
    synced.sync()
    for edits in series:
        for edit in edits:
            _edit(synced, *edit)
        synced.sync()
        assert_nothing_due(synced)
        assert synced.texts() == dict(synced.rows("SELECT question_id, text FROM tagdb.source"))
    assert Moved.SOME in looks or all(op in ("forget label", "forget vector") for edits in series for op, *_ in edits)
