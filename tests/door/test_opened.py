"""Collections are opened at once or when first needed, closed for good, and used by threads and after forks."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tagdb
from tagdb.db.connection import Database
from tagdb.db.embedded import EmbeddedServer
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.running.locking import exclusive
from tests.door.conftest import QUESTIONS
from tests.door.test_watch import CONNECTIONS
from tests.pipeline.world import World, load_once

PASSWORD = "s3cr3t-pa55"

EMBEDDING_AFTER_A_FORK = """
import os, sys, tagdb
db = tagdb.connect()
embed_first = sys.argv[1] == "parent"
if embed_first:
    db.nearest("no such tag")
if (child := os.fork()) == 0:
    print(len(db.nearest("java", 3)), flush=True)
    print(len(db.nearest("no such tag", 3)), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""

FORKED_WHILE_A_THREAD_OPENS = """
import os, signal, tagdb
db = tagdb.Collection()
with db._lock:
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(len(db.nearest('java', 3)))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

FORKED_CHILD_ENDS = """
import os, sys, tagdb
db = tagdb.connect()
if os.fork() == 0:
    sys.exit()  # as a worker of gunicorn ends: what is registered for the end of a process is run
os.wait()
print(db.status().rows)
"""


def test_connect_fails_where_the_database_cannot_be_worked_on(empty_database: Database) -> None:
    with pytest.raises(tagdb.SchemaMismatch) as bare:
        tagdb.connect(empty_database.dsn)
    assert bare.value.hint == "tagdb db migrate"
    with pytest.raises(tagdb.ConnectionFailed):
        tagdb.connect(f"postgresql://me:{PASSWORD}@127.0.0.1:9/db")
    with pytest.raises(tagdb.UsageError):
        tagdb.connect(empty_database.dsn, "pg_catalog")


def test_collection_that_is_only_named_can_be_made(empty_database: Database) -> None:
    db = tagdb.Collection(empty_database.dsn)
    assert [each.check for each in db.doctor().problems] == ["extension", "schema"]
    assert (db.migrate(), db.migrate()) == (True, False)
    assert db.status().source is None
    with tagdb.connect(empty_database.dsn, "tagdb") as same:
        assert same.schema == "tagdb"


def test_closed_is_closed(world: World) -> None:
    with tagdb.connect() as db:
        assert db.status().rows == 0
    for method in (db.status, db.migrate, db.open):
        with pytest.raises(tagdb.UsageError, match="this collection is closed"):
            method()
    db.close()


def test_no_password_is_shown_and_no_collection_travels(world: World) -> None:
    db = tagdb.connect(world.database.dsn.replace("postgres@", f"postgres:{PASSWORD}@"))
    unopened = tagdb.Collection(f"postgresql://me:{PASSWORD}@somewhere/db")
    for each in (db, unopened):
        assert PASSWORD not in repr(each)
        with pytest.raises(TypeError, match="stays in its process"):
            pickle.dumps(each)
    assert "'tagdb'" in repr(db)


def test_no_connection_stays_between_calls(world: World) -> None:
    db = tagdb.connect()
    db.sync()
    db.nearest("java")
    assert world.scalar(CONNECTIONS) == 1


def test_threads_share_one_and_have_one_each(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    def load(stored: registry.StoredEmbedder, *, for_few: bool = False) -> object:
        loaded.append((stored.name, for_few))
        return load_once(stored)

    monkeypatch.setattr(registry, "load", load)
    with tagdb.connect(wait=60) as shared, ThreadPoolExecutor(6) as threads:
        syncs = [threads.submit(tagdb.connect(wait=60).sync, batch_size=7) for _ in range(2)]
        syncs += [threads.submit(shared.sync) for _ in range(2)]
        assert sum(each.result().embedded for each in syncs) == len(set(QUESTIONS.values()))
        loaded.clear()
        alone = shared.nearest("text of nobody", questions=True)
        near = [threads.submit(shared.nearest, "text of nobody", questions=True) for _ in range(20)]
        assert all(each.result() == alone for each in near)
        assert [for_few for _, for_few in loaded] == [True]


def test_busy_at_once_or_after_patience(world: World) -> None:
    with world.database.session() as session, exclusive(session):
        for wait in (0.0, 0.2):
            with pytest.raises(tagdb.Busy):
                tagdb.connect(wait=wait).sync()


def test_embedder_is_loaded_again_when_another_one_is_in_use(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tests.elmo.weights import write_random_elmo

    db = tagdb.connect()
    db.sync()
    db.nearest("text of nobody")
    db.use_embedder(write_random_elmo(tmp_path / "other", seed=5))
    db.sync()
    assert len(db.nearest("text of nobody", 3)) == 3


@pytest.mark.parametrize("first", ["child", "parent"])
def test_collection_of_before_a_fork_works_after_it(world: World, first: str) -> None:
    tagdb.connect().sync()
    command = [sys.executable, "-c", EMBEDDING_AFTER_A_FORK, first]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=os.environ)
    assert ran.stdout.splitlines() == ["3", "3"]


def test_own_server_is_let_go_by_close_and_by_no_fork(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = short_folder / "door"
    monkeypatch.delenv("TAGDB_DATABASE_URL", raising=False)
    monkeypatch.setenv("TAGDB_HOME", str(home))
    server = EmbeddedServer(home)
    try:
        with tagdb.connect() as db:
            assert db.status().rows == 0
            with tagdb.connect() as other:
                assert other.status().rows == 0
            assert _runs(server)
        assert not _runs(server)
        ran = subprocess.run(
            [sys.executable, "-c", FORKED_CHILD_ENDS], capture_output=True, text=True, check=False, timeout=120
        )
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "0\n", "")
        assert not _runs(server)
    finally:
        server.stop(force=True)


def _runs(server: EmbeddedServer) -> bool:
    return server.running


def test_fork_while_another_thread_opens_leaves_no_lock_behind(world: World) -> None:
    tagdb.connect().sync()
    ran = subprocess.run(
        [sys.executable, "-c", FORKED_WHILE_A_THREAD_OPENS], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == "3\n"


def test_no_worker_and_no_thread_are_refused_at_once() -> None:
    with pytest.raises(tagdb.UsageError, match="0 workers embed nothing"):
        tagdb.Collection().sync(workers=0)
    with pytest.raises(tagdb.UsageError, match="0 threads compute nothing"):
        tagdb.Collection().work(threads=0)
