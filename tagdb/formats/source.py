"""Where the bytes come from: a path or standard input, compressed or not, read once from front to back."""

from __future__ import annotations

import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from tagdb.errors import InputRefused

STANDARD_INPUT: Final = "-"

_BUFFER_SIZE = 128 * 1024
_HEAD_SIZE = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"


class Source:
    """The bytes of one file, uncompressed and without a UTF-8 byte-order mark.

    Attributes:
        name: what messages call the file.
        size_bytes: its size on disk, None where it has none (a pipe).
        stream: its uncompressed bytes.
        compressed: whether it is a gzip file, by its first bytes and whatever its name.
        head: the first bytes of `stream`, at most 64 KiB, which stay to be read.
        cut_short: whether `stream` ended before the compressed data did, or these are damaged.
    """

    stream: io.BufferedReader

    def __init__(self, file: BinaryIO, name: str, size_bytes: int | None) -> None:
        self.name = name
        self.size_bytes = size_bytes
        self.cut_short = False
        self._file = file
        self._bytes_read = 0
        self.stream = io.BufferedReader(_Filling(self._read_file), _BUFFER_SIZE)
        self.compressed = self.stream.peek().startswith(_GZIP_MAGIC)
        if self.compressed:
            self._inflating = gzip.GzipFile(fileobj=self.stream)
            self.stream = io.BufferedReader(_Filling(self._read_inflated), _BUFFER_SIZE)
        if self.stream.peek().startswith(_UTF8_MARK):
            self.stream.read(len(_UTF8_MARK))
        self.head = self.stream.peek()[:_HEAD_SIZE]

    @property
    def bytes_read(self) -> int:
        """How far the file is read, in its own (compressed) bytes, to be compared with `size_bytes`."""
        return self._bytes_read

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_file(self, size: int) -> bytes:
        try:
            chunk = self._file.read(size)
        except OSError as error:
            raise InputRefused(f"{self.name} cannot be read: {error.strerror}") from error
        self._bytes_read += len(chunk)
        return chunk

    def _read_inflated(self, size: int) -> bytes:
        """One step of inflation: `read1`, because a failing `read` would lose what came out before."""
        if self.cut_short:
            return b""
        try:
            return self._inflating.read1(size)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self.cut_short = True
            return b""


class _Filling(io.RawIOBase):
    """Fills every buffer to the brim, so that one `peek` sees as much of a pipe as of a file."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self._read = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        filled = 0
        while filled < len(buffer) and (chunk := self._read(len(buffer) - filled)):
            buffer[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
        return filled


class _StandardInput(Source):
    def close(self) -> None:
        """Leave standard input to whoever opened it."""


def open_source(path: str | os.PathLike[str], stdin: BinaryIO | None = None) -> Source:
    """Open a file, or standard input for "-" (`stdin` stands in for it).

    Raises:
        InputRefused: there is no such file, it is a folder, or it may not be read.
    """
    if os.fspath(path) == STANDARD_INPUT:
        return _StandardInput(stdin or sys.stdin.buffer, "standard input", None)
    try:
        file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - the source closes it
    except OSError as error:
        raise InputRefused(
            f"{path} cannot be read: {error.strerror}",
            hint="name a file, or - for standard input",
        ) from error
    try:
        status = os.fstat(file.fileno())
        return Source(file, Path(path).name, status.st_size if stat.S_ISREG(status.st_mode) else None)
    except BaseException:
        file.close()
        raise
