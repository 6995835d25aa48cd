"""SIGINT and SIGTERM in long work: the block at hand is finished and committed; a second signal ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tagdb.errors import Stopped

__all__ = ["StopRequest", "Stopped", "ending_on_sigterm", "finishing_blocks"]


class StopRequest:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self._signum: int | None = None

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._signum is not None

    def check(self) -> None:
        """Raise `Stopped` when a signal has come."""
        if self._signum is not None:
            raise Stopped(self._signum)

    def receive(self, signum: int, _frame: FrameType | None) -> None:
        """Take a signal: note the first, end at once on the second."""
        if self._signum is not None:
            raise KeyboardInterrupt
        self._signum = signum


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the work inside as SIGINT does: by an exception, so that what is open is closed in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, _frame: FrameType | None) -> None:
        raise Stopped(signum)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def finishing_blocks() -> Iterator[StopRequest]:
    """Hold signals back while the work inside looks at `requested` between its blocks; raise `Stopped` after it."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {signum: signal.signal(signum, request.receive) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
        request.check()
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
