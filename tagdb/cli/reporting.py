"""What goes to stderr: news and warnings as lines, and long work as a bar with rate and time left on a terminal,
elsewhere as a line now and then.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import typer

from tagdb import shortening
from tagdb.cli.common import duration, verbosity
from tagdb.models import Progress, Reporter, Silent

_LINE_EVERY_SECONDS = 5.0


def reporter() -> Reporter:
    """Return the reporter that fits stderr and --quiet."""
    if verbosity.quiet:
        return _Warnings()
    return _Bars() if sys.stderr.isatty() else _Lines()


def say(message: str, *, longest: int = shortening.LONGEST_MESSAGE) -> None:
    """Print one line to stderr; with --verbose, after the time."""
    now = f"{datetime.now().astimezone().isoformat(timespec='seconds')} " if verbosity.verbose else ""
    typer.echo(now + shortening.cut(message, longest), err=True)


class _Warnings(Silent):
    """With --quiet: nothing but what may be wrong."""

    def warn(self, message: str) -> None:
        """Print one line."""
        say(f"warning: {message}")


class _Lines(_Warnings):
    """Plain lines: news as they come, progress every few seconds."""

    def say(self, message: str) -> None:
        """Print one line."""
        say(message)

    @contextmanager
    def step(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Progress]:
        """Report how far the step is every few seconds, and what it took when that was worth telling."""
        progress = _LineProgress(name, total, unit)
        yield progress
        progress.finish()


class _LineProgress:
    def __init__(self, name: str, total: int | None, unit: str) -> None:
        self._name, self._total, self._unit = name, total, unit
        self._done, self._started = 0, time.monotonic()
        self._spoken, self._note = self._started, ""

    def advance(self, amount: int) -> None:
        """Count, and speak when it is time."""
        self._done += amount
        if time.monotonic() - self._spoken >= _LINE_EVERY_SECONDS:
            self._spoken = time.monotonic()
            say(self._line())

    def note(self, text: str) -> None:
        """Keep a few words for the next line."""
        self._note = f"; {text}"

    def finish(self) -> None:
        """Speak a last time when the step took long enough to wonder about."""
        if time.monotonic() - self._started >= _LINE_EVERY_SECONDS:
            took = duration(time.monotonic() - self._started)
            say(f"{self._name}: done in {took}" if self._total is None else self._line())

    def _line(self) -> str:
        rate = self._done / max(time.monotonic() - self._started, 1e-9)
        line = f"{self._name}: {_amount(self._done, self._unit)}"
        if self._total:
            left = duration((self._total - self._done) / rate) if rate else "?"
            line += f" of {_amount(self._total, self._unit)}, {_amount(rate, self._unit)}/s, {left} left"
        return line + self._note


class _Bars(_Warnings):
    """Bars of rich, on a terminal."""

    def say(self, message: str) -> None:
        """Print one line."""
        say(message)

    @contextmanager
    def step(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Progress]:
        """Draw a bar for the step; without a total, a spinner."""
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        known = (BarColumn(), TextColumn("{task.fields[done]}"), TimeRemainingColumn())
        columns = (TextColumn(f"{name:<22}"), *(known if total else (SpinnerColumn(), TimeElapsedColumn())))
        with Bars(*columns, console=Console(stderr=True), transient=total is None) as bars:
            task = bars.add_task(name, total=total, done="")
            yield _BarProgress(bars, task, total, unit)


class _BarProgress:
    def __init__(self, bars: object, task: object, total: int | None, unit: str) -> None:
        self._bars, self._task, self._total, self._unit = bars, task, total, unit
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


def _amount(value: float, unit: str) -> str:
    return f"{value / 1e6:,.1f} MB" if unit == "bytes" else f"{value:,.0f} {unit}"
