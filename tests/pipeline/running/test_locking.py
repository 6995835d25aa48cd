"""One process at a time: a second is told who is at work, and a dead one leaves no lock behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.errors import Busy, TagdbError
from tagdb.models import Patience, Silent
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning.predict import predict
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.syncing import indexing
from tests.pipeline.world import World, load_once, wait_until

HOLD = """
import sys, time
from tagdb.db.connection import Database
from tagdb.pipeline.running.locking import exclusive
with Database(sys.argv[1], origin="test").session() as session, exclusive(session):
    print(session.rows_of("SELECT pg_backend_pid()", {})[0][0], flush=True)
    time.sleep(600)
"""


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    made.put({1: "a"})
    return made


def test_second_worker_is_refused_and_told_who_is_at_work(world: World) -> None:
    before = world.versions()
    with world.database.session() as session, exclusive(session):
        ((pid,),) = session.rows_of("SELECT pg_backend_pid()", {})
        for work in (
            world.sync,
            world.plan,
            lambda: predict(world.database, Silent()),
            lambda: registry.choose(world.database, "starter"),
            lambda: indexing.build(world.database, Silent()),
        ):
            with pytest.raises(
                Busy, match=rf"at work .*server process {pid}, since \d\d:\d\d:\d\d, tagdb [\d.]+, (idle for|active)"
            ) as refused:
                work()
            assert f"pg_terminate_backend({pid})" in (refused.value.hint or "")
    assert world.versions() == before
    assert world.scalar("SELECT count(*) FROM tagdb.run") == 0
    assert world.sync().embedded.texts == 1


def test_lock_is_given_back_after_an_error(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.database.session() as session, exclusive(session):
        raise ZeroDivisionError
    with world.database.session() as one, exclusive(one):
        pass


def test_another_database_of_the_server_is_not_locked(world: World, empty_database: Database) -> None:
    schema.migrate(empty_database)
    with empty_database.session() as session, exclusive(session):
        assert world.sync().embedded.texts == 1


def test_lock_vanishes_with_a_killed_process(world: World) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, world.database.dsn], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert holder.stdout is not None
    with holder:
        pid = int(holder.stdout.readline())
        with pytest.raises(TagdbError, match=f"server process {pid}"):
            world.sync()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    wait_until(lambda: not world.scalar("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid", pid=pid))
    assert world.sync().embedded.texts == 1


def _patient(world: World, seconds: float, said: list[str]) -> Database:
    return Database(world.database.dsn, origin="test", patience=Patience(seconds, said.append))


def test_patience_outlasts_the_other_one_and_says_whom_it_waits_for(world: World) -> None:
    said, taken, free = list[str](), threading.Event(), threading.Event()

    def hold() -> None:
        with world.database.session() as session, exclusive(session):
            taken.set()
            free.wait(60)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert taken.wait(60)

        def say(message: str) -> None:
            said.append(message)
            free.set()

        database = Database(world.database.dsn, origin="test", patience=Patience(60, say))
        assert predict_or_refuse(database) == "there is no classifier yet"
        holding.result()
    (told,) = said
    assert re.match(r"waiting for another tagdb \(server process \d+, since ", told)


def test_patience_comes_to_an_end(world: World) -> None:
    said = list[str]()
    with world.database.session() as session, exclusive(session):
        started = time.monotonic()
        with pytest.raises(Busy):
            predict(_patient(world, 0.5, said), Silent())
    assert 0.5 <= time.monotonic() - started < 30
    assert len(said) == 1, "it says so once, not at every try"


def test_waiting_lets_a_signal_through(world: World) -> None:
    def interrupt(_: str) -> None:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    database = Database(world.database.dsn, origin="test", patience=Patience(600, interrupt))
    with world.database.session() as session, exclusive(session), pytest.raises(KeyboardInterrupt):
        predict(database, Silent())
    assert world.sync().embedded.texts == 1


def test_holder_that_this_role_may_not_see_into_is_named_all_the_same(
    world: World, execute: Callable[[str], None]
) -> None:
    execute("CREATE ROLE stranger LOGIN")
    try:
        stranger = Database(world.database.dsn.replace("postgres@", "stranger@"), origin="test")
        named = pytest.raises(Busy, match=r"at work on this database \(server process \d+, tagdb [\d.]+\)")
        with world.database.session() as session, exclusive(session), stranger.session() as other, named:
            exclusive(other).__enter__()
    finally:
        execute("DROP ROLE stranger")


def predict_or_refuse(database: Database) -> str:
    """Return why nothing can be predicted, once the lock was there."""
    with pytest.raises(TagdbError) as refused:
        predict(database, Silent())
    return str(refused.value)
