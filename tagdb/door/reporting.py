"""What a program learns while a method runs: news through the standard library's logging, and how far long work is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from tagdb import advice, config, drawing, shortening
from tagdb.drawing import Drawing
from tagdb.models import Progress, Reporter, Silent

_LOG = logging.getLogger("tagdb")
_LOG.addHandler(logging.NullHandler())  # without a configuration of the program's own, nothing is printed


@dataclass(frozen=True)
class Event:
    """How far a step of the work is: `done` of `total` units, None where nobody knows how many there will be.

    Each step begins with an event of nothing done; its last one is `finished`, unless the step failed.
    """

    step: str
    done: int
    total: int | None
    unit: str
    note: str = ""
    finished: bool = False


Watcher: TypeAlias = Callable[[Event], object]


Progressing: TypeAlias = bool | Watcher | Reporter | None
"""How a caller follows long work: drawn on stderr (True), told to a function, not at all, or all by a reporter."""


def reporter(progress: Progressing, schema: str = config.DEFAULT_SCHEMA) -> Reporter:
    """Return what reports news by logging and progress as is asked for, or the reporter that is to have both."""
    if progress is None or progress is False:
        return _Logged(None, schema)
    if progress is True:
        return _Logged(_draw, schema)
    return _Logged(_Told(progress), schema) if callable(progress) else progress


def _draw(name: str, total: int | None, unit: str) -> AbstractContextManager[Progress]:
    return drawing.fitting(drawing.print_line)(name, total, unit)


class _Logged:
    def __init__(self, draw: Drawing | None, schema: str) -> None:
        self._draw, self._schema = draw, schema

    def say(self, message: str) -> None:
        """Log one line of news."""
        _LOG.info("%s", shortening.cut(advice.addressed(message, self._schema)))

    def warn(self, message: str) -> None:
        """Log one line that may mean harm."""
        _LOG.warning("%s", shortening.cut(advice.addressed(message, self._schema)))

    def step(self, name: str, total: int | None = None, unit: str = "rows") -> AbstractContextManager[Progress]:
        """Open a step, watched as was asked for."""
        return Silent().step(name, total, unit) if self._draw is None else self._draw(name, total, unit)


class _Told:
    """Opens steps that a function is told of."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    @contextmanager
    def __call__(self, name: str, total: int | None, unit: str) -> Iterator[Progress]:
        """Open a step."""
        step = _Step(self._watcher, name, total, unit)
        step.tell()
        yield step
        step.finish()


class _Step:
    """Counts, and tells. What the function raises ends the work, also where it was told by a thread beside it."""

    def __init__(self, watcher: Watcher, name: str, total: int | None, unit: str) -> None:
        self._watcher, self._name, self._total, self._unit = watcher, name, total, unit
        self._done, self._note = 0, ""
        self._thread = threading.get_ident()
        self._raised: BaseException | None = None

    def advance(self, amount: int) -> None:
        """Count `amount` more units as done."""
        self._done += amount
        self.tell()

    def note(self, text: str) -> None:
        """Tell of the progress with these words from now on."""
        self._note = text
        self.tell()

    def finish(self) -> None:
        """Tell that this was all."""
        if self._raised is not None:
            raise self._raised
        self.tell(finished=True)

    def tell(self, *, finished: bool = False) -> None:
        """Tell how far it is."""
        event = Event(self._name, self._done, self._total, self._unit, self._note, finished)
        if threading.get_ident() == self._thread:
            self._watcher(event)
        elif self._raised is None:
            self._tell_beside(event)

    def _tell_beside(self, event: Event) -> None:
        try:
            self._watcher(event)
        except BaseException as error:
            self._raised = error
