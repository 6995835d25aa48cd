"""Files on disk: their checksums, and what is said when the disk does not take them."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tagdb.errors import EmbedderUnavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def disk_errors_reported(folder: Path, *, missing_bytes: int | None = None, kept: bool = False) -> Iterator[None]:
    """Turn what the system says about writing into `folder` into a message for the user.

    `missing_bytes` is how much was still to be written, where that is known; `kept` whether what was written stays.

    Raises
    ------
    EmbedderUnavailable : the disk is full, or the folder cannot be used
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno not in _FULL:
            raise EmbedderUnavailable(
                f"the folder {folder} cannot be used: {reason}",
                hint="get the right to write there, or set TAGDB_HOME to a folder of yours",
            ) from error
        missing = "" if missing_bytes is None else f", {megabytes(missing_bytes)} more are needed"
        goes_on = ": it goes on after what came, which is kept" if kept else ""
        raise EmbedderUnavailable(
            f"no room in {folder}: {reason}{missing}",
            hint=f"make room there and run the same command again{goes_on}",
        ) from error


def megabytes(size: int) -> str:
    """Write a number of bytes as people read it."""
    return f"{size / 1e6:,.1f} MB"


def sha256_of(path: Path) -> str:
    """Return the checksum of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
