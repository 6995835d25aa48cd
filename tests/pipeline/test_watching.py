"""`watch` in a thread of the test: what changes is synced, what is in the way is waited for, and nothing piles up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tagdb.errors import EmbedderUnavailable, SchemaMismatch, TagdbError, Unavailable
from tagdb.models import Silent
from tagdb.pipeline import watching
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.vitals import Vitals
from tagdb.pipeline.sync import Choice
from tagdb.pipeline.watching import Pass, Settings
from tests.elmo.weights import write_random_elmo
from tests.pipeline.stored import Listener
from tests.pipeline.world import SPLIT_QUERY, World, assert_nothing_due, load_once, wait_until

QUICK = Settings(every=0.02)
ENDED_SESSIONS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class Heard(Listener):
    """A reporter that keeps warnings too."""

    def warn(self, message: str) -> None:
        """Keep a line."""
        self.said.append(message)


class Watching:
    """A watch in a thread, with the passes that it has given."""

    def __init__(self, world: World, settings: Settings = QUICK) -> None:
        self.passes: list[Pass] = []
        self.vitals, self.heard = Vitals(), Heard()
        self.ended_by: TagdbError | None = None
        self._stop = threading.Event()
        self._passes = watching.watch(world.database, settings, self.heard, self.vitals, self._stop)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def faults(self) -> list[str]:
        """What passes failed of."""
        return [str(each.fault) for each in self.passes if each.fault]

    def stop(self) -> None:
        """Stop it, and see that it does."""
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.passes.extend(self._passes)
        except TagdbError as error:
            self.ended_by = error


@contextmanager
def watched(world: World, settings: Settings = QUICK) -> Iterator[Watching]:
    """Watch while the test goes on, and see that it went well to the end."""
    watch = Watching(world, settings)
    try:
        yield watch
    finally:
        watch.stop()
    assert watch.ended_by is None


@pytest.fixture
def labelled(synced: World) -> World:
    """Ten questions with labels."""
    train(synced.database, SPLIT_QUERY, TrainSettings(), Silent())
    synced.sync()
    return synced


def _labels(world: World) -> set[int]:
    return {number for (number,) in world.rows("SELECT question_id FROM tagdb.labels")}


def test_what_changes_is_labelled_one_pass_after_the_other(labelled: World) -> None:
    with watched(labelled) as watch:
        labelled.put({70: "t3 shared", 71: "t4 new"})
        wait_until(lambda: _labels(labelled) >= {70, 71})
        labelled.remove(70, 3)
        wait_until(lambda: not _labels(labelled) & {70, 3})
        labelled.put({71: "t9"})
        wait_until(lambda: labelled.texts()[71] == "t9")
    results = [each.result for each in watch.passes]
    assert all(result is not None for result in results)
    assert sum(result.changes.new for result in results if result) == 2
    assert sum(result.changes.gone for result in results if result) == 2
    assert all(0 < each.seconds < 60 and each.fault is None for each in watch.passes)
    assert all(each.oldest_change is not None and each.oldest_change >= each.seconds for each in watch.passes[1:])
    assert_nothing_due(labelled)
    told = watch.vitals.snapshot()
    assert (told.passes, told.failures, told.fault) == (len(watch.passes), 0, None)
    assert (told.counts["new"], told.counts["gone"]) == (2, 2)


def test_what_was_due_before_is_done_first(labelled: World) -> None:
    labelled.put({70: "t3 early"})
    with watched(labelled) as watch:
        wait_until(lambda: 70 in _labels(labelled))
    assert watch.passes[0].oldest_change is None


def test_passes_that_find_nothing_leave_no_record_and_the_database_knows(labelled: World) -> None:
    labelled.run("CREATE VIEW mine AS SELECT id AS question_id, 'a text' AS text FROM questions")
    labelled.sync(Choice(sql="SELECT * FROM mine"))
    before = labelled.rows("SELECT id, finished_at FROM tagdb.run")
    current_at = labelled.scalar("SELECT current_at FROM tagdb.health")
    with watched(labelled, Settings(every=0.02, full_every=0.05)) as watch:
        for _ in range(3):
            now = labelled.scalar("SELECT current_at FROM tagdb.health")
            wait_until(lambda at=now: labelled.scalar("SELECT current_at FROM tagdb.health") > at)  # type: ignore[misc]
    assert not watch.passes
    assert labelled.rows("SELECT id, finished_at FROM tagdb.run WHERE status <> 'running'") == before
    assert labelled.scalar("SELECT current_at FROM tagdb.health") > current_at


def test_each_pass_that_did_something_has_one_record(labelled: World) -> None:
    before = labelled.scalar("SELECT count(*) FROM tagdb.run")
    with watched(labelled) as watch:
        for number in range(70, 75):
            labelled.put({number: f"t{number}"})
            wait_until(lambda n=number: n in _labels(labelled))  # type: ignore[misc]
        for _ in range(30):
            labelled.run("CREATE TABLE x (); DROP TABLE x")
    assert labelled.scalar("SELECT count(*) FROM tagdb.run") <= before + len(watch.passes) + 1
    assert {row[0] for row in labelled.rows("SELECT status FROM tagdb.run")} == {"done"}


def test_broken_source_is_said_once_and_mended_while_it_runs(labelled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LONGEST_PAUSE", 0.1)
    labelled.sync(Choice(sql="SELECT id AS question_id, title AS text FROM questions WHERE 1 / (id - 70) IS NOT NULL"))
    before = labelled.scalar("SELECT count(*) FROM tagdb.run")
    with watched(labelled) as watch:
        labelled.put({70: "t3"}, title="breaks it")
        wait_until(lambda: watch.vitals.snapshot().failures > 5)
        assert len(watch.faults) == 1
        assert "division by zero" in watch.faults[0]
        assert watch.vitals.unwell(1e9) == watch.faults[0]
        labelled.remove(70)
        wait_until(lambda: watch.vitals.unwell(1e9) is None)
        labelled.put({71: "t3"}, title="a title")
        wait_until(lambda: 71 in _labels(labelled))
    assert "passes succeed again" in watch.heard.said
    failed = labelled.scalar("SELECT count(*) FROM tagdb.run WHERE status = 'failed'")
    assert failed <= 2, "the first and the last"
    assert labelled.scalar("SELECT count(*) FROM tagdb.run") <= before + failed + len(watch.passes)


def test_labels_that_cannot_be_renewed_are_a_failure_until_they_can(
    labelled: World, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LONGEST_PAUSE", 0.1)
    other = str(write_random_elmo(short_folder / "other", projection_dim=8, dim=8, seed=9))
    with watched(labelled) as watch:
        with_lock(labelled, lambda: registry.choose(labelled.database, other))
        wait_until(lambda: len(watch.faults) == 1)
        assert "trained on vectors" in watch.faults[0] or "no longer" in watch.faults[0]
        assert labelled.scalar("SELECT lag_seconds > 0 FROM tagdb.health")
        wait_until(lambda: watch.vitals.snapshot().failures > 5)
        with_lock(labelled, lambda: train(labelled.database, SPLIT_QUERY, TrainSettings(), Silent()))
        wait_until(lambda: watch.vitals.unwell(1e9) is None)
    assert len(watch.faults) == 1
    assert_nothing_due(labelled)


def with_lock(world: World, act: Callable[[], object]) -> None:
    """Try again while the watch is at work."""

    def done() -> bool:
        try:
            act()
        except TagdbError as error:
            if "another tagdb" not in str(error):
                raise
            return False
        return True

    wait_until(done)


def test_another_tagdb_at_work_is_waited_for_and_said_once(labelled: World) -> None:
    with labelled.database.session() as session, exclusive(session), watched(labelled) as watch:
        labelled.put({70: "t3"})
        wait_until(lambda: bool(watch.heard.said))
        threading.Event().wait(0.5)
        assert 70 not in _labels(labelled)
        session.release_lock()
        wait_until(lambda: 70 in _labels(labelled))
        assert watch.vitals.snapshot().failures == 0
    (said,) = (each for each in watch.heard.said if "another tagdb" in each)
    assert said.endswith("; waiting for it to end")
    assert not watch.faults


def test_ended_sessions_are_made_anew_and_said_once_each_way(labelled: World) -> None:
    with watched(labelled) as watch:
        wait_until(lambda: watch.vitals.snapshot().reachable)
        threading.Event().wait(0.3)
        wait_until(lambda: labelled.scalar(ENDED_SESSIONS) > 0)
        wait_until(lambda: "the server is back" in watch.heard.said)
        labelled.put({70: "t3"})
        wait_until(lambda: 70 in _labels(labelled))
    lost = [each for each in watch.heard.said if "waiting for it to come back" in each]
    assert len(lost) == watch.heard.said.count("the server is back") == 1


def test_embedder_is_loaded_once_and_anew_when_it_is_another_one(
    labelled: World, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def load(stored: StoredEmbedder) -> object:
        loaded.append(stored.fingerprint)
        return load_once(stored)

    monkeypatch.setattr(registry, "load", load)
    with watched(labelled) as watch:
        for number in range(70, 73):
            labelled.put({number: f"t{number} alone"})
            wait_until(lambda n=number: n in _labels(labelled))  # type: ignore[misc]
        assert len(loaded) == 1
        other = write_random_elmo(short_folder / "anew", projection_dim=8, dim=8, seed=11)
        with_lock(labelled, lambda: registry.choose(labelled.database, str(other)))
        wait_until(lambda: labelled.scalar("SELECT embedder = 'anew' FROM tagdb.status"))
    assert len(set(loaded)) == len(loaded) == 2
    assert watch.heard.said.count("loading embedder 'anew'") == 1


def test_schema_of_another_version_ends_it(labelled: World) -> None:
    watch = Watching(labelled)
    labelled.put({71: "t3"})
    wait_until(lambda: 71 in _labels(labelled))
    threading.Event().wait(1)
    labelled.run("UPDATE tagdb.alembic_version SET version_num = '9999'")
    labelled.put({70: "t3"})
    wait_until(lambda: watch.ended_by is not None)
    watch.stop()
    assert isinstance(watch.ended_by, SchemaMismatch)
    assert 70 not in _labels(labelled)


def test_role_that_only_reads_cannot_begin(labelled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    watch = Watching(labelled)
    wait_until(lambda: watch.ended_by is not None)
    monkeypatch.delenv("PGOPTIONS")
    watch.stop()
    assert isinstance(watch.ended_by, Unavailable)


def test_many_passes_take_no_more_memory_and_no_more_connections(labelled: World) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    with watched(labelled) as watch:
        for number in range(40):
            labelled.put({number % 10: f"t{number} u{number % 7}"})
            wait_until(lambda n=number: labelled.texts()[n % 10] == f"t{n} u{n % 7}")  # type: ignore[misc]
            if number == 20:
                before = resident()
        grown = resident() - before
        sessions = """
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
        """
        wait_until(lambda: labelled.scalar(sessions) <= 2)
    assert len(watch.passes) >= 40
    assert grown < 20e6, f"{grown / 1e6:.1f} MB"


def test_right_or_embedder_that_the_first_pass_lacks_ends_it_but_not_a_later_one(
    labelled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(stored: StoredEmbedder) -> object:
        raise EmbedderUnavailable(f"the files of {stored.name} are gone")

    monkeypatch.setattr(watching, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(registry, "load", unavailable)
    labelled.put({70: "t3 early"})
    watch = Watching(labelled)
    wait_until(lambda: watch.ended_by is not None)
    watch.stop()
    assert isinstance(watch.ended_by, EmbedderUnavailable)
    monkeypatch.setattr(registry, "load", load_once)
    with watched(labelled) as watch:
        wait_until(lambda: 70 in _labels(labelled))
        wait_until(lambda: len(watch.passes) == 1)
        monkeypatch.setattr(watching._KeptModel, "load", lambda _, stored: unavailable(stored))
        labelled.put({71: "t3 later"})
        wait_until(lambda: watch.vitals.snapshot().failures > 2)
        monkeypatch.undo()
        wait_until(lambda: 71 in _labels(labelled))
    assert watch.faults == ["the files of tiny are gone"]
