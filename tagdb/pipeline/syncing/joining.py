"""`tagdb work`: a process that joins the sync that is running, on whatever machine, and embeds beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from tagdb import elmo
from tagdb.db.connection import Database, Row, Session
from tagdb.errors import ConnectionFailed, Unavailable
from tagdb.models import Embedder, Reporter
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.running.stopping import StopRequest, ending_on_sigterm, finishing_blocks
from tagdb.pipeline.syncing import staging
from tagdb.pipeline.syncing.seats import Seats
from tagdb.pipeline.syncing.staging import Work
from tagdb.pipeline.syncing.tally import Embedded, Tally
from tagdb.pipeline.syncing.working import Worker

_PAUSE_SECONDS = 0.5

_Answer = TypeVar("_Answer")


@dataclass
class Worked:
    """What a worker did at one sync or, having waited for more, at several of them."""

    syncs: int = 0
    embedded: Embedded = field(default_factory=Embedded)

    def add(self, done: Embedded) -> None:
        """Count what was done at one more."""
        self.syncs += 1
        for name in ("texts", "truncated", "without_token", "refused", "seconds"):
            setattr(self.embedded, name, getattr(self.embedded, name) + getattr(done, name))


def work(database: Database, reporter: Reporter, *, wait: bool = False, threads: int | None = None) -> Worked:
    """Embed for the sync that is running until it has nothing left; with `wait`, then for the next one, for ever.

    Raises
    ------
    Unavailable : no sync is running, or what it embeds with is not on this machine
    Stopped : a signal came; what was at hand was finished
    """
    if threads is not None:
        elmo.limit_threads(threads)
    keep, result = _Keep(reporter), Worked()
    with ending_on_sigterm(), finishing_blocks() as stop, closing(Seats(database, None, reporter, stop)) as seats:
        seats.first.require_writable()
        joined = None
        while (row := _running(seats, stop, after=joined, wait=wait)) is not None:
            joined = row.run
            if _asked(seats, partial(_is_left, row.run)):
                staged = _asked(seats, partial(staging.announced, row=row))
                result.add(_work_at(seats, staged, keep, reporter, stop))
            if not wait:
                break
    if joined is None:
        hint = "tagdb sync; or let this one wait for it: tagdb work --wait"
        raise Unavailable("no sync is running on this collection", hint=hint)
    return result


def _running(seats: Seats, stop: StopRequest, *, after: int | None, wait: bool) -> Row | None:
    """Return the sync that is running, once it has said what there is to do, or has ended without; None without one."""
    seen: Row | None = None
    while True:
        stop.check()
        row: Row | None = _asked(seats, _ask_for_running)
        if row is not None and row.run != after:
            seen = row
            if row.announced:
                return row
        elif not wait:
            return seen
        time.sleep(_PAUSE_SECONDS)


def _ask_for_running(session: Session) -> Row | None:
    return session.row("work.running")


def _is_left(run: int, session: Session) -> bool:
    return bool(session.scalar("work.is_left", run=run))


def _asked(seats: Seats, question: Callable[[Session], _Answer]) -> _Answer:
    """Ask the database, on another connection where one was lost."""
    while True:
        try:
            return question(seats.first)
        except ConnectionFailed as error:
            seats.mend(seats.first, error)


def _work_at(seats: Seats, staged: Work, keep: _Keep, reporter: Reporter, stop: StopRequest) -> Embedded:
    encoder = keep.load(staged.embedder)
    started, done = time.perf_counter(), Embedded()
    with reporter.step(f"embedding for sync {staged.run}", None, "texts") as progress:
        Worker(seats, staged, encoder, Tally(done, progress, reporter), stop).run()
    done.seconds = time.perf_counter() - started
    return done


class _Keep:
    """The model of the last sync, for the next one that wants the same."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._fingerprint: str | None = None
        self._encoder: Embedder | None = None

    def load(self, stored: StoredEmbedder) -> Embedder:
        if self._encoder is None or self._fingerprint != stored.fingerprint:
            self._encoder = None  # before another one takes as much memory
            self._reporter.say(f"loading embedder {stored.name!r}")
            self._encoder, self._fingerprint = registry.load_here(stored), stored.fingerprint
        return self._encoder
