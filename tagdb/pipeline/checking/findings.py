"""What `tagdb doctor` reports: a finding for each thing looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tagdb.shortening import cut


class Level(StrEnum):
    """How bad it is: a note is advice, and what was skipped could not be looked at."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """What a check found, and the command that mends it."""

    check: str
    level: Level
    found: str
    mend: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values; `ok` is null for what was skipped."""
        fine = None if self.level is Level.SKIPPED else self.level is not Level.PROBLEM
        return {"check": self.check, "ok": fine, "level": self.level, "found": self.found, "mend": self.mend}


def ok(check: str, found: str) -> Finding:
    """Report that something is as it should be."""
    return Finding(check, Level.OK, found)


def note(check: str, found: str, mend: str | None = None) -> Finding:
    """Report what could be better, or is worth knowing."""
    return Finding(check, Level.NOTE, found, mend)


def problem(check: str, found: str, mend: str | None = None) -> Finding:
    """Report what has to be mended."""
    return Finding(check, Level.PROBLEM, cut(found), mend)


def skipped(check: str, reason: str, mend: str | None = None) -> Finding:
    """Report that something could not be looked at."""
    return Finding(check, Level.SKIPPED, cut(reason), mend)


def size(amount: float) -> str:
    """Write a number of bytes as people read it."""
    for unit, bytes_each in (("GB", 2**30), ("MB", 2**20)):
        if amount >= bytes_each:
            return f"{amount / bytes_each:,.1f} {unit}"
    return f"{amount / 2**10:,.0f} KB"
