"""Ranges of the staged texts, which workers share: cut to size when one is asked for, and held by the lock of its row.

How often a range was begun with is committed before the work, so that it outlives the worker.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from tagdb.db.connection import Row, Session
from tagdb.pipeline.syncing import blocks
from tagdb.pipeline.syncing.blocks import Block
from tagdb.pipeline.syncing.staging import Work

FIRST_BLOCK_BYTES = 2**14
"""As long as the texts of the first block are together: some seconds of a large model's time, less of a small one's."""

BLOCK_SECONDS = 5.0
BLOCK_SHARE = 1 / 32
"""A block may take so long, or be such a share of all that is due: neighbours in large blocks share more of their
prefixes and suffixes, but a killed worker loses the block at hand.
"""

LEAST_SECONDS = 0.5
"""A block takes at least so long, or is as long as the first one, where many workers share the end of the work."""

GROWTH = 4
LARGEST_VECTORS_BYTES = 2**28
LARGEST_TEXTS_BYTES = 2**25

_CUTTING_SECONDS, _PAUSE = 1.0, 0.005

MOST_ATTEMPTS = 3
DEADLY = "its worker died three times"


class RunEnded(Exception):
    """Whoever coordinates the run is gone, and with it the reason to go on."""


@dataclass(frozen=True)
class Range:
    """A piece of the staged texts, by their places, that a worker has claimed as the one of so many attempts."""

    id: int
    first: int
    last: int
    bytes: int
    attempts: int

    @property
    def suspect(self) -> bool:
        """Whether somebody has begun with it before: then it is worked on alone, lest others be blamed for it."""
        return self.attempts > 1


class Pace:
    """How many texts, and how many bytes of them, the next piece is to have: by how long the last ones took."""

    def __init__(self, work: Work) -> None:
        vector_bytes = work.embedder.dim * np.dtype(np.float32).itemsize
        self.texts = work.block_size or max(1, LARGEST_VECTORS_BYTES // vector_bytes)
        self.bytes = FIRST_BLOCK_BYTES if work.block_size is None else 2**62
        self._share = int(BLOCK_SHARE * work.bytes)
        self._least = FIRST_BLOCK_BYTES
        self.fixed = work.block_size is not None

    @property
    def least_bytes(self) -> int:
        """What a piece has at least, also where little is left for each worker."""
        return self.bytes if self.fixed else self._least

    @property
    def largest_bytes(self) -> int:
        """What a piece has at most, whatever its time."""
        return self.bytes if self.fixed else LARGEST_TEXTS_BYTES

    def took(self, size_bytes: int, seconds: float) -> None:
        """Take the next piece as large as its time allows, and not many times as large as one whose time is known."""
        if self.fixed or not size_bytes:
            return
        a_second = size_bytes / max(seconds, 1e-6)
        self._least = max(1, min(int(a_second * LEAST_SECONDS), FIRST_BLOCK_BYTES))
        in_time = int(a_second * BLOCK_SECONDS)
        largest = min(GROWTH * size_bytes, LARGEST_TEXTS_BYTES)
        self.bytes = max(min(max(in_time, self._share), largest), 1)


def claim(session: Session, work: Work, worker: int, pace: Pace, *, ahead: bool) -> Range | None:
    """Claim the next range and begin the transaction that holds it; None where there is none to be had now.

    Pieces that nobody has had come first. Whoever claims `ahead`, still at work on another range, gets none that others
    have begun with before. One that was begun with too often is halved; of a single text, that is the end.

    Raises
    ------
    RunEnded : nobody coordinates the run any more
    """
    while True:
        if not session.scalar("work.goes_on", run=work.run):
            raise RunEnded
        with session.transaction():
            found = _cut_next(session, work, worker, pace) or _take_free(session, work, worker, pace, ahead=ahead)
        if not isinstance(found, Range):
            if found is None:
                return None
            continue
        session.begin()
        if session.row("work.lock", range=found.id, attempts=found.attempts) is not None:
            return found
        session.roll_back()


def give_back(session: Session, held: Range) -> None:
    """Let others have a range at once, as if this worker had never begun with it."""
    session.execute("work.give_back", range=held.id, attempts=held.attempts)


def fetch(session: Session, work: Work, held: Range) -> tuple[list[int], list[str]]:
    """Return the numbers and the texts of a range that are there still."""
    rows = session.rows("work.texts", run=work.run, first=held.first, last=held.last)
    return [row.id for row in rows], [row.text for row in rows]


def finish(session: Session, work: Work, worker: int, range_id: int, block: Block) -> None:
    """Store what became of a range's texts and let the range vanish, within the caller's transaction."""
    blocks.store(session, work.embedder.id, block)
    session.execute("work.finish", range=range_id)
    session.execute("work.count", worker=worker, **block.counts)


def _cut_next(session: Session, work: Work, worker: int, pace: Pace) -> Range | None:
    deadline = time.monotonic() + _CUTTING_SECONDS
    while (rest := session.row("work.lock_rest", run=work.run)) is None:
        if not session.scalar("work.has_rest", run=work.run) or time.monotonic() > deadline:
            return None
        time.sleep(_PAUSE)
    return _cut(session, work, worker, rest, pace, attempts=1, size=pace.bytes, least=pace.least_bytes)


def _take_free(session: Session, work: Work, worker: int, pace: Pace, *, ahead: bool) -> Range | bool | None:
    """Take a range that somebody has left; True where something else was done about one instead."""
    free = session.row("work.lock_free", run=work.run, ahead=ahead)
    if free is None:
        return None
    if free.attempts < MOST_ATTEMPTS:
        size = pace.largest_bytes
        return _cut(session, work, worker, free, pace, attempts=free.attempts + 1, size=size, least=size)
    if free.first < free.last:
        session.execute("work.halve", range=free.id)
    else:
        rows = session.rows("work.texts", run=work.run, first=free.first, last=free.last)
        finish(session, work, worker, free.id, Block(failures={row.id: DEADLY for row in rows}))
    return True


def _cut(
    session: Session, work: Work, worker: int, row: Row, pace: Pace, *, attempts: int, size: int, least: int
) -> Range:
    places = {"range": row.id, "first": row.first, "last": row.last}
    sizes = {"texts": pace.texts, "bytes": size, "least_bytes": least}
    cut = session.row("work.cut", run=work.run, worker=worker, attempts=attempts, **places, **sizes)
    assert cut is not None
    return Range(cut.id, cut.first, cut.last, cut.bytes, cut.attempts)
