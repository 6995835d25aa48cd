"""What the workers of the tests do; they find it by its name, as they would find tagdb's own."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from tagdb.db.connection import Database
from tagdb.errors import InputRefused
from tagdb.models import Embedder
from tagdb.pipeline.embedders import travelling
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.learning.shares import Shares
from tagdb.pipeline.syncing import clustered
from tests.pipeline.working import stub


class Doing:
    """A bit of everything."""

    def __init__(self, threads: int, **given: Any) -> None:
        if given.get("refuses"):
            raise InputRefused("nothing of that kind", hint="try another one")
        self.threads, self.given = threads, given

    def pid(self) -> int:
        return os.getpid()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def die(self) -> None:
        os._exit(1)

    def fail(self) -> None:
        raise ZeroDivisionError("a fault of the program's")

    def bounds(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name.startswith(("OMP_", "TF_"))}

    def shared(self) -> tuple[bool, float]:
        """Whether the array that was put into the cluster is a view on shared memory, and its sum."""
        array: np.ndarray = self.given["array"]
        return not array.flags.owndata and not array.flags.writeable, float(array.sum())


class SlowShares(Shares):
    """Takes a moment for each range, so that something can happen meanwhile."""

    def sums(self, *arguments: Any) -> Any:
        time.sleep(0.02)
        return super().sums(*arguments)


class DeadlyShares(Shares):
    """Dies of whatever it is to sum."""

    def sums(self, *_arguments: Any) -> Any:
        os._exit(1)


def do_jobs(database: Database, *, threads: int, deaths: str) -> int:
    """Take the jobs one by one by row locks, until none is left; the first process to come to a deadly one dies of it.

    `deaths` is a folder, of a file for each death.
    """
    done = 0
    with database.session() as session:
        while True:
            with session.transaction():
                rows = session.rows_of("SELECT n, deadly FROM job ORDER BY n LIMIT 1 FOR UPDATE SKIP LOCKED", {})
                if not rows:
                    return done
                session.run_script(f"INSERT INTO done VALUES ({rows[0].n}, {os.getpid()})")
                session.run_script(f"DELETE FROM job WHERE n = {rows[0].n}")
                time.sleep(0.02)
                if rows[0].deadly and len(list(Path(deaths).iterdir())) < rows[0].deadly:
                    Path(deaths, f"{os.getpid()}").touch()
                    os._exit(1)
            done += 1


def wait_for_ever(_database: Database, *, threads: int) -> None:
    """Do nothing, and never end."""
    time.sleep(3600)


def refuse(_database: Database, *, threads: int) -> None:
    """Refuse to work."""
    raise InputRefused("not today", hint="come back tomorrow")


def tell(database: Database, *, threads: int, array: np.ndarray) -> dict[str, Any]:
    """Tell what this process was given."""
    return {"dsn": database.dsn, "environment": dict(os.environ), "sum": float(array.sum()), "threads": threads}


def _stub(files: travelling.Files, fingerprint: str) -> Embedder:
    return stub.Stub(StoredEmbedder(1, "stub", "elmo", fingerprint, stub.DIM, "", {}, active=True))


def embed_slowly(database: Database, **given: Any) -> None:
    """Embed for a sync with the stub, which takes 50 ms for a text, and dies of some."""
    os.environ[stub.SLOW] = "0.05"
    stub.install()
    travelling.load = _stub
    clustered.embed(database, **given)
