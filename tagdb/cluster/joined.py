"""A Ray cluster that this process has joined: its nodes, processes on them, and what is put there for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tagdb.cluster.hosts import Host
from tagdb.cluster.signals import held_back
from tagdb.errors import Unavailable

_ANSWER_SECONDS = 120.0
_TICK_SECONDS = 0.2


class Lost(Exception):
    """A process in the cluster died, or its node did, or nothing is heard of it any more; what it held is gone."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, or a share of one, and how many processors and GPUs of it nobody else has asked for."""

    id: str
    address: str
    cpus: int
    gpus: float = 0.0


class Cluster:
    """What can be asked of a cluster; `ray` is the module, connected."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def nodes_with_room(self, gpus: float = 0) -> list[Node]:
        """Return the nodes with a processor free, those with most of them first.

        Where each process is to have so many `gpus`, a node is there once for each that it has room for, with its share
        of the processors.

        Raises
        ------
        Unavailable : there is none
        """
        alive = self._alive()
        with held_back():
            free = self._ray._private.state.available_resources_per_node()  # noqa: SLF001
        able: list[Node] = []
        for each, address in alive.items():
            cpus, its_gpus = (free.get(each, {}).get(kind, 0.0) for kind in ("CPU", "GPU"))
            shares = int(min(cpus, its_gpus // gpus)) if gpus else min(1, int(cpus))
            able += [Node(each, address, int(cpus) // shares, its_gpus / shares) for _ in range(shares)]
        if not able:
            wanted = f"a processor and {gpus:g} GPUs" if gpus else "a processor"
            raise Unavailable(
                f"none of the {len(alive):,} nodes of the Ray cluster has {wanted} free",
                hint="let other jobs end (ray status), or add a node: ray start --address HOST:PORT",
            )
        return sorted(able, key=lambda node: (-node.cpus, node.id))

    def is_alive(self, node: Node) -> bool:
        """Whether the cluster counts a node as there, which it does for some seconds after its end."""
        return node.id in self._alive()

    def _alive(self) -> dict[str, str]:
        with held_back():
            return {node["NodeID"]: node["NodeManagerAddress"] for node in self._ray.nodes() if node["Alive"]}

    def put(self, value: Any) -> Any:
        """Keep a value for calls to be given: each node gets it once, and its processes share the arrays in it."""
        with held_back():
            return self._ray.put(value)

    def host(self, node: Node, gpus: float) -> Any:
        """Begin to start a process on a node, on all of its processors that are free; it is not waited for."""
        options = {"num_cpus": node.cpus, "num_gpus": gpus, "max_restarts": 0, "max_task_retries": 0}
        with held_back():
            return self._ray.remote(Host).options(**options, **_only_on(node.id)).remote(node.cpus, gpus)

    def end(self, host: Any) -> None:
        """End a process, whatever it is doing."""
        with held_back():
            self._ray.kill(host)

    def ask_nodes(self, question: Callable[[], Any]) -> dict[str, Any]:
        """Return what a function gives on each node that has processors, by the node's address.

        Raises
        ------
        Unavailable : a node does not answer
        """
        options = {"num_cpus": 0, "max_retries": 0}
        with held_back():
            task = self._ray.remote(question)
            nodes = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
            asked = {
                task.options(**options, **_only_on(node["NodeID"])).remote(): node["NodeManagerAddress"]
                for node in nodes
            }
        return dict(self.answers(asked))

    def answers(self, asked: Mapping[Any, str]) -> Iterator[tuple[str, Any]]:
        """Yield the answers of nodes, with their addresses, as they come.

        Raises
        ------
        Unavailable : one has not come in two minutes, or its process died
        """
        pending, deadline = dict(asked), time.monotonic() + _ANSWER_SECONDS
        while pending:
            if time.monotonic() > deadline:
                names = ", ".join(sorted(pending.values()))
                raise Unavailable(f"no process has started in {_ANSWER_SECONDS:.0f} s on {names}", hint="ray status")
            for answer in self.wait(pending, _TICK_SECONDS):
                address = pending.pop(answer)
                try:
                    yield address, self.result(address, answer)
                except Lost as lost:
                    raise Unavailable(f"no process can be started: {lost}", hint="ray status") from lost

    def wait(self, answers: Collection[Any], seconds: float) -> list[Any]:
        """Return those answers that are there, as soon as one is, none after so many seconds."""
        with held_back():
            ready, _ = self._ray.wait(list(answers), num_returns=1, timeout=seconds)
            if ready and len(answers) > 1:
                ready, _ = self._ray.wait(list(answers), num_returns=len(answers), timeout=0)
            found: list[Any] = ready
            return found

    def result(self, address: str, answer: Any) -> Any:
        """Return an answer that is there, from the node of that address.

        Raises
        ------
        Lost : whatever was to give it died
        """
        from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

        try:
            with held_back():
                return self._ray.get(answer)
        except RayTaskError:
            raise
        except RayError as error:
            reason = ": Ray ended it, for the node's memory was full" if isinstance(error, OutOfMemoryError) else ""
            raise Lost(f"the worker on {address} has died{reason}") from error


def _only_on(node: str) -> dict[str, Any]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}
