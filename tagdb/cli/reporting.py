"""What goes to stderr: news and warnings as lines, and long work as it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from tagdb import advice, config, drawing, shortening
from tagdb.cli.common import verbosity
from tagdb.models import Progress, Reporter, Silent


def reporter(schema: str = config.DEFAULT_SCHEMA) -> Reporter:
    """Return the reporter that fits --quiet; what it advises to type is about the collection in `schema`."""
    return _Warnings(schema) if verbosity.quiet else _News(schema)


def say(message: str, *, longest: int = shortening.LONGEST_MESSAGE) -> None:
    """Print one line to stderr; with --verbose, after the time."""
    now = f"{datetime.now().astimezone().isoformat(timespec='seconds')} " if verbosity.verbose else ""
    drawing.print_line(now + shortening.cut(message, longest))


class _Warnings(Silent):
    """With --quiet: nothing but what may be wrong."""

    def __init__(self, schema: str) -> None:
        self._schema = schema

    def warn(self, message: str) -> None:
        """Print one line."""
        say(f"warning: {advice.addressed(message, self._schema)}")


class _News(_Warnings):
    """News as they come, and how far long work is."""

    def say(self, message: str) -> None:
        """Print one line."""
        say(advice.addressed(message, self._schema))

    @contextmanager
    def step(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Progress]:
        """Draw a step."""
        with drawing.fitting(say)(name, total, unit) as progress:
            yield progress
