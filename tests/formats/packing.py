"""What the tests of the formats pack with: every kind of compression, by its name in descriptions."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable

from backports import zstd


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of (name, content)."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return archive.getvalue()


STREAMED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "bzip2": lambda content: bz2.compress(content, 1),
    "xz": lzma.compress,
    "Zstandard": zstd.compress,
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    **STREAMED,
    "ZIP": lambda content: zipped(("data/questions", content)),
}
