"""How many examples a property is tried on: all of them by hand, and half where each run would draw the same again."""

from __future__ import annotations

import os

SAME_EACH_RUN = bool(os.environ.get("CI"))


def examples(most: int) -> int:
    """Return how many of `most` to draw."""
    return -(-most // 2) if SAME_EACH_RUN else most
