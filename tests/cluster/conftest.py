"""A Ray cluster of this machine: a head that does nothing, and nodes of one processor that may be torn away."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tagdb import cluster
from tagdb.db.connection import Database
from tagdb.errors import Unavailable
from tests.pipeline import stored
from tests.pipeline.working.conftest import QUESTIONS
from tests.pipeline.world import World, wait_until

LABELS = [("java", "python", "ruby")[number % 3] for number in range(900)]
_MEMORY = 80 << 20
_NOTICING = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_failure_threshold": 8,
    "prestart_worker_first_driver": False,
}
"""Settings by which the death of a node is noticed within seconds, and no process starts that is not asked for."""


class Nodes:
    """The cluster, brought back to two nodes for each test."""

    def __init__(self, cluster: Any, spilled: Path) -> None:
        self.cluster, self.spilled = cluster, spilled
        self.nodes: list[Any] = []

    @property
    def address(self) -> str:
        """Where the cluster is joined."""
        address: str = self.cluster.address
        return address

    def left(self) -> list[Path]:
        """Return what lies in the nodes' folder for temporary files, but for Ray's own."""
        return [each for each in self.spilled.iterdir() if each.name != "ray"]

    def complete(self) -> None:
        """Have two nodes."""
        while len(self.nodes) < 2:
            self.nodes.append(self.cluster.add_node(num_cpus=1, object_store_memory=_MEMORY))

    def tear_away(self) -> None:
        """End the processes of a node without warning, as if its machine had lost its power."""
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)


class Warned(stored.Listener):
    """Keeps warnings apart."""

    def __init__(self) -> None:
        super().__init__()
        self.warned: list[str] = []

    def warn(self, message: str) -> None:
        """Keep a line."""
        self.warned.append(message)


@pytest.fixture(scope="session")
def _nodes(short_folder: Path) -> Iterator[Nodes]:
    spilled = short_folder / "spilled"
    spilled.mkdir()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        for name in [name for name in os.environ if name.startswith(("TAGDB_", "PG", "DATABASE_URL"))]:
            environment.delenv(name)
        environment.setenv("TMPDIR", str(spilled))
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "object_store_memory": _MEMORY, "include_dashboard": False, "_system_config": _NOTICING}
        made = Nodes(Cluster(initialize_head=True, head_node_args=head), spilled)
        made.complete()
    yield made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        made.cluster.shutdown()
        del made.cluster
        gc.collect()


@pytest.fixture
def nodes(_nodes: Nodes) -> Nodes:
    """A head without processors and two nodes of one each, whatever the test before did to them."""
    _nodes.complete()
    return _nodes


@pytest.fixture(autouse=True)
def _what_ray_leaves_open() -> Iterator[None]:
    """Collect Ray's log files, which it does not close, before a test of something else has to answer for them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def _joined(_nodes: Nodes) -> Iterator[cluster.Cluster]:
    with cluster.connected(_nodes.address) as found:
        yield found


@pytest.fixture
def joined(nodes: Nodes, _joined: cluster.Cluster) -> cluster.Cluster:
    """The cluster, joined once for all tests of a file from the first one on that asks for it."""
    wait_until(lambda: room(_joined) == 2)
    return _joined


def room(joined: cluster.Cluster) -> int:
    """Count the nodes with a processor free."""
    with suppress(Unavailable):
        return len(joined.nodes_with_room())
    return 0


@pytest.fixture
def labelled(database: Database) -> Database:
    """900 texts of three labels, a few of them on several questions, with vectors of 64 numbers."""
    texts = stored.numbered(LABELS)
    vectors = dict(zip(texts, stored.clustered(LABELS, dim=64), strict=True))
    repeated = [place for place in range(len(texts)) for _ in range(1 + place % 7 // 5)]
    stored.fill(database, [texts[n] for n in repeated], vectors, labels=[LABELS[n] for n in repeated])
    return database


@pytest.fixture
def world(database: Database, tiny_embedder: Path) -> World:
    """120 questions that wait for their vectors."""
    made = World(database, tiny_embedder)
    made.put(QUESTIONS)
    return made
