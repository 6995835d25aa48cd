"""Compressed data is unpacked one layer deep and member by member, with as little memory as its kind allows."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import shlex
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Final, Protocol

from tagdb.errors import InputRefused

STANDARD_INPUT_NAME: Final = "standard input"
ZIP: Final = "ZIP"
LZMA_MEMORY_LIMIT: Final = 256 * 1024 * 1024
ZSTD_WINDOW_LOG_LIMIT: Final = 27

_INPUT_SIZE = 32 * 1024
_MEMORY_LIMITS: Final = {"xz": "256 MiB", "Zstandard": "128 MiB"}
_TOO_MUCH_MEMORY = ("Memory usage limit exceeded", "too much memory")


class _Decompressor(Protocol):
    """What the standard library's decompressors of one member have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


@dataclass(frozen=True)
class Compression:
    """A kind of compressed data: its name, its first bytes, and the command that unpacks a file of it."""

    name: str
    beginning: re.Pattern[bytes]
    command: str


COMPRESSIONS: Final = tuple(
    Compression(name, re.compile(beginning, re.DOTALL), command)
    for name, beginning, command in (
        ("gzip", rb"\x1f\x8b", "gzip -dc"),
        ("bzip2", rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90|.{0,5}\Z)", "bzip2 -dc"),
        ("xz", rb"\xfd7zXZ\0", "xz -dc"),
        ("Zstandard", rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "zstd -dc --long=31"),
        (ZIP, rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", "unzip -p"),
    )
)


class Damaged(Exception):
    """Compressed data ends early or is not what its checks say; it never leaves this package."""


def argument(name: str) -> str:
    """How a file is named on the command line, for a hint."""
    return shlex.quote(name) if name != STANDARD_INPUT_NAME else "FILE"


def compression_of(head: bytes) -> Compression | None:
    """The kind of compressed data that begins so, whatever the file is called."""
    return next((kind for kind in COMPRESSIONS if kind.beginning.match(head)), None)


def unpacking(kind: Compression, stream: BinaryIO, name: str) -> Callable[[int], bytes]:
    """What reads at most so many of the unpacked bytes of a stream, some at a time and none at the end.

    It raises Damaged, after all that came out before, and InputRefused where unpacking takes more memory than a
    hostile file may have.
    """
    read, others = _reading(kind, stream)
    errors: tuple[type[Exception], ...] = (EOFError, OSError, zlib.error, *others)

    def read_some(size: int) -> bytes:
        try:
            return read(size)
        except errors as error:
            if any(words in str(error) for words in _TOO_MUCH_MEMORY):
                raise InputRefused(
                    f"{name} takes more than {_MEMORY_LIMITS[kind.name]} of memory to unpack",
                    hint=f"if you trust it, unpack it yourself: {kind.command} {argument(name)} | tagdb import -",
                ) from error
            raise Damaged from error

    return read_some


def _reading(kind: Compression, stream: BinaryIO) -> tuple[Callable[[int], bytes], tuple[type[Exception], ...]]:
    """What unpacks, and what else than the usual errors it may raise."""
    if kind.name == "gzip":
        return gzip.GzipFile(fileobj=stream).read1, ()  # a failing `read` would lose what came out before
    if kind.name == "bzip2":
        return _Members(bz2.BZ2Decompressor, stream).read, ()
    if kind.name == "xz":
        return _Members(partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, LZMA_MEMORY_LIMIT), stream).read, (
            lzma.LZMAError,
        )
    from backports import zstd

    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_LIMIT}
    return _Members(partial(zstd.ZstdDecompressor, options=options), stream).read, (zstd.ZstdError,)


class _Members:
    """One compressed member after the other, with zeros allowed between them and after the last.

    The file classes of the standard library take what follows a member for the end when it is damaged; here
    that is damage.
    """

    def __init__(self, new_member: Callable[[], _Decompressor], stream: BinaryIO) -> None:
        self._new_member = new_member
        self._stream = stream
        self._member = new_member()

    def read(self, size: int) -> bytes:
        while True:
            data = b""
            if self._member.eof:
                data = self._next_beginning()
                if not data:
                    return b""
                self._member = self._new_member()
            elif self._member.needs_input and not (data := self._stream.read(_INPUT_SIZE)):
                raise EOFError
            if unpacked := self._member.decompress(data, size):
                return unpacked

    def _next_beginning(self) -> bytes:
        data = self._member.unused_data.lstrip(b"\0")
        while not data:
            data = self._stream.read(_INPUT_SIZE)
            if not data:
                break
            data = data.lstrip(b"\0")
        return data
