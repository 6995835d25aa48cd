"""How far a run is: what this process and all others have committed, counted once and shown as one progress."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tagdb.db.connection import Session
from tagdb.models import Progress, Reporter

_HANGING_SECONDS = 60.0
_COUNTED = ("texts", "truncated", "without_token", "refused")

Counts: TypeAlias = Mapping[str, int]


@dataclass
class Embedded:
    """How many distinct texts got a vector, `truncated` of them only up to the token cap, and how many did not.

    There was nothing to embed in those `without_token`; the others were `refused`.
    """

    due: int = 0
    texts: int = 0
    truncated: int = 0
    without_token: int = 0
    refused: int = 0
    seconds: float = 0.0

    @property
    def finished(self) -> int:
        """How many texts have a vector or a reason now."""
        return self.texts + self.without_token + self.refused

    @property
    def texts_per_second(self) -> float | None:
        """The rate of embedding and writing, None when there was nothing to tell it from."""
        return self.texts / self.seconds if self.texts and self.seconds else None

    def take(self, counts: Counts) -> None:
        """Take over counts of texts."""
        for name in _COUNTED:
            setattr(self, name, counts[name])


@dataclass
class Tally:
    """Adds up in `done` what this worker does and, for whoever coordinates the `run`, what all others do."""

    done: Embedded
    progress: Progress
    reporter: Reporter
    run: int | None = None
    _own: Counts = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    _others: Counts = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    _shown: int = 0
    _moved_at: float = field(default_factory=time.monotonic)
    _told: bool = False

    def add(self, counts: Counts) -> None:
        """Count what this worker has committed."""
        self._own = _sum(self._own, counts)
        self.done.take(_sum(self._own, self._others))

    def observe(self, session: Session, worker: int | None) -> None:
        """See what others than `worker` have committed, if it is for this process to know."""
        if self.run is not None:
            row = session.row("work.done_by_others", run=self.run, worker=worker)
            assert row is not None
            self._others = row._asdict()
            self.done.take(_sum(self._own, self._others))

    def settle(self, session: Session) -> None:
        """Believe what all have noted, also of a commit whose answer was lost with its connection."""
        if self.run is not None:
            self._own = dict.fromkeys(_COUNTED, 0)
            self.observe(session, None)
            self.show()

    def show(self) -> None:
        """Move the progress on."""
        if self.done.finished > self._shown:
            self.progress.advance(self.done.finished - self._shown)
            self._shown, self._moved_at, self._told = self.done.finished, time.monotonic(), False

    def wait(self, session: Session, worker: int | None) -> None:
        """Show what others do, and who they are where they do nothing for long."""
        self.observe(session, worker)
        self.show()
        if self.run is None or self._told or time.monotonic() - self._moved_at < _HANGING_SECONDS:
            return
        if row := session.row("work.at_work", run=self.run):
            held = f"process {row.pid} on {row.host}, which has had a range for {row.seconds:,} s"
            self.reporter.say(f"waiting for {held}; if it hangs, end it")
            self._told = True


def _sum(one: Counts, other: Counts) -> Counts:
    return {name: one[name] + other[name] for name in _COUNTED}
