"""What sharing a sync costs: workers of `tagdb work` at one run, from one to many.

    python benchmarks/workers.py
    python benchmarks/workers.py --only sleeping --workers 16

*processors*: processor seconds of the workers, a thousand texts, from 1 to 4 of them with the shipped model.
*sleeping*: the rate of workers whose embedder only sleeps, as a share of so many times its own rate: what claiming,
fetching and storing leave of it. *pinned*: the rate of two workers with a core each, as a multiple of one's with one.
*ray*: the same in a Ray cluster of this machine, of as many nodes of one processor (which nothing pins).

Workers have loaded their model before the clock starts; it stops when no range is left.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from measuring import machine, print_table
from scratch import add_texts, scratch_database, value_of

from tagdb.db.connection import Database, Session
from tagdb.models import Silent
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import recorded
from tagdb.pipeline.running.stopping import StopRequest
from tagdb.pipeline.syncing import clustered, ranges, staging
from tagdb.pipeline.syncing.ranges import Pace
from tagdb.pipeline.syncing.staging import Work
from tagdb.pipeline.syncing.tally import Embedded, Tally

HOOK = """
import time
import numpy as np
from tagdb import elmo
from tagdb.pipeline.embedders import registry

class Sleeping:
    dim = {dim}
    def tokenize(self, texts):
        return [text.split() for text in texts]
    def embed_tokens(self, tokenized):
        time.sleep({seconds} * len(tokenized))
        return np.ones((len(tokenized), self.dim), dtype=np.float32)

registry.load_here = lambda stored: Sleeping()
elmo.limit_threads = lambda threads: None
"""
ROOT = Path(__file__).resolve().parent.parent
KINDS = ("processors", "sleeping", "pinned", "ray")
NODE_MEMORY = 256 << 20
FORGET = "TRUNCATE tagdb.text_vector, tagdb.failure"
PAUSE = 0.02


@dataclass(frozen=True)
class Measured:
    """So many workers at so many texts: the rate, against one's times their number, and their processor seconds."""

    kind: str
    workers: int
    texts: int
    seconds: float
    texts_per_second: float
    share_of_linear: float
    processor_seconds_a_thousand: float | None


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    found: list[Measured] = []
    with scratch_database(arguments.server) as database, tempfile.TemporaryDirectory() as folder:
        with database.session() as session:
            registry.chosen(session)
            add_texts(session, arguments.texts, arguments.texts)
        for kind in arguments.only or KINDS:
            found += _measured(database, kind, arguments, Path(folder))
    if arguments.json:
        print(json.dumps({"machine": machine(), "measured": [asdict(each) for each in found]}))
    else:
        print(", ".join(f"{name} {value}" for name, value in machine().items()) + "\n")
        print_table([asdict(each) for each in found], list(Measured.__dataclass_fields__))


def _measured(database: Database, kind: str, arguments: argparse.Namespace, folder: Path) -> Iterator[Measured]:
    alone: float | None = None
    for count in _counts(kind, arguments.workers):
        texts = arguments.texts if kind != "sleeping" else min(arguments.texts, arguments.sleeping_texts * count)
        if kind == "ray":
            seconds, used = _on_nodes(database, count, texts, arguments.timeout)
        else:
            seconds, used = _on_processes(database, count, texts, kind, arguments, folder)
        rate = texts / seconds
        alone = alone or rate
        linear = count * (1 / arguments.sleep if kind == "sleeping" else alone)
        yield Measured(kind, count, texts, seconds, rate, rate / linear, used and used / texts * 1000)


def _on_processes(
    database: Database, count: int, texts: int, kind: str, arguments: argparse.Namespace, folder: Path
) -> tuple[float, float | None]:
    """Return how long so many processes take, and what they use of the processors."""
    hook = HOOK.format(dim=_dim(database), seconds=arguments.sleep) if kind == "sleeping" else None
    with _workers(database, count, folder, hook=hook, pinned=kind == "pinned") as processes:
        _wait_for(database, count, arguments.timeout)
        pids = [process.pid for process in processes]
        before = _processor_seconds(pids)
        seconds = _run(database, texts, arguments.timeout)
        after = _processor_seconds(pids)
    return seconds, None if before is None or after is None else after - before


