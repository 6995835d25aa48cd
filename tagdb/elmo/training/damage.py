"""What is said when the files of a run that should go on are not what the run left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tagdb.errors import WeightsError


@contextmanager
def damage_reported(path: Path) -> Iterator[None]:
    """Turn what reading a damaged file of a run raises (there are many classes) into a WeightsError."""
    try:
        yield
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} is damaged, and its run cannot go on: {error}", hint="train into another folder"
        ) from error
