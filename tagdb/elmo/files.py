"""How an embedder's files are written and told apart: a crash at any moment leaves the old file or the new one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_whole(path: Path) -> Iterator[Path]:
    """Yield where to write; what was written there takes the place of `path` when the block ends well."""
    partial = path.with_name(f"{path.name}.partial")
    yield partial
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file, replaced whole or not at all."""
    with replaced_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits; the file is never in memory whole."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
