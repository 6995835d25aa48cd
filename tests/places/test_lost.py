"""Connections that end on the way, and limits that keep them few: what happened is said, and what was done is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.errors import ConnectionFailed
from tests.cli.running import done, tagdb
from tests.pipeline.running.test_stopping import SLOW_SYNC
from tests.pipeline.world import wait_until
from tests.places.dba import DbaServer, running
from tests.places.loop import QUESTIONS, whole_loop


@pytest.fixture
def own(places: Path) -> Iterator[DbaServer]:
    """A server that a test may restart."""
    with running(DbaServer(places / "restarted")) as server:
        yield server


def _stored(server: DbaServer, database: str) -> int:
    ((vectors,),) = server.admin("SELECT count(*) FROM tagdb.text_vector", database)
    return int(vectors)


def test_sync_whose_server_is_restarted_says_so_and_the_next_one_goes_on(own: DbaServer, tiny_embedder: Path) -> None:
    with own.role("me"), own.database("mine", "OWNER me"):
        own.admin("CREATE EXTENSION vector", "mine")
        url = {"TAGDB_DATABASE_URL": own.url("me", "mine")}
        done("db", "migrate", **url)
        done("import", "-", typed=QUESTIONS, **url)
        done("embedder", "use", str(tiny_embedder), **url)
        command = [sys.executable, "-c", SLOW_SYNC.replace('"--quiet"', '"--text", "tags"')]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **url})
        wait_until(lambda: _stored(own, "mine") > 0)
        own.restart()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 3, err
        assert "error: the connection was ended: " in err
        assert err.endswith(" next: run the same command again: what was done is kept\n")
        assert "Traceback" not in err
        kept = _stored(own, "mine")
        assert 0 < kept < 60
        assert f"{60 - kept} embedded" in done("sync", **url).stdout


@pytest.mark.parametrize("setting", ["idle_session_timeout", "idle_in_transaction_session_timeout"])
def test_timeout_that_ends_a_session_is_named(dba: DbaServer, owner: str, shop: str, setting: str) -> None:
    database = Database(dba.url(owner, shop, options=f"-c {setting}=200ms"), origin="test")

    def work() -> None:
        with database.session() as session:
            if "transaction" in setting:
                session.run_script("BEGIN")
            ((pid,),) = session.rows_of("SELECT pg_backend_pid()", {})
            wait_until(lambda: not dba.admin(f"SELECT pid FROM pg_stat_activity WHERE pid = {pid}"))
            session.run_script("SELECT 1")

    with pytest.raises(ConnectionFailed, match=r"the connection was ended: .*timeout") as ended:
        work()
    assert ended.value.hint == "run the same command again: what was done is kept"


def test_lock_that_is_given_up_soon_leaves_no_limit_behind(dba: DbaServer, owner: str, shop: str) -> None:
    dba.admin(f"ALTER ROLE {owner} SET lock_timeout = '50ms'")
    database = Database(dba.url(owner, shop), origin="test")
    schema.migrate(database)
    with database.session() as session, session.transaction():
        session.execute("sync.lock_questions")
        assert session.rows_of("SHOW lock_timeout", {})[0][0] == "0"


@pytest.mark.parametrize("of", ["ROLE {owner}", "DATABASE {shop}"])
def test_one_connection_is_enough(dba: DbaServer, owner: str, shop: str, of: str, tiny_embedder: Path) -> None:
    dba.admin(f"ALTER {of.format(owner=owner, shop=shop)} CONNECTION LIMIT 1")
    whole_loop(dba.url(owner, shop), tiny_embedder)
    with Database(dba.url(owner, shop), origin="test").session():
        full = tagdb("status", TAGDB_DATABASE_URL=dba.url(owner, shop))
    assert full.exit_code == 3
    assert "error: no connection to PostgreSQL: " in full.stderr
    assert "too many connections for " in full.stderr
    assert " next: end some, or have the DBA raise the limit; one is enough\n" in full.stderr


def test_little_memory_and_disk_make_no_wrong_result(
    dba: DbaServer, owner: str, shop: str, tiny_embedder: Path
) -> None:
    dba.admin(f"ALTER ROLE {owner} SET work_mem = '64kB';\nALTER ROLE {owner} SET temp_buffers = '800kB'")
    url = {"TAGDB_DATABASE_URL": dba.url(owner, shop)}
    whole_loop(url["TAGDB_DATABASE_URL"], tiny_embedder)
    dba.admin("INSERT INTO questions SELECT i, repeat('x', 200) FROM generate_series(1000, 9000) i", shop)
    dba.admin("INSERT INTO tags SELECT i, 1, 'tag' || i FROM generate_series(1000, 9000) i", shop)
    dba.admin(f"ALTER ROLE {owner} SET temp_file_limit = '64kB'")
    full = tagdb("sync", **url)
    assert full.exit_code == 1
    assert "error: a limit of the server's is reached: temporary file size exceeds" in full.stderr
    assert dba.admin("SELECT count(*) FROM tagdb.question", shop) == [(60,)]
    dba.admin(f"ALTER ROLE {owner} RESET temp_file_limit")
    assert "8,001 embedded" in done("sync", **url).stdout
    done("status", "--check", **url)
