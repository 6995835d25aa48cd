"""What is shown of names that may be any number, and of texts that may be of any length: enough to know them by."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST_MESSAGE = 1_000
LONGEST_CELL = 200
MOST_NAMES = 10
_LONGEST_NAME = 100


def cut(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return the beginning of a text, and how many characters more it has."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]}… ({len(text) - longest:,} more characters)"


def ellipsis(text: str, longest: int = LONGEST_CELL) -> str:
    """Return a text of at most `longest` characters: what is too long ends in "…"."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def named(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """Name the first few of many, and say how many more there are."""
    shown = ", ".join(ellipsis(name, _LONGEST_NAME) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