def _on_nodes(database: Database, count: int, texts: int, timeout: float) -> tuple[float, float | None]:
    """Return the same of a Ray cluster, whose workers are kept from the texts until all have loaded their model."""
    with (
        _cluster(count) as address,
        _staged(database, texts) as (session, work),
        database.session() as other,
        ThreadPoolExecutor(1) as beside,
        Silent().step("embedding") as progress,
    ):
        other.begin()
        other.row("work.lock_rest", run=work.run)
        tally = Tally(Embedded(), progress, Silent(), work.run)
        done = beside.submit(
            clustered.have_embedded,
            *(database, session, work, clustered.Workers(count, address), tally, StopRequest(), Silent()),
        )
        with database.session() as asking:
            there = "SELECT count(*) FROM tagdb.worker WHERE run_id = :run"
            _wait_while(lambda: not done.done() and value_of(asking, there, run=work.run) < count, timeout)
            pids = [
                row.pid for row in asking.rows_of("SELECT pid FROM tagdb.worker WHERE run_id = :r", {"r": work.run})
            ]
            before, started = _processor_seconds(pids), time.perf_counter()
            other.roll_back()
            after = before
            while not done.done() and asking.scalar("work.is_left", run=work.run):
                after = _processor_seconds(pids)
                time.sleep(PAUSE)
            seconds = time.perf_counter() - started
        done.result()
    return seconds, None if before is None or after is None else after - before


@contextmanager
def _cluster(count: int) -> Iterator[str]:
    """Give the address of a Ray cluster of a head and so many nodes, of a processor each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(count):
            made.add_node(num_cpus=1, object_store_memory=NODE_MEMORY)
        yield made.address
    finally:
        made.shutdown()


def _counts(kind: str, most: int) -> Sequence[int]:
    if kind in ("pinned", "ray"):
        return (1, 2)
    return [count for count in (1, 2, 4, 8, 16) if count <= (most if kind == "sleeping" else min(most, 4))]


def _dim(database: Database) -> int:
    with database.session() as session:
        return registry.chosen(session).dim


def _run(database: Database, texts: int, timeout: float) -> float:
    """Coordinate a run over some of the texts, as sync does, and return how long the workers took."""
    with _staged(database, texts) as (session, work):
        _wait_while(lambda: bool(session.scalar("work.is_left", run=work.run)), timeout)
        begun = "SELECT extract(epoch FROM max(last_at) - min(started_at)) FROM tagdb.worker WHERE run_id = :run"
        return float(value_of(session, begun, run=work.run))


def _wait_for(database: Database, workers: int, timeout: float) -> None:
    """Keep a text back until all have loaded their model and ask for it, then let one have it."""
    with _staged(database, 1) as (session, work), database.session() as other:
        me = session.scalar("work.register", run=work.run, host="", pid=os.getpid())
        held = ranges.claim(other, work, me, Pace(work), ahead=False)
        assert held is not None
        asking = "SELECT count(*) FROM tagdb.worker WHERE run_id = :run"
        _wait_while(lambda: value_of(session, asking, run=work.run) <= workers, timeout)
        other.roll_back()
        ranges.give_back(other, held)
        _wait_while(lambda: bool(session.scalar("work.is_left", run=work.run)), timeout)


@contextmanager
def _staged(database: Database, texts: int) -> Iterator[tuple[Session, Work]]:
    with database.session() as session, exclusive(session), recorded(session, "sync", {}) as counts:
        session.run_script(FORGET)
        embedder = registry.chosen(session)
        yield session, staging.stage(session, counts.run, embedder, limit=texts, max_tokens=512, block_size=None)


def _wait_while(condition: Callable[[], bool], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while condition():
        if time.monotonic() > deadline:
            sys.exit("the workers do not come to an end")
        time.sleep(PAUSE)


@contextmanager
def _workers(
    database: Database, count: int, folder: Path, *, hook: str | None, pinned: bool
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start workers that wait for a run; end them after."""
    path = [str(ROOT)]
    if hook is not None:
        (folder / "sitecustomize.py").write_text(hook, encoding="utf-8")
        path.insert(0, str(folder))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "TAGDB_DATABASE_URL": database.dsn}
    command = [sys.executable, "-m", "tagdb", "work", "--wait", "--quiet"]
    threads = max(1, (os.cpu_count() or 1) // count) if not pinned else 1
    processes = []
    try:
        for number in range(count):
            process = subprocess.Popen(
                [*command, "--threads", str(threads)], env=environment, stdout=subprocess.DEVNULL, cwd=folder
            )
            processes.append(process)
            if pinned and hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(process.pid, {sorted(os.sched_getaffinity(0))[number]})
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def _processor_seconds(pids: Sequence[int]) -> float | None:
    """Return what processes have used of the processors, None where the system does not tell."""
    if not Path("/proc/self/stat").exists():
        return None
    fields = (Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids)
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=40_000)
    parser.add_argument("--workers", type=int, default=16, help="at most, of those that sleep; 4 of the others")
    parser.add_argument("--sleep", type=float, default=0.01, help="seconds a text, of an embedder that sleeps")
    parser.add_argument("--sleeping-texts", type=int, default=2_000, help="for each of the workers that sleep")
    parser.add_argument("--only", action="append", choices=KINDS, help="may be repeated")
    parser.add_argument("--timeout", type=float, default=1_800.0)
    parser.add_argument("--server", help="URL of a server; without it an embedded one in a temporary folder")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
