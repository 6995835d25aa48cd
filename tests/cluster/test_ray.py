"""A real Ray cluster on this machine: workers that are called, share arrays, die, and end with whoever started them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tagdb import cluster, config
from tagdb.cluster import Call, Cluster, Crew, Lost
from tagdb.cluster.crew import MOST_RESTARTS
from tagdb.errors import InputRefused, Unavailable
from tests.cluster.conftest import Nodes
from tests.cluster.test_addresses import listening
from tests.pipeline.world import wait_until

pytestmark = pytest.mark.ray
DOING = "tests.cluster.doing:Doing"


def test_handlers_of_signals_stay_as_they_were(nodes: Nodes) -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    try:
        handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        with cluster.connected(nodes.address) as joined:
            assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
            os.kill(os.getpid(), signal.SIGTERM)
            joined.put(1)
            assert came == [signal.SIGTERM]
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    finally:
        signal.signal(signal.SIGTERM, before)


def test_cluster_of_other_versions_is_named_with_them(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray._private.utils.compute_version_info", lambda: ("2.60.0", "3.12.1"))
    told = r"the cluster at \S+ runs Ray \S+ and Python 3\.\d+\.\d+, this is Ray"
    with pytest.raises(Unavailable, match=told) as refused, cluster.connected(nodes.address):
        pass
    assert refused.value.exit_code == 3
    assert "pip install" in (refused.value.hint or "")


def test_node_of_another_tagdb_is_named(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = config.VERSION
    monkeypatch.setattr(config, "VERSION", "9.9.9")
    told = rf"node \d\S+ of the cluster has tagdb {theirs}, and this machine tagdb 9\.9\.9"
    with pytest.raises(Unavailable, match=told), cluster.connected(nodes.address):
        pass


def test_program_that_is_connected_elsewhere_is_told_so(joined: Cluster) -> None:
    with (
        listening(b"\0\0\0\4" + bytes(5)) as other,
        pytest.raises(Unavailable, match=rf"is connected to the Ray cluster at \S+, not to the one at {other}"),
        cluster.connected(other),
    ):
        pass


@pytest.fixture
def crew(joined: Cluster) -> Iterator[Crew]:
    """A worker on each of two nodes."""
    made = Crew(joined, DOING, {"array": joined.put(np.ones(100_000))})
    made.start(joined.nodes_with_room())
    yield made
    made.end()


def _ended(crew: Crew, call: Call) -> Call:
    wait_until(lambda: bool(crew.wait([call], 0.1)))
    return call


def test_every_node_has_a_worker_that_knows_its_processors(joined: Cluster, crew: Crew) -> None:
    assert [worker.node.cpus for worker in crew.workers] == [1, 1]
    calls = [worker.call("pid") for worker in crew.workers]
    assert len({_ended(crew, call).result() for call in calls} - {os.getpid()}) == 2
    bounds = _ended(crew, crew.workers[0].call("bounds")).result()
    assert {bounds[name] for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")} == {"1"}
    assert bounds["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"

    # What was put into the cluster is a view on memory that all of a node share.
    assert _ended(crew, crew.workers[0].call("shared")).result() == (True, 100_000.0)

    with pytest.raises(Unavailable, match="none of the 3 nodes of the Ray cluster has a processor free"):
        wait_until(lambda: not joined.nodes_with_room())
    with pytest.raises(ZeroDivisionError, match="a fault of the program's"):
        _ended(crew, crew.workers[0].call("fail")).result()


def test_worker_that_dies_is_started_again_a_few_times(crew: Crew, capfd: pytest.CaptureFixture[str]) -> None:
    worker = crew.workers[0]
    for number in range(1, MOST_RESTARTS + 1):
        with pytest.raises(Lost, match=f"the worker on {worker.node.address} has died"):
            _ended(crew, worker.call("die")).result()
        again = crew.mend(worker)
        assert again is not None
        assert (again.restarts, again.node, len(crew.workers)) == (number, worker.node, 2)
        worker = again
    with pytest.raises(Lost):
        _ended(crew, worker.call("die")).result()
    assert crew.mend(worker) is None
    assert crew.mend(worker) is None
    assert len(crew.workers) == 1
    time.sleep(0.5)  # for what Ray has to say of it
    assert capfd.readouterr().out == ""


def test_worker_whose_node_is_torn_away_is_not_started_again(nodes: Nodes, crew: Crew) -> None:
    lost = next(worker for worker in crew.workers if worker.node.id == nodes.nodes[-1].node_id)
    call = lost.call("sleep", 60)
    nodes.tear_away()
    with pytest.raises(Lost):
        _ended(crew, call).result()
    assert crew.mend(lost) is None
    assert len(crew.workers) == 1


def test_what_a_worker_refuses_is_told_with_its_node(joined: Cluster) -> None:
    refusing = Crew(joined, DOING, {"refuses": True})
    with pytest.raises(InputRefused, match=r"node \d\S+: nothing of that kind") as refused:
        refusing.start(joined.nodes_with_room()[:1])
    refusing.end()
    assert refused.value.hint == "try another one"


def test_gpu_that_no_node_has(joined: Cluster) -> None:
    with pytest.raises(Unavailable, match="a processor and 1 GPUs free"):
        joined.nodes_with_room(1)
