"""Old runs are forgotten, but not what the next sync goes by."""

from __future__ import annotations

import pytest

from tagdb.pipeline.asking.status import status
from tagdb.pipeline.running.pruning import prune
from tagdb.pipeline.syncing.moved import Moved
from tests.pipeline.world import World

OLD = "UPDATE tagdb.run SET started_at = now() - interval '100 days'"


def test_old_runs_go_and_young_ones_stay(synced: World) -> None:
    synced.run(
        "INSERT INTO tagdb.run (command, args, status) SELECT 'predict', '{}', 'done' FROM generate_series(1, 9)"
    )
    assert prune(synced.database, 90) == 0
    synced.run(f"{OLD} WHERE command = 'predict' AND id % 3 > 0")
    assert prune(synced.database, 90) == synced.scalar("SELECT 9 - count(*) FROM tagdb.run WHERE command = 'predict'")
    assert 0 < synced.scalar("SELECT count(*) FROM tagdb.run WHERE command = 'predict'") < 9


def test_the_next_sync_still_knows_the_last_one(synced: World, looks: list[Moved]) -> None:
    for number in range(3):
        synced.put({number: f"other{number}"})
        synced.sync()
    synced.remove(7)
    synced.sync()  # the last one embeds nothing, and so tells no rate
    assert "fingerprints" in synced.last_run()["detail"]
    rate = "SELECT count(*) FROM tagdb.run WHERE detail->>'texts_per_second' IS NOT NULL"
    synced.run(
        f"{OLD}; INSERT INTO tagdb.run (command, args, status, started_at) "
        "VALUES ('sync', '{}', 'running', '2000-01-01')"
    )
    looks.clear()
    assert prune(synced.database, 1) > 0
    synced.sync()
    assert looks == [Moved.NONE]
    assert synced.scalar(rate) >= 1
    assert synced.scalar("SELECT count(*) FROM tagdb.run WHERE status IN ('running', 'killed')") == 1


def test_nothing_of_another_embedder_is_lost(synced: World) -> None:
    synced.run(
        "INSERT INTO tagdb.run (command, args, status, written, detail) SELECT 'sync', '{}', 'done', 10 ^ n, "
        "jsonb_build_object('embedder_id', 77, 'texts_per_second', n) FROM generate_series(1, 5) n"
    )
    synced.run(OLD)
    with synced.database.session() as session:
        before = session.scalar("sync.last_rate", embedder=77)
        prune(synced.database, 1)
        assert session.scalar("sync.last_rate", embedder=77) == before == pytest.approx(5)


def test_status_still_misses_a_classifier_that_is_gone(synced: World) -> None:
    synced.run("INSERT INTO tagdb.run (command, args, status) VALUES ('train', '{}', 'done'), ('train', '{}', 'done')")
    synced.run(OLD)
    assert prune(synced.database, 1) >= 1
    assert [reason.why for reason in status(synced.database).reasons] == [
        "there is no active classifier any more, and no label"
    ]
