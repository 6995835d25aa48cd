"""The command line: one file a command; each turns options into a call of the pipeline, and the result into text."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from tagdb.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run tagdb; SIGTERM ends it in order, so that the embedded server is released."""
    signal.signal(signal.SIGTERM, _leave)
    app(prog_name="tagdb")


def _leave(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum)
