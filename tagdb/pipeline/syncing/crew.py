"""Workers on this machine, each a process of its own with a share of the processors: started, watched and ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tagdb import config
from tagdb.db.connection import Database, Session
from tagdb.errors import Unavailable
from tagdb.models import Reporter
from tagdb.pipeline.syncing.ranges import FIRST_BLOCK_BYTES
from tagdb.pipeline.syncing.staging import Work

MOST_IDLE_DEATHS = 3
"""So many workers in a row may end before they have begun with a range."""

MOST_DEATHS = 30
"""So many may die in a row without a text done in between; a text that kills is found by fewer."""

_GRACE_SECONDS = 20.0
_LONGEST_REASON = 4_000
_OPTIONS = "TAGDB_WORK_"  # what a user sets for workers typed by hand
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    said: IO[bytes]

    def why(self) -> str:
        """Say how it ended, and the last that it said."""
        code = self.process.returncode
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self.said.seek(0)
        lines = self.said.read()[-_LONGEST_REASON:].decode(errors="replace").strip().splitlines()
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")] or lines
        return f"{how}: {errors[-1]}" if errors else how


class Crew:
    """So many processes at `tagdb work`, no more than have something to do; whoever dies is started again.

    That ends where it leads to nothing: where they do not get as far as to begin, or die with no text done in between.
    """

    def __init__(self, database: Database, count: int, work: Work, reporter: Reporter) -> None:
        self._database, self._work, self._reporter = database, work, reporter
        size, least = (work.texts, work.block_size) if work.block_size else (work.bytes, FIRST_BLOCK_BYTES)
        self._count = max(1, min(count, -(-size // least)))
        self._children: list[_Child] = []
        self._deaths = self._idle_deaths = 0
        self._done = -1
        self._dismissed = False

    def __enter__(self) -> Self:
        try:
            for _ in range(self._count):
                self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if kind is not None and not self._dismissed:
            self._ask_to_stop()
        self._end()

    def look_after(self, session: Session) -> None:
        """Start again who has died.

        Raises
        ------
        Unavailable : all have, and starting them again leads to nothing
        """
        for child in [each for each in self._children if each.process.poll() is not None]:
            self._children.remove(child)
            self._bury(session, child)

    def dismiss(self) -> None:
        """Let all end: with what is at hand where that is asked for early, at once where all is done."""
        self._dismissed = True
        self._ask_to_stop()
        for child in self._children:
            child.process.wait()

    def _bury(self, session: Session, child: _Child) -> None:
        row = session.row("work.of_process", run=self._work.run, host=socket.gethostname(), pid=child.process.pid)
        if not session.scalar("work.is_left", run=self._work.run):
            return
        why = child.why()
        child.said.close()
        done = session.scalar("work.count_done", run=self._work.run)
        if done > self._done:
            self._done, self._deaths = done, 0
        self._deaths += 1
        self._idle_deaths = 0 if row is not None and row.began else self._idle_deaths + 1
        if self._idle_deaths < MOST_IDLE_DEATHS and self._deaths < MOST_DEATHS:
            self._reporter.warn(f"worker {child.process.pid} {why}; starting another one")
            self._start()
        elif self._children:
            self._reporter.warn(f"worker {child.process.pid} {why}")
        else:
            raise Unavailable(
                f"no worker is left, the last one {why}",
                hint="fewer at a time take less memory: tagdb sync --workers 1; what was done is kept",
            )

    def _start(self) -> None:
        threads = max(1, _processors() // self._count)
        # An own module of the folder that this is typed in must not stand in for one of Python's.
        command = [sys.executable, "-P", "-m", "tagdb", "work", "--no-wait", "--quiet", "--threads", str(threads)]
        command += ["--schema", self._database.schema]
        said = tempfile.TemporaryFile()  # noqa: SIM115
        process = subprocess.Popen(
            command,
            env=self._environment(threads),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # Ctrl-C is this process's to hand on, once
        )
        self._children.append(_Child(process, said))

    def _environment(self, threads: int) -> dict[str, str]:
        """Return what a child is told, with the database, whose URL may hold a password."""
        here = str(Path(config.__file__).resolve().parent.parent)
        path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
        given = {name: value for name, value in os.environ.items() if not name.startswith(_OPTIONS)}
        environment = {**given, "PYTHONPATH": path, **dict.fromkeys(_THREADS, str(threads))}
        if self._database.dsn:
            environment["TAGDB_DATABASE_URL"] = self._database.dsn
        return environment

    def _ask_to_stop(self) -> None:
        for child in self._children:
            with suppress(ProcessLookupError):
                child.process.terminate()

    def _end(self) -> None:
        """See to it that none is left."""
        for child in self._children:
            try:
                child.process.wait(0 if self._dismissed else _GRACE_SECONDS)
            except BaseException:
                child.process.kill()
                child.process.wait()
            child.said.close()


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
