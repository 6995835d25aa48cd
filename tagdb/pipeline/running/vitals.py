"""How a process that watches is doing, counted for whoever asks it from beside: a thread that answers a monitor."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Snapshot:
    """How it was doing at one moment.

    `lag` is since when, in seconds, all labels were last known to be current, or since the watch began; `fault` is why
    the last pass failed, or the server is lost.
    """

    started_at: float
    reachable: bool = False
    fault: str | None = None
    lag: float = 0.0
    passes: int = 0
    failures: int = 0
    seconds: float = 0.0
    last_seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)


class Vitals:
    """Told by the thread that watches, asked by others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current_at = time.monotonic()
        self._now = Snapshot(time.time())

    def snapshot(self) -> Snapshot:
        """Return how it is doing."""
        with self._lock:
            return replace(self._now, lag=time.monotonic() - self._current_at, counts=self._now.counts.copy())

    def unwell(self, max_lag: float) -> str | None:
        """Return why an alarm is to be raised, None when all is well."""
        now = self.snapshot()
        if now.fault is not None:
            return now.fault
        return f"labels were last known to be current {now.lag:.0f} s ago" if now.lag > max_lag else None

    def current(self, at: float | None) -> None:
        """Note up to which moment of the monotonic clock everything is known to be current."""
        if at is not None:
            with self._lock:
                self._current_at = at

    def passed(self, seconds: float, counts: Mapping[str, int]) -> None:
        """Count a pass that left nothing to do, and what it did."""
        with self._lock:
            passes, total = self._now.passes + 1, self._now.seconds + seconds
            self._now = replace(self._now, fault=None, passes=passes, seconds=total, last_seconds=seconds)
            self._now.counts.update(counts)

    def well(self) -> None:
        """Note that nothing is wrong any more."""
        with self._lock:
            self._now = replace(self._now, fault=None)

    def failed(self, fault: str, counts: Mapping[str, int]) -> None:
        """Count a pass that failed, and what it did all the same."""
        with self._lock:
            self._now = replace(self._now, fault=fault, failures=self._now.failures + 1)
            self._now.counts.update(counts)

    def lost(self, fault: str) -> None:
        """Note that there is no server."""
        with self._lock:
            self._now = replace(self._now, reachable=False, fault=fault)

    def reached(self) -> None:
        """Note that there is one."""
        with self._lock:
            self._now = replace(self._now, reachable=True, fault=self._now.fault if self._now.reachable else None)
