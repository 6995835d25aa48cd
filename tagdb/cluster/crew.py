"""Workers in a cluster: processes that each make one object and are called, one of which may die at any time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tagdb.cluster.hosts import Outcome
from tagdb.cluster.joined import Cluster, Node
from tagdb.errors import TagdbError, Unavailable

MOST_RESTARTS = 3
"""How often a worker is started again on its node before that is given up."""


@dataclass(frozen=True, eq=False)
class Worker:
    """A process on a node, started again so many times."""

    cluster: Cluster
    node: Node
    host: Any
    restarts: int = 0

    def call(self, method: str, *arguments: Any) -> Call:
        """Begin to call a method of its object, after those that were called before."""
        return Call(self, self.host.call.remote(method, *arguments))


@dataclass(frozen=True, eq=False)
class Call:
    """A call that may not have ended yet."""

    worker: Worker
    answer: Any

    def result(self) -> Any:
        """Return what an ended call came to.

        Raises
        ------
        Lost : its worker died
        TagdbError : what it raised, of which node
        """
        node = self.worker.node
        return _taken(node.address, self.worker.cluster.result(node.address, self.answer))


class Crew:
    """The workers that live.

    Parameters
    ----------
    factory : "module:name" of what each of them makes
    arguments : by keyword, for the factory; `threads` is added, how many processors the worker has
    gpus : what each takes of its node's GPUs
    """

    def __init__(self, cluster: Cluster, factory: str, arguments: Mapping[str, Any], *, gpus: float = 0) -> None:
        self.workers: list[Worker] = []
        self._cluster, self._factory, self._arguments, self._gpus = cluster, factory, arguments, gpus

    def start(self, nodes: Sequence[Node]) -> None:
        """Start a worker on each node, and wait until all of them are ready.

        Raises
        ------
        Unavailable : one cannot start; also what the factory raised, of which node
        """
        for node in nodes:
            self.workers.append(Worker(self._cluster, node, self._cluster.host(node, self._gpus)))
        self._make(self.workers)

    def mend(self, worker: Worker, *, anew: bool = False) -> Worker | None:
        """Start a worker that died again, in its place; None, and one less, where its node is gone or it dies often.

        How often is counted `anew` where there is reason to go on.
        """
        if worker not in self.workers:
            return None
        self.workers.remove(worker)
        self._cluster.end(worker.host)
        restarts = 0 if anew else worker.restarts
        if restarts >= MOST_RESTARTS or not self._cluster.is_alive(worker.node):
            return None
        host = self._cluster.host(worker.node, self._gpus)
        again = Worker(self._cluster, worker.node, host, restarts + 1)
        try:
            self._make([again])
        except Unavailable:
            self._cluster.end(again.host)
            return None
        self.workers.append(again)
        return again

    def put(self, value: Any) -> Any:
        """Keep a value for calls to be given; see `Cluster.put`."""
        return self._cluster.put(value)

    def wait(self, calls: Collection[Call], seconds: float) -> list[Call]:
        """Return those calls that have ended, as soon as one has, none after so many seconds."""
        by_answer = {call.answer: call for call in calls}
        return [by_answer[answer] for answer in self._cluster.wait(by_answer, seconds)]

    def end(self) -> None:
        """End all workers, whatever they are doing."""
        for worker in self.workers:
            self._cluster.end(worker.host)
        self.workers.clear()

    def _make(self, workers: Sequence[Worker]) -> None:
        """Let workers make their objects, and wait for all of them."""
        begun = {
            each.host.make.remote(self._factory, threads=each.node.cpus, **self._arguments): each.node.address
            for each in workers
        }
        for address, outcome in self._cluster.answers(begun):
            _taken(address, outcome)


def _taken(address: str, outcome: Outcome) -> Any:
    """Return what a call came to, or raise what it was refused with, and say of which node."""
    if outcome.refusal is None:
        return outcome.value
    refusal: TagdbError = outcome.refusal
    refusal.args = (f"node {address}: {refusal}",)
    raise refusal
