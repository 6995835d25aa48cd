"""Many hands: workers in a Ray cluster, each of which does work that lies in the database until there is none left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tagdb import cluster
from tagdb.cluster import Call, Crew, Lost, Worker
from tagdb.db.connection import Database, Session
from tagdb.errors import Unavailable
from tagdb.models import Reporter
from tagdb.pipeline.running import nodes
from tagdb.pipeline.running.nodes import Access, Arguments

_TICK_SECONDS = 0.2


@dataclass(frozen=True)
class WorkReport:
    """How many workers there were, how many died, how many were started again, and what each call returned."""

    workers: int
    lost: int
    restarts: int
    results: tuple[Any, ...]


class Hand:
    """A worker on a node: a function that is given the database, and told to go on until no work is left."""

    def __init__(self, access: Access, threads: int, work: str, **arguments: Any) -> None:
        self._database = access.open()
        self._work = cluster.named(work)
        self._arguments = {**arguments, "threads": threads}

    def run(self) -> Any:
        """Do the work."""
        return self._work(self._database, **self._arguments)


def work(
    session: Session,
    database: Database,
    ray: str,
    function: str,
    reporter: Reporter,
    *,
    arguments: Arguments = lambda _: {},
    workers: int | None = None,
    gpus: float = 0,
    on_tick: Callable[[], None] = lambda: None,
    progress: Callable[[], int] = lambda: 0,
) -> WorkReport:
    """Let workers do all the work there is, and return when each of them has found none left.

    Each calls `function`, "module:name" of a function of a Database, of `threads` and of `arguments`, in a process of
    its own. One that dies is started again where its node lives, a few times without `progress`; what it held is the
    function's to give back, as a row lock is when its connection goes. Work that is left when all others have ended is
    done by one of them. Processes die at once when this ends early.

    Parameters
    ----------
    session : holds the collection's lock for as long
    on_tick : called several times a second, to show progress, or to raise what ends the work
    progress : gives a number that grows with the work

    Raises
    ------
    Unavailable : no worker can start, or all have died
    TagdbError : what the function raised
    """

    def given(joined: cluster.Cluster) -> dict[str, Any]:
        return {"work": function, **arguments(joined)}

    factory = f"{Hand.__module__}:{Hand.__name__}"
    with nodes.crew(
        session, database, ray, reporter, factory=factory, arguments=given, workers=workers, gpus=gpus
    ) as crew:
        return _Watch(crew, reporter, on_tick, progress).until_all_is_done()


class _Watch:
    """Keeps every worker at work that lives, and counts those that do not."""

    def __init__(
        self, crew: Crew, reporter: Reporter, on_tick: Callable[[], None], progress: Callable[[], int]
    ) -> None:
        self._crew, self._reporter, self._on_tick, self._progress = crew, reporter, on_tick, progress
        self._done = progress()
        self._started = len(crew.workers)
        self._lost = self._restarts = 0
        self._results: list[Any] = []
        self._calls: dict[Call, Worker] = {worker.call("run"): worker for worker in crew.workers}

    def until_all_is_done(self) -> WorkReport:
        """Wait for the workers."""
        while self._calls:
            for call in self._crew.wait(self._calls, _TICK_SECONDS):
                worker = self._calls.pop(call)
                try:
                    self._results.append(call.result())
                except Lost as lost:
                    self._replace(worker, lost)
            self._on_tick()
        return WorkReport(self._started, self._lost, self._restarts, tuple(self._results))

    def _replace(self, worker: Worker, lost: Lost) -> None:
        self._lost += 1
        done = self._progress()
        again = self._crew.mend(worker, anew=done > self._done)
        self._done = done
        if again:
            self._restarts += 1
            self._reporter.warn(f"{lost}; it was started again")
        else:
            self._reporter.warn(f"{lost}; {len(self._crew.workers):,} workers are left")
            if self._calls:  # of which one finds what it held
                return
            again = next(iter(self._crew.workers), None)
        if again is None:
            raise Unavailable("all workers in the cluster have died", hint="what they did is kept: run this again")
        self._calls[again.call("run")] = again
