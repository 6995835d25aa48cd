"""A sync whose texts the nodes of a real Ray cluster embed, while some of them die: each ends with its one vector."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tagdb.cluster import Cluster, Node
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.sync import Choice, SyncResult, Workers, sync
from tagdb.pipeline.syncing import clustered, ranges
from tagdb.pipeline.syncing.tally import Tally
from tests.cluster.conftest import Nodes, Warned, room
from tests.pipeline.working import stub
from tests.pipeline.working.conftest import QUESTIONS, assert_whole, vectors, workers_at_work
from tests.pipeline.world import World, encoder, wait_until

pytestmark = pytest.mark.ray
SLOWLY = "tests.cluster.doing:embed_slowly"


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nodes embed with the stub, at 50 ms a text."""
    monkeypatch.setattr(clustered, "HAND", SLOWLY)


def _sync(world: World, nodes: Nodes, reporter: Warned | None = None, count: int | None = None) -> SyncResult:
    workers = Workers(count, nodes.address)
    return sync(world.database, Choice(), reporter or Warned(), block_size=4, workers=workers)


def test_nodes_embed_as_this_process_would(
    world: World, nodes: Nodes, joined: Cluster, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "load", lambda _: pytest.fail("it was loaded here"))
    result = _sync(world, nodes)
    assert (result.embedded.due, result.embedded.texts, result.embedded.finished) == (120, 120, 120)
    texts = sorted(QUESTIONS.values())
    rows = world.rows(
        "SELECT CAST(embedding AS real[]) FROM tagdb.text_vector v JOIN tagdb.text t ON t.id = v.text_id "
        'ORDER BY t.text COLLATE "C"'
    )
    found = np.array([vector for (vector,) in rows])
    np.testing.assert_allclose(found, encoder(tiny_embedder).embed(texts), rtol=0, atol=1e-5)
    assert len(world.rows("SELECT FROM tagdb.worker WHERE ended_at IS NOT NULL")) == 2
    run = world.last_run()
    assert (run["status"], run["read"], run["args"]["ray"]) == ("done", 120, nodes.address)
    assert nodes.left() == []


def test_node_that_is_torn_away_in_mid_sync_loses_nothing(
    world: World, nodes: Nodes, joined: Cluster, slowly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, torn = Warned(), list[bool]()
    wait = Tally.wait

    def tear(tally: Tally, session: object, worker: int | None) -> None:
        wait(tally, session, worker)  # type: ignore[arg-type]
        if not torn and workers_at_work(world) == 2:
            torn.append(True)
            nodes.tear_away()

    monkeypatch.setattr(Tally, "wait", tear)
    result = _sync(world, nodes, listener)
    assert torn
    assert [line for line in listener.warned if "has died; 1 workers are left" in line]
    assert result.embedded.texts == 120
    assert_whole(world)
    assert world.failures() == {}


def test_text_that_kills_its_workers_is_found_and_all_others_are_done(
    world: World, nodes: Nodes, joined: Cluster, slowly: None
) -> None:
    world.put({1000: f"{stub.POISON} m"})
    listener = Warned()
    result = _sync(world, nodes, listener)
    assert (result.embedded.texts, result.failed) == (120, 1)
    assert world.failures() == {f"{stub.POISON} m": ranges.DEADLY}
    assert world.vectors().keys() == QUESTIONS.keys()
    assert len(listener.warned) >= ranges.MOST_ATTEMPTS


CALLED = """
import sys
from tagdb.cli import main
from tagdb.pipeline.syncing import clustered
clustered.HAND = "tests.cluster.doing:embed_slowly"
sys.argv = ["tagdb", "sync", "--quiet", "--batch-size", "4", "--ray", sys.argv[1]]
main()
"""


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_signal_ends_all_workers_and_the_next_sync_goes_on(
    world: World, nodes: Nodes, joined: Cluster, slowly: None, signum: int, code: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CALLED, nodes.address], stderr=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        wait_until(lambda: workers_at_work(world) == 2, seconds=120)
        process.send_signal(signum)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == code, told
    assert "Traceback" not in told
    wait_until(lambda: room(joined) == 2)
    kept = vectors(world)
    assert kept < 120
    if signum != signal.SIGKILL:
        assert world.last_run()["status"] == "stopped"
        assert world.scalar("SELECT coalesce(sum(attempts), 0) FROM tagdb.due_range") == 0, "nobody is to blame"
    assert _sync(world, nodes, count=1).embedded.texts == 120 - kept
    assert_whole(world)


class _Ray:
    """Stands in for a Ray of machines with GPUs."""

    def __init__(self, free: dict[str, dict[str, float]]) -> None:
        state = SimpleNamespace(available_resources_per_node=lambda: free)
        self._private = SimpleNamespace(state=state)
        self._nodes = list(free)

    def nodes(self) -> list[dict[str, object]]:
        return [{"NodeID": each, "NodeManagerAddress": each, "Alive": True} for each in self._nodes]


def test_machine_has_a_worker_for_each_of_its_gpus() -> None:
    found = Cluster(_Ray({"a": {"CPU": 9.0, "GPU": 4.0}, "b": {"CPU": 32.0}, "c": {"CPU": 1.0, "GPU": 2.0}}))
    assert found.nodes_with_room() == [Node("b", "b", 32, 0.0), Node("a", "a", 9, 4.0), Node("c", "c", 1, 2.0)]
    assert found.nodes_with_room(2) == [Node("a", "a", 4, 2.0)] * 2 + [Node("c", "c", 1, 2.0)]
    assert found.nodes_with_room(0.5) == [*[Node("a", "a", 1, 0.5)] * 8, Node("c", "c", 1, 2.0)]
