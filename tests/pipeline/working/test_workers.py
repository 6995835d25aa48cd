"""Many processes at one sync, killed, stopped and cut off in the middle of it: each text ends with its one vector."""

from __future__ import annotations

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import ConnectionFailed, EmbedderUnavailable, Unavailable
from tagdb.models import Silent
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.syncing import joining, ranges
from tests.pipeline.working import stub
from tests.pipeline.working.conftest import (
    QUESTIONS,
    Start,
    assert_whole,
    finished,
    vectors,
    workers_at_work,
)
from tests.pipeline.world import World, wait_until

SYNC = ("sync", "--batch-size", "4", "--quiet")
END_JOINED = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'joined'
"""


def _joining(world: World) -> str:
    """Return the database's URL for a worker whose connections are told from others'."""
    return f"{world.database.dsn}&application_name=joined"


def _pids(world: World) -> set[int]:
    return {pid for (pid,) in world.rows("SELECT pid FROM tagdb.worker WHERE ended_at IS NULL")}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_of_a_sync_share_it(world: World, start: Start) -> None:
    out, err = finished(start(*SYNC[:-1], "--workers", "2", seconds=0.02))
    assert "texts: 120 due, 120 embedded" in out
    assert "warning" not in err
    assert_whole(world)
    rows = world.rows("SELECT texts, ended_at IS NOT NULL FROM tagdb.worker")
    assert len(rows) == 2
    assert all(texts > 20 and ended for texts, ended in rows)
    assert sum(texts for texts, _ in rows) == 120
    run = world.last_run()
    assert (run["status"], run["read"], run["written"], run["args"]["workers"]) == ("done", 120, 120, 2)


def test_joined_worker_does_its_share_and_ends_with_the_sync(world: World, start: Start) -> None:
    syncing = start(*SYNC[:-1], seconds=0.12)
    wait_until(lambda: vectors(world) > 0)
    out, _ = finished(start("work", "--json", "--quiet", seconds=0.02))
    said, _ = finished(syncing)
    worked = json.loads(out)
    assert worked["syncs"] == 1
    assert worked["embedded"] >= 8
    assert "texts: 120 due, 120 embedded" in said
    assert world.last_run()["written"] == 120
    assert_whole(world)


def test_worker_that_is_killed_loses_what_it_had_at_hand_to_another_one(world: World, start: Start) -> None:
    syncing = start(*SYNC, seconds=0.15)
    wait_until(lambda: vectors(world) > 0)
    worker = start("work", "--quiet", seconds=0.15)
    wait_until(lambda: workers_at_work(world) == 2)
    worker.kill()
    finished(syncing)
    assert_whole(world)
    assert world.scalar("SELECT count(*) FROM tagdb.failure") == 0
    assert world.last_run()["written"] == 120


def test_no_worker_outlives_a_coordinator_that_is_killed(world: World, start: Start) -> None:
    syncing = start(*SYNC, "--workers", "2", seconds=0.3)
    wait_until(lambda: workers_at_work(world) == 2)
    children = _pids(world)
    joined = start("work", "--quiet", seconds=0.3)
    wait_until(lambda: workers_at_work(world) == 3)
    syncing.kill()
    finished(joined, seconds=20)
    wait_until(lambda: not any(_is_alive(pid) for pid in children), seconds=20)
    before = vectors(world)
    assert before < 120
    assert world.sync().embedded.due == 120 - before
    assert_whole(world)


def test_worker_that_wakes_after_its_range_was_done_by_another_does_no_harm(world: World, start: Start) -> None:
    worker = start("work", "--wait", "--quiet", seconds=0.05, TAGDB_DATABASE_URL=_joining(world))
    syncing = start(*SYNC, seconds=0.05)
    wait_until(lambda: workers_at_work(world) == 2)
    worker.send_signal(signal.SIGSTOP)
    assert world.rows(END_JOINED)
    finished(syncing)
    assert_whole(world)
    worker.send_signal(signal.SIGCONT)
    world.put({500: "one more"})
    finished(start("sync", "--quiet"))
    assert_whole(world)
    worker.terminate()
    _, err = finished(worker, code=143)
    assert err.count("warning: the connection was ended") == 1


def test_text_that_kills_its_workers_is_found_and_all_others_are_done(world: World, start: Start) -> None:
    world.put({1000: f"{stub.POISON} m"})
    out, err = finished(start(*SYNC[:-1], "--workers", "2"), code=1)
    assert "1 failed" in out
    assert err.count("ended by SIGKILL; starting another one") <= 10
    assert world.failures() == {f"{stub.POISON} m": ranges.DEADLY}
    assert world.vectors().keys() == QUESTIONS.keys()
    run = world.last_run()
    assert (run["status"], run["written"], run["failed"]) == ("done", 120, 1)
    assert world.sync().embedded.due == 0


def test_text_that_kills_the_sync_itself_is_found_by_the_next_ones(world: World, start: Start) -> None:
    world.put({1000: f"{stub.POISON} m"})
    codes: list[int] = []
    while not codes or codes[-1] == -signal.SIGKILL:
        assert len(codes) < 12
        codes.append(start(*SYNC).wait(90))
        wait_until(lambda: not world.scalar("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
        world.run("UPDATE tagdb.due_range SET claimed_at = '-infinity'")
    assert codes[-1] == 1
    assert world.failures() == {f"{stub.POISON} m": ranges.DEADLY}
    assert world.vectors().keys() == QUESTIONS.keys()


def test_workers_that_cannot_begin_end_the_sync_with_the_reason(world: World, start: Start) -> None:
    _, err = finished(start(*SYNC, "--workers", "2", **{stub.BROKEN: "1"}), code=3)
    assert "error: no worker is left, the last one ended with exit code 3: the stub is broken" in err
    assert vectors(world) == 0
    assert world.last_run()["status"] == "failed"


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_ends_all_within_a_block(world: World, start: Start, signum: signal.Signals, code: int) -> None:
    syncing = start(*SYNC, "--workers", "2", seconds=0.1)
    wait_until(lambda: workers_at_work(world) == 2)
    children = _pids(world)
    syncing.send_signal(signum)
    finished(syncing, code=code, seconds=15)
    assert not any(_is_alive(pid) for pid in children)
    kept = vectors(world)
    assert kept % 4 == 0, "a range is stored whole or not at all"
    assert world.scalar("SELECT coalesce(sum(attempts), 0) FROM tagdb.due_range") == 0, "nobody is to blame"
    run = world.last_run()
    assert (run["status"], run["written"]) == ("stopped", kept)
    assert world.sync().embedded.due == 120 - kept
    assert_whole(world)


def test_limit_is_one_for_all_workers(world: World, start: Start) -> None:
    out, _ = finished(start(*SYNC[:-1], "--workers", "2", "--limit", "50", seconds=0.01))
    assert "texts: 50 due, 50 embedded" in out
    assert "70 still due" in out
    assert vectors(world) == 50


def test_second_sync_is_refused_while_workers_are_at_the_first(world: World, start: Start) -> None:
    syncing = start(*SYNC, "--workers", "1", seconds=0.3)
    wait_until(lambda: vectors(world) > 0)
    _, err = finished(start(*SYNC), code=5)
    assert "another tagdb is at work" in err
    syncing.terminate()
    finished(syncing, code=143)


def test_without_a_sync_there_is_nothing_to_join(world: World) -> None:
    with pytest.raises(Unavailable, match="no sync is running") as refused:
        joining.work(world.database, Silent())
    assert refused.value.exit_code == 3
    assert "tagdb work --wait" in (refused.value.hint or "")


def test_worker_without_the_embedder_says_what_to_bring(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with world.database.session() as session:
        here = registry.chosen(session)
    elsewhere = {**here.__dict__, "directory": "/nowhere/elmo"}
    with pytest.raises(EmbedderUnavailable, match=f"{here.name!r}, which the running sync embeds with") as refused:
        registry.load_here(registry.StoredEmbedder(**elsewhere))
    assert "bring the folder /nowhere/elmo here, or: tagdb embedder add NAME FOLDER" in (refused.value.hint or "")
    with pytest.raises(EmbedderUnavailable) as refused:
        registry.load_here(registry.StoredEmbedder(**{**elsewhere, "directory": "mine"}))
    assert "tagdb embedder add mine SOURCE" in (refused.value.hint or "")


def test_worker_whose_connections_are_ended_makes_them_anew(
    world: World, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(stub.SLOW, "0.05")
    syncing = start(*SYNC, seconds=0.05)
    wait_until(lambda: vectors(world) > 0)
    said: list[str] = []

    class Listening(Silent):
        def warn(self, message: str) -> None:
            said.append(message)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(joining.work, Database(_joining(world), origin="test"), Listening())
        wait_until(lambda: workers_at_work(world) == 2)
        for _ in range(2):
            assert world.rows(END_JOINED)
            before = vectors(world)
            wait_until(lambda: vectors(world) > before + 12)  # noqa: B023
        worked = working.result(60)
    finished(syncing)
    assert worked.embedded.texts > 8
    assert len(said) == 1
    assert said[0].endswith("making it anew")
    assert_whole(world)


def test_sync_that_loses_the_connection_with_its_lock_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stub.SLOW, "0.02")
    ended = threading.Event()

    def end() -> None:
        wait_until(lambda: vectors(world) > 8)
        world.rows("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 0")
        ended.set()

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(end)
        with pytest.raises(ConnectionFailed, match="the connection was ended"):
            world.sync(block_size=4)
        ending.result()
    assert vectors(world) < 120
    monkeypatch.delenv(stub.SLOW)
    world.sync()
    assert_whole(world)


def test_one_connection_does_it_all_in_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: Database) -> None:
        raise ConnectionFailed("too many connections")

    session = Database.session
    opened: list[int] = []

    def only_one(self: Database) -> object:
        if opened:
            none(self)
        opened.append(1)
        return session(self)

    monkeypatch.setattr(Database, "session", only_one)
    assert world.sync(block_size=7).embedded.texts == 120
    monkeypatch.setattr(Database, "session", session)
    assert_whole(world)


def test_password_is_in_no_list_of_processes(world: World, start: Start) -> None:
    syncing = start(*SYNC, "--workers", "1", seconds=0.3)
    wait_until(lambda: vectors(world) > 0)
    (child,) = _pids(world)
    arguments = Path(f"/proc/{child}/cmdline")
    if arguments.exists():
        typed = arguments.read_text().split("\0")
        assert "work" in typed
        assert not any("postgresql://" in each or "host=" in each for each in typed)
    syncing.terminate()
    finished(syncing, code=143)
