"""One process at a time: a second is told who is at work, and a dead one leaves no lock behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import TagdbError
from tagdb.models import Silent
from tagdb.pipeline import embedders, indexing
from tagdb.pipeline.locking import exclusive
from tagdb.pipeline.predict import predict
from tests.pipeline.world import World, load_once, wait_until

HOLD = """
import sys, time
from tagdb.db.connection import Database
from tagdb.pipeline.locking import exclusive
with Database(sys.argv[1], origin="test").session() as session, exclusive(session):
    print(session.rows_of("SELECT pg_backend_pid()", {})[0][0], flush=True)
    time.sleep(600)
"""


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(embedders, "load", load_once)
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
            lambda: embedders.choose(world.database, "starter"),
            lambda: indexing.build(world.database, Silent()),
        ):
            with pytest.raises(
                TagdbError, match=rf"another tagdb is at work .*server process {pid}, since \d\d:"
            ) as refused:
                work()
            assert refused.value.hint is not None
    assert world.versions() == before
    assert world.scalar("SELECT count(*) FROM tagdb.run") == 0
    assert world.sync().embedded.texts == 1


def test_lock_is_given_back_after_an_error(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.database.session() as session, exclusive(session):
        raise ZeroDivisionError
    with world.database.session() as one, exclusive(one):
        pass


def test_another_database_of_the_server_is_not_locked(world: World, empty_database: Database) -> None:
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
