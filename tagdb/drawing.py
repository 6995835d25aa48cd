"""Long work drawn on stderr: as a bar with rate and time left on a terminal, elsewhere as a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

from tagdb.models import Progress

LINE_EVERY_SECONDS = 5.0

Drawing: TypeAlias = Callable[[str, int | None, str], AbstractContextManager[Progress]]
"""What opens a step: its name, its total and its unit, as `Reporter.step` takes them."""


def fitting(say: Callable[[str], None]) -> Drawing:
    """Return what draws steps on stderr as it is now; `say` prints a line where there is no terminal for a bar."""
    return bar if sys.stderr.isatty() else Lines(say)


def print_line(line: str) -> None:
    """Print a line to stderr."""
    print(line, file=sys.stderr, flush=True)


class Lines:
    """Says how far a step is every few seconds, and what it took when that was worth telling."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    @contextmanager
    def __call__(self, name: str, total: int | None, unit: str) -> Iterator[Progress]:
        """Open a step."""
        progress = _LineProgress(self._say, name, total, unit)
        yield progress
        progress.finish()


class _LineProgress:
    def __init__(self, say: Callable[[str], None], name: str, total: int | None, unit: str) -> None:
        self._say, self._name, self._total, self._unit = say, name, total, unit
        self._done, self._started = 0, time.monotonic()
        self._spoken, self._note = self._started, ""

    def advance(self, amount: int) -> None:
        """Count, and speak when it is time."""
        self._done += amount
        if time.monotonic() - self._spoken >= LINE_EVERY_SECONDS:
            self._spoken = time.monotonic()
            self._say(self._line())

    def note(self, text: str) -> None:
        """Keep a few words for the next line."""
        self._note = f"; {text}"

    def finish(self) -> None:
        """Speak a last time when the step took long enough to wonder about."""
        if time.monotonic() - self._started >= LINE_EVERY_SECONDS:
            took = duration(time.monotonic() - self._started)
            self._say(f"{self._name}: done in {took}" if self._total is None else self._line())

    def _line(self) -> str:
        rate = self._done / max(time.monotonic() - self._started, 1e-9)
        line = f"{self._name}: {_amount(self._done, self._unit)}"
        if self._total:
            left = duration((self._total - self._done) / rate) if rate else "?"
            line += f" of {_amount(self._total, self._unit)}, {_amount(rate, self._unit)}/s, {left} left"
        return line + self._note


@contextmanager
def bar(name: str, total: int | None, unit: str) -> Iterator[Progress]:
    """Draw a bar of rich for a step; without a total, a spinner."""
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    known = (BarColumn(), TextColumn("{task.fields[done]}"), TimeRemainingColumn())
    columns = (TextColumn(f"{name:<22}"), *(known if total else (SpinnerColumn(), TimeElapsedColumn())))
    with Bars(*columns, console=Console(stderr=True), transient=total is None) as bars:
        task = bars.add_task(name, total=total, done="")
        yield _BarProgress(bars, task, unit)


class _BarProgress:
    def __init__(self, bars: object, task: object, unit: str) -> None:
        self._bars, self._task, self._unit = bars, task, unit
        self._done, self._started, self._note = 0, time.monotonic(), ""

    def note(self, text: str) -> None:
        """Keep a few words to show beside the bar."""
        self._note = f"; {text}"

    def advance(self, amount: int) -> None:
        """Move the bar."""
        self._done += amount
        rate = self._done / max(time.monotonic() - self._started, 1e-9)
        done = f"{_amount(self._done, self._unit)}, {_amount(rate, self._unit)}/s{self._note}"
        self._bars.update(self._task, completed=self._done, done=done)  # type: ignore[attr-defined]


def duration(seconds: float) -> str:
    """Say seconds as people do: 8 s, 1:05, 2:03:20."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _amount(value: float, unit: str) -> str:
    return f"{value / 1e6:,.1f} MB" if unit == "bytes" else f"{value:,.0f} {unit}"
