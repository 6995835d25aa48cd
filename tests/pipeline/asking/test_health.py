"""The view `tagdb.health`: how long ago labels were current, and what is in the way, equal to what the tables say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.errors import TagdbError
from tagdb.pipeline.asking import health
from tagdb.pipeline.running.recording import recorded
from tagdb.pipeline.sync import Choice
from tests.pipeline.world import World, refuse_poison


def _view(world: World) -> dict[str, Any]:
    with world.database.session() as session:
        (row,) = session.rows_of("SELECT * FROM tagdb.health", {})
    return dict(row._mapping)


def _lag(world: World) -> float:
    return float(world.scalar("SELECT lag_seconds FROM tagdb.health"))


def _age(world: World, seconds: int) -> None:
    ago = f"interval '{seconds} seconds'"
    world.run(f"UPDATE tagdb.run SET started_at = started_at - {ago}, finished_at = finished_at - {ago}")


def test_empty_database_has_a_row_that_says_so(database: Database) -> None:
    found = health.health(database)
    assert (found.failed, found.due) == (0, 0)
    unknown = (found.lag_seconds, found.current_at, found.last_sync_at, found.last_error, found.running)
    assert unknown == (None,) * len(unknown)
    assert found.too_late(1e9) == "there has been no complete sync"


def test_counts_are_those_of_the_tables(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_poison(monkeypatch)
    synced.put({70: "poison", 71: "poison too", 72: "good one"})
    synced.sync()
    synced.run("DELETE FROM tagdb.text_vector WHERE text_id IN (SELECT id FROM tagdb.text ORDER BY id LIMIT 4)")
    found = health.health(synced.database)
    lacking = {row[0] for row in synced.rows("SELECT id FROM tagdb.text")}
    lacking -= {row[0] for row in synced.rows("SELECT text_id FROM tagdb.text_vector")}
    failed = {row[0] for row in synced.rows("SELECT text_id FROM tagdb.failure")}
    assert (found.failed, found.due) == (len(failed), len(lacking - failed)) == (2, 4)


def test_workers_are_those_that_are_there(synced: World) -> None:
    with (
        synced.database.session() as session,
        recorded(session, "sync", {}) as counts,
        synced.database.session() as alive,
        synced.database.session() as killed,
    ):
        for each in (alive, killed, alive):
            number = each.scalar("work.register", run=counts.run, host="here", pid=1)
            each.execute("work.hold", worker=number)
        alive.execute("work.leave", worker=number)
        assert health.health(synced.database).workers == 2
        killed.execute("work.let_go", worker=number - 1)
        assert health.health(synced.database).workers == 1
    assert health.health(synced.database).workers == 0


def test_lag_counts_from_the_beginning_of_the_last_complete_sync(synced: World) -> None:
    assert _lag(synced) < 60
    _age(synced, 600)
    assert 600 <= _lag(synced) < 660
    synced.put({70: "one", 71: "two"})
    synced.sync(limit=1)
    assert _lag(synced) >= 600, "something was left"
    synced.run("UPDATE tagdb.run SET finished_at = now()")
    found = health.health(synced.database)
    assert found.lag_seconds is not None
    assert found.seconds_since_sync is not None
    assert found.lag_seconds >= 600 > found.seconds_since_sync
    assert found.too_late(900) is None
    assert str(found.too_late(300)).startswith("labels were last known to be current 10:")
    synced.sync()
    assert _lag(synced) < 60


def test_sync_that_could_not_renew_labels_is_not_complete(synced: World) -> None:
    _age(synced, 600)
    synced.run(
        "INSERT INTO tagdb.run (command, args, status, finished_at, detail) "
        "VALUES ('sync', '{}', 'done', now(), jsonb_build_object('label_fault', 'trained on other vectors'))"
    )
    assert _lag(synced) >= 600


def test_failed_sync_is_told_until_one_succeeds(synced: World) -> None:
    with pytest.raises(TagdbError):
        synced.sync(Choice(sql="SELECT 1 AS question_id, 'x' AS text FROM nowhere"))
    assert "nowhere" in str(_view(synced)["last_error"])
    late = health.health(synced.database).too_late(0)
    assert late is not None
    assert "the last sync failed" in late
    synced.sync()
    assert _view(synced)["last_error"] is None


def test_run_at_work_is_told_while_it_is_at_work(synced: World) -> None:
    with synced.database.session() as session, recorded(session, "sync", {}):
        found = _view(synced)
        assert found["running"] == "sync"
        assert 0 <= found["running_seconds"] < 60
    assert _view(synced)["running"] is None
    synced.run("INSERT INTO tagdb.run (command, args, status) VALUES ('sync', '{}', 'running')")
    assert _view(synced)["running"] is None, "that one was killed"


def test_what_is_not_asked_for_is_not_counted(synced: World) -> None:
    with synced.database.session() as session:
        plan = "\n".join(row[0] for row in session.rows_of("EXPLAIN SELECT lag_seconds, running FROM tagdb.health", {}))
    assert " on run" in plan
    for table in ("text", "text_vector", "failure", "question", "labels"):
        assert f" on {table} " not in plan


def test_idle_syncs_leave_one_record_that_says_when(synced: World) -> None:
    before = synced.rows("SELECT id, started_at, finished_at FROM tagdb.run")
    _age(synced, 600)
    for _ in range(3):
        synced.sync(keep_idle=False)
    assert len(synced.rows("SELECT id FROM tagdb.run")) == len(before)
    assert _lag(synced) < 60
    synced.put({70: "new"})
    synced.sync(keep_idle=False)
    assert len(synced.rows("SELECT id FROM tagdb.run")) == len(before) + 1
    synced.run("DELETE FROM tagdb.run")
    synced.sync(keep_idle=False)
    assert synced.scalar("SELECT count(*) FROM tagdb.run") == 1, "no other record says it"


def test_upgrade_lets_readers_of_status_read_it(synced: World, execute: Any, tiny_embedder: Path) -> None:
    execute('CREATE ROLE "health Reader"')
    try:
        synced.run('GRANT SELECT ON tagdb.status TO "health Reader"; DROP VIEW tagdb.health')
        assert schema.migrate(synced.database)
        rights = "SELECT has_table_privilege('health Reader', 'tagdb.health', 'SELECT')"
        assert synced.scalar(rights)
        synced.run('REVOKE ALL ON tagdb.status, tagdb.health FROM "health Reader"')
    finally:
        execute('DROP ROLE "health Reader"')
