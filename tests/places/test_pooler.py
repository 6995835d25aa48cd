"""PgBouncer before the server: its session mode carries the whole loop, every command refuses its other modes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest

from tagdb.db import pooler as room
from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.errors import Unavailable
from tagdb.pipeline.running.locking import exclusive
from tests.cli.running import done, tagdb
from tests.places.conftest import needs_pgbouncer
from tests.places.dba import DbaServer, pooler
from tests.places.loop import LABELLED, QUESTIONS, whole_loop

pytestmark = needs_pgbouncer

EVERY_COMMAND = {
    "db migrate": (),
    "import": ("-",),
    "sync": (),
    "sync --dry-run": (),
    "train": ("--query", LABELLED),
    "predict": (),
    "nearest": ("java",),
    "status": (),
    "export predictions": ("-",),
    "models list": (),
    "models show": ("1",),
    "models activate": ("1",),
    "models delete": ("1", "--yes"),
    "index build": (),
    "index drop": (),
    "index status": (),
    "capture on": (),
    "capture status": (),
    "capture off": (),
    "embedder list": (),
    "embedder use": ("starter",),
    "embedder train": ("--output", "nowhere", "--query", "SELECT 'a' AS text"),
    "demo": (),
}


@contextmanager
def _busy(url: str, clients: int = 4) -> Iterator[None]:
    """Let other clients run short transactions all the time."""
    ended = threading.Event()

    def work() -> None:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not ended.is_set():
                cursor.execute("SELECT pg_sleep(random() * 0.004)")
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.2)
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _locks(dba: DbaServer, database: str) -> int:
    ((locks,),) = dba.admin(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
        f"AND database = (SELECT oid FROM pg_database WHERE datname = '{database}')"
    )
    return int(locks)


def _refuses(url: str) -> bool:
    try:
        with Database(url, origin="test").session():
            return False
    except Unavailable as error:
        return str(error) == "this is a pooler in transaction mode"


@pytest.mark.parametrize("settings", [{}, {"default_pool_size": "1"}, {"server_reset_query": ""}], ids=str)
def test_session_mode_carries_the_whole_loop(
    dba: DbaServer, owner: str, shop: str, places: Path, tiny_embedder: Path, settings: dict[str, str]
) -> None:
    with pooler(dba, places / f"pgbouncer-{shop}", "session", **settings) as port:
        whole_loop(dba.url(owner, shop, port=port), tiny_embedder)
        assert _locks(dba, shop) == 0
        assert not _left_behind(dba.url(owner, shop, port=port))
    assert dba.admin("SELECT status FROM tagdb.run WHERE status <> 'done'", shop) == []


def _left_behind(url: str) -> list[tuple[object, ...]]:
    """Return what the next client finds in its session that it did not make."""
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind IN ('r', 'v') UNION ALL "
            "SELECT name FROM pg_settings WHERE setting <> reset_val AND name IN ('row_security', 'search_path')"
        )
        found = cursor.fetchall()
    connection.close()
    return found


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_every_command_refuses_another_mode(
    dba: DbaServer, owner: str, shop: str, tmp_path: Path, places: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done("db", "migrate", TAGDB_DATABASE_URL=dba.url(owner, shop))
    with pooler(dba, places / f"pgbouncer-{shop}", mode) as port:
        url = dba.url(owner, shop, port=port)
        for words, arguments in EVERY_COMMAND.items():
            refused = tagdb(*words.split(), *arguments, typed=QUESTIONS, TAGDB_DATABASE_URL=url)
            assert refused.exit_code == 3, (words, refused.output)
            assert "error: this is a pooler in transaction mode\n next: use its session mode" in refused.stderr, words
        assert refused.stdout == ""
        if mode == "transaction":
            assert not _left_behind(url)
    assert _locks(dba, shop) == 0


@pytest.mark.parametrize("settings", [{}, {"default_pool_size": "1"}, {"server_round_robin": "1"}], ids=str)
@pytest.mark.parametrize("clients", [0, 1, 6])
def test_transaction_mode_is_noticed_under_the_load_of_others(
    dba: DbaServer, owner: str, shop: str, places: Path, settings: dict[str, str], clients: int
) -> None:
    with pooler(dba, places / f"pgbouncer-{shop}", "transaction", **settings) as port:
        url = dba.url(owner, shop, port=port)
        with _busy(url, clients):
            assert all(_refuses(url) for _ in range(8))


@pytest.mark.parametrize(("size", "clients"), [("20", 6), ("7", 6), ("1", 0)])
def test_session_mode_is_never_refused_under_the_load_of_others(
    dba: DbaServer, owner: str, shop: str, places: Path, size: str, clients: int
) -> None:
    with pooler(dba, places / f"pgbouncer-{shop}", "session", default_pool_size=size) as port:
        url = dba.url(owner, shop, port=port)
        with _busy(url, clients):
            assert not any(_refuses(url) for _ in range(8))


def test_pool_without_room_is_waited_for_and_named(dba: DbaServer, owner: str, shop: str, places: Path) -> None:
    settings = {"default_pool_size": "1", "query_wait_timeout": "2"}
    with pooler(dba, places / f"pgbouncer-{shop}", "session", **settings) as port:
        url = dba.url(owner, shop, port=port)
        with _busy(url, 1):
            full = tagdb("db", "migrate", TAGDB_DATABASE_URL=url)
    assert full.exit_code == 3
    assert "error: the connection was closed without an answer" in full.stderr
    assert "next: a pooler whose server connections are all taken does so" in full.stderr


def test_what_a_killed_client_left_in_a_session_does_not_disturb(
    dba: DbaServer, owner: str, shop: str, places: Path
) -> None:
    settings = {"server_reset_query": "", "default_pool_size": "1"}
    with pooler(dba, places / f"pgbouncer-{shop}", "session", **settings) as port:
        url = dba.url(owner, shop, port=port)
        schema.migrate(Database(dba.url(owner, shop), origin="test"))
        connection = psycopg2.connect(url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE band_now (a int); CREATE TEMP TABLE change (a int)")
            cursor.execute("SELECT pg_advisory_lock(1952540530)")
        connection.close()
        assert _locks(dba, shop) == 1
        database = Database(url, origin="test")
        database._behind_pooler = True  # a look would take other sessions
        with database.session() as session:
            assert session.rows_of("SELECT to_regclass('pg_temp.band_now')", {})[0][0] is None
            assert _locks(dba, shop) == 0
            with exclusive(session):
                assert _locks(dba, shop) == 1
        assert _locks(dba, shop) == 0
        assert not _left_behind(url)


def test_server_itself_is_asked_nothing_more(
    dba: DbaServer, owner: str, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "mixes_sessions", lambda _: pytest.fail("it looked for a pooler"))
    with Database(dba.url(owner, shop), origin="test").session() as session, suppress(psycopg2.Error):
        assert session.rows_of("SHOW row_security", {})[0][0] == "off"
