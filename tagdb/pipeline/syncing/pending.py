"""Whether there may be something to sync, asked every second: a poll that reads no table of the user's if it can.

What the server says of its transactions and of the tables comes first, and costs milliseconds. A look at all rows
takes microseconds a row: it comes only where that leaves a doubt, and takes a small share of the time in all.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tagdb.db.connection import Session
from tagdb.pipeline.syncing import moved

LOOKING_SHARE = 1 / 20
"""So much of the time looks at all rows may take."""

NOTE_EVERY_SECONDS = 60.0
"""How often the database is told that everything is still current."""


@dataclass(frozen=True)
class Signs:
    """What tells cheaply that rows may have moved.

    `snapshot` is the same only while no transaction of the server has written anything; `writes` is another one once
    PostgreSQL has counted writes to what the source reads, or when there is another table, embedder or classifier.
    """

    snapshot: str
    writes: str
    read_at: Any
    at: float

    @classmethod
    def read(cls, session: Session) -> Signs:
        """Ask the server."""
        at = time.monotonic()
        row = session.row("watching.signs")
        assert row is not None
        return cls(row.snapshot, row.writes, row.read_at, at)


class Pending:
    """Remembers up to when everything is known to be current, and asks whether it still is.

    Where changes are captured, those that wait tell at once, and no look at all rows is needed: should there be a doubt
    whether all are captured, a pass is what finds that out, and `writes` begin one.
    """

    def __init__(self, max_tokens: int, look_every: float) -> None:
        self._max_tokens, self._look_every = max_tokens, look_every
        self._seen: Signs | None = None
        self._before: Signs | None = None
        self._unmoved = ""
        self._looked_at, self._noted_at, self._cost = 0.0, 0.0, 0.0
        self.current_at: float | None = None

    def is_pending(self, session: Session) -> bool:
        """Return whether there may be something to sync since the last pass that was `done`."""
        signs = self._seen = Signs.read(session)
        if self._before is None or signs.writes != self._before.writes:
            return True
        if (waiting := session.scalar("captured.any_waiting")) is not None:
            if not waiting:
                self._is_current(session, signs, captured=True)
            return bool(waiting)
        if signs.snapshot == self._unmoved:
            self._is_current(session, signs)
        if not self._is_time_to_look(session, signs):
            return False
        with session.transaction(read_only=True):
            if not moved.glance(session, self._max_tokens).nothing_moved:
                return True
        self._looked_at = time.monotonic()
        self._cost = self._looked_at - signs.at
        self._is_current(session, signs)
        return False

    def begin(self) -> None:
        """A pass begins, which takes in what was there when `is_pending` was asked last."""
        self._before = None

    def done(self) -> None:
        """The pass that was begun has left nothing to do."""
        assert self._seen is not None
        self._before = self._seen
        self.current_at = self._seen.at
        self._looked_at = self._noted_at = time.monotonic()

    def _is_time_to_look(self, session: Session, signs: Signs) -> bool:
        """Return whether all rows are to be looked at now: they may have moved without a sign, or with one to come."""
        waited = signs.at - self._looked_at
        if not moved.rows_tell(session):
            return waited >= self._look_every
        if signs.snapshot == self._unmoved:
            return False
        return waited >= min(self._look_every, self._cost / LOOKING_SHARE)

    def _is_current(self, session: Session, signs: Signs, *, captured: bool = False) -> None:
        """Remember that nothing has moved up to these signs, and now and then tell the database so."""
        self._unmoved, self.current_at = signs.snapshot, signs.at
        if signs.at - self._noted_at < NOTE_EVERY_SECONDS or not (captured or moved.rows_tell(session)):
            return
        own = session.scalar("watching.note_current", at=signs.read_at)
        self._noted_at = signs.at
        self._unmoved = _after(signs.snapshot, own)


def _after(snapshot: str, own: int | None) -> str:
    """Return what a snapshot becomes by the end of a transaction of one's own, if no other one has begun."""
    _, upto, running = snapshot.split(":")
    return f"{own + 1}:{own + 1}:" if own is not None and int(upto) == own and not running else snapshot
