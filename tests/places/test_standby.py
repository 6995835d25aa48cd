"""Servers that only read: on a standby what reads works, and what writes is refused in the words that fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import Unavailable
from tagdb.pipeline.running.recording import recorded
from tests.cli.running import done, objects, tagdb
from tests.pipeline.world import wait_until
from tests.places.dba import DbaServer, running
from tests.places.loop import LABELLED, QUESTIONS, whole_loop

WRITING = {
    "import": ("-",),
    "sync": (),
    "watch": (),
    "sync --dry-run": (),
    "sync --dry-run --source-sql": ("SELECT id AS question_id, title AS text FROM questions",),
    "train": ("--query", LABELLED),
    "predict": (),
    "models activate": ("1",),
    "models delete": ("1", "--yes"),
    "index build": (),
    "index drop": (),
    "capture on": (),
    "capture off": (),
    "embedder use": ("starter",),
}


@pytest.fixture
def standby(dba: DbaServer, shop: str, places: Path) -> Iterator[DbaServer]:
    """A hot standby, on which the database of a test is as it was when the test took it."""
    with running(DbaServer(places / f"standby-{shop}"), standby_of=dba) as server:
        yield server


def _catch_up(dba: DbaServer, standby: DbaServer) -> None:
    ((written,),) = dba.admin("SELECT pg_current_wal_lsn()")
    wait_until(lambda: bool(standby.admin(f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn")[0][0]))


def test_standby_answers_readers_and_names_itself_to_who_would_write(
    dba: DbaServer, owner: str, shop: str, standby: DbaServer, tmp_path: Path, tiny_embedder: Path
) -> None:
    whole_loop(dba.url(owner, shop), tiny_embedder)
    _catch_up(dba, standby)
    url = {"TAGDB_DATABASE_URL": standby.url(owner, shop)}
    assert "everything is current" in done("status", "--check", **url).stdout
    assert "last complete sync" in done("status", "--check", "--max-lag", "1h", **url).stdout
    assert "python" in done("nearest", "numpy", "-k", "3", **url).stdout
    assert len(objects(done("nearest", "java", "--questions", "--json", **url).stdout)) == 10
    result = tmp_path / "results.csv"
    done("export", "predictions", str(result), **url)
    assert len(result.read_text().splitlines()) == 61
    for words in ("models list", "index status", "capture status", "embedder list"):
        done(*words.split(), **url)
    assert "was up to date" in done("db", "migrate", **url).stdout
    for words, arguments in WRITING.items():
        refused = tagdb(*words.split(), *arguments, typed=QUESTIONS, **url)
        assert refused.exit_code == 3, (words, refused.output)
        assert "error: this is a standby (replica), which only reads" in refused.stderr, words
        assert "next: name the primary server" in refused.stderr, words


def test_run_at_work_on_the_primary_is_not_killed_to_its_standby(
    dba: DbaServer, owner: str, shop: str, standby: DbaServer
) -> None:
    url = dba.url(owner, shop)
    done("db", "migrate", TAGDB_DATABASE_URL=url)
    with Database(url, origin="test").session() as session, recorded(session, "sync", {}):
        _catch_up(dba, standby)
        for server in (dba, standby):
            (shown,) = objects(done("status", "--json", TAGDB_DATABASE_URL=server.url(owner, shop)).stdout)
            assert shown["last_run"]["status"] == "running"
            told = done("status", "--prometheus", TAGDB_DATABASE_URL=server.url(owner, shop)).stdout
            assert 'tagdb_running{collection="tagdb"} 1.0' in told


def test_schema_that_is_missing_on_a_standby_is_told_as_such(
    dba: DbaServer, owner: str, shop: str, standby: DbaServer
) -> None:
    _catch_up(dba, standby)
    bare = tagdb("status", TAGDB_DATABASE_URL=standby.url(owner, shop))
    assert bare.exit_code == 3
    assert "error: this database has no tagdb schema yet" in bare.stderr


@pytest.mark.parametrize("of", ["ROLE {owner}", "DATABASE {shop}"])
def test_role_or_database_that_only_reads_is_no_replica(
    dba: DbaServer, owner: str, shop: str, of: str, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = {"TAGDB_DATABASE_URL": dba.url(owner, shop)}
    whole_loop(dba.url(owner, shop), tiny_embedder)
    dba.admin(f"ALTER {of.format(owner=owner, shop=shop)} SET default_transaction_read_only = on")
    done("status", "--check", **url)
    for words, arguments in WRITING.items():
        refused = tagdb(*words.split(), *arguments, typed=QUESTIONS, **url)
        assert refused.exit_code == 3, (words, refused.output)
        assert "error: this role or database is set to only read (default_transaction_read_only)" in refused.stderr
        assert "next: PGOPTIONS='-c default_transaction_read_only=off' tagdb …" in refused.stderr
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=off")
    done("sync", **url)


def test_transaction_of_tagdb_that_only_reads_is_neither(dba: DbaServer, owner: str, shop: str) -> None:
    def write() -> None:
        with Database(dba.url(owner, shop), origin="test").session() as session, session.transaction(read_only=True):
            session.run_script("CREATE TABLE t (a integer)")

    with pytest.raises(Unavailable, match="this transaction only reads: cannot execute CREATE TABLE"):
        write()
