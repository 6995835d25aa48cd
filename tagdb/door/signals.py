"""A signal that ended the work of a method is the program's own: its handler, held back meanwhile, gets it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tagdb.errors import Stopped


@contextmanager
def handed_on() -> Iterator[None]:
    """Let the handler of the program around have the signal by which the work inside was stopped, and end it anyway.

    Ctrl-C so becomes KeyboardInterrupt, once what was begun is committed, for `except TagdbError` must not swallow it.

    Raises
    ------
    Stopped : the program has no handler of its own, or one that raises nothing
    """
    try:
        yield
    except Stopped as stopped:
        handler = signal.getsignal(stopped.signum)
        if callable(handler):
            handler(stopped.signum, None)
        raise
