"""`watch` from Python: passes as values, ended by an event, by leaving the loop, or by what nothing can mend."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

import tagdb
from tagdb.pipeline.embedders import registry
from tests.door.conftest import QUESTIONS
from tests.pipeline.world import World, load_once

CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
"""


@pytest.fixture(autouse=True)
def _loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", load_once)


def test_passes_are_values_and_the_body_runs_between_them(world: World) -> None:
    db = tagdb.connect()
    given = []
    for each in db.watch(every=0.02):
        assert world.scalar(CONNECTIONS) == 1, "no connection waits for the body"
        given.append(each)
        if len(given) == 3:
            break
        world.put({100 + len(given): "another"})
    first, second, third = (each.synced for each in given)
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.new, second.new, third.new) == (len(QUESTIONS), 1, 1)
    assert first.embedded == len(set(QUESTIONS.values()))
    told = json.loads(json.dumps(tagdb.as_json(given[1])))
    assert told["synced"]["new"] == 1
    assert told["oldest_change_seconds"] > 0
    assert db.sync().new == 0, "nothing is held any more"
    lag = db.health().lag_seconds
    assert lag is not None
    assert db.health().too_late(lag + 60) is None


def test_event_ends_it_in_a_thread_beside(world: World) -> None:
    db, stop = tagdb.connect(), threading.Event()
    given: list[object] = []
    beside = threading.Thread(target=lambda: given.extend(db.watch(every=30, stop=stop)))
    beside.start()
    while db.status().due or not db.status().rows:
        threading.Event().wait(0.05)
    stop.set()
    beside.join(10)
    assert not beside.is_alive()
    assert len(given) == 1


@pytest.mark.parametrize(
    "start",
    [
        lambda db: db.watch(every=0),
        lambda db: db.watch(full_every=-1),
        lambda db: db.watch(metrics="here"),
        lambda db: db.watch(metrics="[::1:9187"),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_once(start: Callable[[tagdb.Collection], object]) -> None:
    with pytest.raises(tagdb.UsageError):
        start(tagdb.Collection("postgresql://nowhere/x"))
