"""Where the bytes come from: a path or standard input, compressed or not, read once from front to back."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from tagdb.errors import InputRefused
from tagdb.formats.compression import (
    STANDARD_INPUT_NAME,
    ZIP,
    Compression,
    Damaged,
    argument,
    compression_of,
    unpacking,
)
from tagdb.formats.spooling import Searched, spooled
from tagdb.formats.zips import unpacking_member

STANDARD_INPUT: Final = "-"

UNCHECKED_INFLATION: Final = 1024**3
RATIO_LIMIT: Final = 1000
"""Beyond 1 GiB, how many times the size of its compressed data a file may have."""

_BUFFER_SIZE = 128 * 1024
_HEAD_SIZE = 64 * 1024
_UTF8_MARK = b"\xef\xbb\xbf"


class Source:
    """The bytes of one file, uncompressed and without a UTF-8 byte-order mark.

    Attributes:
        name: what messages call the file.
        size_bytes: its size on disk, None where it has none (a pipe).
        stream: its uncompressed bytes.
        compression: the kind of its compression, by its first bytes and whatever its name; None where it has none.
        head: the first bytes of `stream`, at most 64 KiB, which stay to be read.
        cut_short: whether `stream` ended before the compressed data did, or these are damaged.
    """

    stream: io.BufferedReader

    def __init__(self, file: BinaryIO, name: str, size_bytes: int | None) -> None:
        self.name = name
        self.size_bytes = size_bytes
        self.cut_short = False
        self._file = file
        self._copy: BinaryIO | None = None
        self._bytes_read = self._bytes_inflated = 0
        self.stream = io.BufferedReader(_Filling(self._read_file), _BUFFER_SIZE)
        self.compression = compression_of(self.stream.peek())
        try:
            if self.compression is not None:
                self._inflate = self._unpacking(self.compression)
                self.stream = io.BufferedReader(_Filling(self._read_inflated), _BUFFER_SIZE)
            self._look_ahead()
        except BaseException:
            self._close_copy()
            raise

    @property
    def compressed(self) -> bool:
        """Whether the file is compressed, by its first bytes."""
        return self.compression is not None

    def packed(self, kind: str) -> str:
        """A kind of file with the compression it is in, as a description names it."""
        return f"{kind}, {self.compression.name}" if self.compression else kind

    @property
    def bytes_read(self) -> int:
        """How far the file is read, in its own (compressed) bytes, to be compared with `size_bytes`."""
        return self._bytes_read if self.size_bytes is None else min(self._bytes_read, self.size_bytes)

    def searched(self, what: str) -> io.RawIOBase:
        """The uncompressed bytes as a file to be read here and there, in place of `stream`.

        Unless that is the file itself, it is a temporary copy of at most 1 GiB. `what` says what the file is.

        Raises:
            InputRefused: the copy cannot be made.
        """
        if self.compression is None:
            return self._searched(what)
        self._copy, inflated = spooled(self.stream.read, self.name, what), self._copy
        if inflated is not None:
            inflated.close()
        return Searched(self._copy, self._copy.read)

    def read_to_the_end(self) -> None:
        """Count the bytes that nobody needed as read."""
        self._bytes_read = max(self._bytes_read, self.size_bytes or 0)

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._close_copy()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _look_ahead(self) -> None:
        if self.stream.peek().startswith(_UTF8_MARK):
            self.stream.read(len(_UTF8_MARK))
        self.head = self.stream.peek()[:_HEAD_SIZE]

    def _unpacking(self, kind: Compression) -> Callable[[int], bytes]:
        if kind.name == ZIP:
            return unpacking_member(self._searched("a ZIP archive"), self.name)
        return unpacking(kind, self.stream, self.name)

    def _close_copy(self) -> None:
        if self._copy is not None:
            self._copy.close()

    def _searched(self, what: str) -> io.RawIOBase:
        if self.size_bytes is not None:
            self._file.seek(0)
            return Searched(self._file, self._read_file)
        self._copy = spooled(self.stream.read, self.name, what)
        return Searched(self._copy, self._copy.read)

    def _read_file(self, size: int) -> bytes:
        try:
            chunk = self._file.read(size)
        except OSError as error:
            raise InputRefused(f"{self.name} cannot be read: {error.strerror}") from error
        self._bytes_read += len(chunk)
        return chunk

    def _read_inflated(self, size: int) -> bytes:
        if self.cut_short:
            return b""
        try:
            chunk = self._inflate(size)
        except Damaged:
            self.cut_short = True
            return b""
        if not chunk:
            self.read_to_the_end()
        self._bytes_inflated += len(chunk)
        if self._bytes_inflated > max(UNCHECKED_INFLATION, RATIO_LIMIT * self._bytes_read):
            assert self.compression is not None
            raise InputRefused(
                f"{self.name} unpacks to more than 1 GiB and {RATIO_LIMIT:,} times its size",
                hint="if you trust it, unpack it yourself: "
                f"{self.compression.command} {argument(self.name)} | tagdb import -",
            )
        return chunk


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
        self._close_copy()


def open_source(path: str | os.PathLike[str], stdin: BinaryIO | None = None) -> Source:
    """Open a file, or standard input for "-" (`stdin` stands in for it).

    Raises:
        InputRefused: there is no such file, it is a folder, or it may not be read.
    """
    if os.fspath(path) == STANDARD_INPUT:
        return _StandardInput(stdin or sys.stdin.buffer, STANDARD_INPUT_NAME, None)
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
