"""One worker, be it the sync itself or a process beside it: claims ranges of texts and embeds them until all is done.

A worker has one or two connections. While it embeds what one of them holds, it stores on the other what was embedded
before, and claims and fetches there what comes next.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tagdb.db.connection import Session
from tagdb.errors import ConnectionFailed, TagdbError
from tagdb.models import Embedder
from tagdb.pipeline.running.stopping import StopRequest
from tagdb.pipeline.syncing import blocks, ranges
from tagdb.pipeline.syncing.blocks import Block
from tagdb.pipeline.syncing.ranges import Pace, Range, RunEnded
from tagdb.pipeline.syncing.seats import Seats
from tagdb.pipeline.syncing.staging import Work
from tagdb.pipeline.syncing.tally import Tally

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0

_Result = TypeVar("_Result")


@dataclass
class _Task:
    """A range that is held in a transaction of `session`, with its texts."""

    session: Session
    range: Range
    block: Block


class Worker:
    """A worker at one run: `run` returns when no range is left, or when nobody coordinates the run any more."""

    def __init__(self, seats: Seats, work: Work, encoder: Embedder, tally: Tally, stop: StopRequest) -> None:
        self._seats, self._work, self._encoder, self._tally, self._stop = seats, work, encoder, tally, stop
        self._pace = Pace(work)
        self._held: dict[Session, Range] = {}
        self._lost: list[Range] = []
        self._over = False
        self._id: int = seats.first.scalar("work.register", run=work.run, host=socket.gethostname(), pid=os.getpid())

    def run(self) -> None:
        """Work until all is done, or a signal has come: what is at hand is finished then."""
        self._seats.first.execute("work.hold", worker=self._id)
        blameless = True
        try:
            with ThreadPoolExecutor(1, "tagdb-turn") as beside:
                self._work_on(beside)
        except Exception as error:
            blameless = isinstance(error, TagdbError)  # of anything else the texts at hand may be the cause
            raise
        finally:
            self._leave(blameless=blameless)

    def _work_on(self, beside: ThreadPoolExecutor) -> None:
        done: _Task | None = None
        while (task := self._next(done)) is not None:
            done = None
            while task is not None:
                other = self._seats.other(task.session)
                turn = beside.submit(self._turn, other, done, task.range, copy(self._pace)) if other else None
                self._embed(task)
                ahead = self._mending(other, turn.result) if other and turn else None
                done, task = task, ahead
                self._tally.show()
                if task is not None and self._stop.requested:
                    self._put_back(task.session)
                    task = None

    def _next(self, done: _Task | None) -> _Task | None:
        """Store what is done and return the next task, waiting for one that others may leave; None when all is done."""
        if done is not None:
            self._mending(done.session, partial(self._store, done))
            self._tally.show()
        pause = _FIRST_PAUSE
        while not (self._stop.requested or self._over):
            first = self._seats.first
            task = self._mending(first, partial(self._claim, first, self._pace, ahead=False))
            if task is not None:
                return task
            if self._mending(first, partial(self._is_left, first)) is False:
                return None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return None

    def _turn(self, session: Session, done: _Task | None, beside: Range, pace: Pace) -> _Task | None:
        """Store on one connection, and claim there, while what the other one holds is being embedded."""
        if done is not None:
            self._store(done)
        return None if beside.suspect else self._claim(session, pace, ahead=True)

    def _claim(self, session: Session, pace: Pace, *, ahead: bool) -> _Task | None:
        while self._lost:
            ranges.give_back(session, self._lost[-1])
            self._lost.pop()
        try:
            found = ranges.claim(session, self._work, self._id, pace, ahead=ahead)
        except RunEnded:
            self._over = True
            return None
        if found is None:
            return None
        self._held[session] = found
        text_ids, texts = ranges.fetch(session, self._work, found)
        return _Task(session, found, blocks.tokenize(text_ids, texts, self._encoder, self._work.max_tokens))

    def _embed(self, task: _Task) -> None:
        started = time.perf_counter()
        blocks.embed(task.block, self._encoder)
        self._pace.took(task.range.bytes, time.perf_counter() - started)

    def _store(self, task: _Task) -> None:
        ranges.finish(task.session, self._work, self._id, task.range.id, task.block)
        task.session.commit()
        del self._held[task.session]
        self._tally.add(task.block.counts)
        self._tally.observe(task.session, self._id)

    def _is_left(self, session: Session) -> bool:
        self._tally.wait(session, self._id)
        return bool(session.scalar("work.is_left", run=self._work.run))

    def _mending(self, session: Session, action: Callable[[], _Result]) -> _Result | None:
        """Do something on a connection; where that is lost, make it anew and return None: others may have its range."""
        try:
            return action()
        except ConnectionFailed as error:
            if (held := self._held.pop(session, None)) is not None:
                self._lost.append(held)
            if self._seats.mend(session, error):
                self._seats.first.execute("work.hold", worker=self._id)
            return None

    def _put_back(self, session: Session) -> None:
        session.roll_back()
        ranges.give_back(session, self._held.pop(session))

    def _leave(self, *, blameless: bool) -> None:
        """Let go of all that is held; `blameless` ranges as if they had never been begun with."""
        for session, held in self._held.items():
            session.roll_back()
            self._lost.append(held)
        first = self._seats.first
        with suppress(TagdbError):
            for each in self._lost if blameless else ():
                ranges.give_back(first, each)
            first.execute("work.leave", worker=self._id)
            first.execute("work.let_go", worker=self._id)
