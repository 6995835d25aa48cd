"""A reporter that remembers what it was told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Recorder:
    """Remembers news, and of each step its name, total, unit and the amounts it advanced by."""

    def __init__(self, on_advance: Callable[[int], None] | None = None) -> None:
        self.said: list[str] = []
        self.steps: list[tuple[str, int | None, str]] = []
        self.done: list[int] = []
        self._on_advance = on_advance

    def warn(self, message: str) -> None:
        """Keep it as well."""
        self.say(message)

    def say(self, message: str) -> None:
        """Remember a line of news."""
        self.said.append(message)

    @contextmanager
    def step(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Recorder]:
        """Remember a step."""
        self.steps.append((name, total, unit))
        self.done.append(0)
        yield self

    def advance(self, amount: int) -> None:
        """Count within the latest step."""
        self.done[-1] += amount
        if self._on_advance:
            self._on_advance(self.done[-1])

    def note(self, text: str) -> None:
        """Remember nothing of it."""
