"""Reads archives from front to back, with bounded memory, and lets only plain files and folders through."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

_CHUNK_BYTES = 1024 * 1024
# What lies between the contents of files (names in pax headers, zeros at the end) is never worth more than this.
_OVERHEAD_BYTES = 4 * 1024 * 1024
_GZIP_MAGIC, _ZIP_MAGIC = b"\x1f\x8b", b"PK\x03\x04"
_FETCH_AGAIN = "fetch it again, and compare its size and checksum with the source's"
_ENCRYPTED = 0x1
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError)


class Refused(Exception):
    """Why an archive cannot be unpacked, and what to do about it."""

    def __init__(self, reason: str, hint: str = "take it from a source that you trust, or unpack it yourself") -> None:
        super().__init__(reason)
        self.hint = hint


@dataclass(frozen=True)
class Member:
    """A file with its content in `chunks`, to be read before the next member is; a folder where they are None."""

    name: str
    chunks: Iterator[bytes] | None


def read_members(file: IO[bytes]) -> Iterator[Member]:
    """Read a .tar, .tar.gz or .zip file.

    Raises
    ------
    Refused : it is damaged, cut short or empty, or a member is neither a plain file nor a folder
    """
    with _damage_reported():
        magic = file.read(4)
        file.seek(0)
        if magic == _ZIP_MAGIC:
            members = _zip_members(file)
        elif magic.startswith(_GZIP_MAGIC):
            members = _tar_members(gzip.GzipFile(fileobj=file))
        else:
            members = _tar_members(file)
        empty = True
        for member in members:
            empty = False
            yield member
    if empty:
        raise Refused("it is empty", hint=_FETCH_AGAIN)


@contextmanager
def _damage_reported() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise Refused(f"it is damaged or cut short ({error})", hint=_FETCH_AGAIN) from error


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    with _damage_reported(), content:
        while chunk := content.read(_CHUNK_BYTES):
            yield chunk


class _Metered(io.RawIOBase):
    """An uncompressed stream that gives no more than it is told to expect, so that no header can fill the memory.

    Attributes
    ----------
    position : bytes read
    content_end : where the last of them lies that is not zero
    """

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        super().__init__()
        self._file, self._limit = file, 0
        self.position = self.content_end = 0

    def expect(self, size: int) -> None:
        """Let `size` bytes more be read, and some around them."""
        self._limit = self.position + size + _OVERHEAD_BYTES

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        chunk = self._file.read(size)
        if content := chunk.rstrip(b"\0"):
            self.content_end = self.position + len(content)
        self.position += len(chunk)
        if self.position > self._limit:
            raise Refused("it holds more than the files in it")
        return chunk


def _tar_members(file: IO[bytes] | gzip.GzipFile) -> Iterator[Member]:
    stream = _Metered(file)
    stream.expect(0)
    members_end = 0
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        while (member := tar.next()) is not None:
            members_end = member.offset_data
            if member.isdir():
                yield Member(member.name, None)
            elif member.isreg() and not member.issparse():
                stream.expect(member.size)
                content = tar.extractfile(member)
                assert content is not None
                yield Member(member.name, _chunks(content))
                members_end += -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            else:
                raise Refused(f"{member.name!r} is neither a plain file nor a folder")
            stream.expect(0)
        while stream.read(_CHUNK_BYTES):
            pass
    # A header that is damaged or missing passes for the end with tarfile; the true one is zeros.
    if stream.content_end > members_end or stream.position < members_end + tarfile.BLOCKSIZE:
        raise Refused("it is damaged or cut short", hint=_FETCH_AGAIN)


def _zip_members(file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            name = member.orig_filename  # `filename` ends at a NUL
            folder = name.endswith("/")
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
                raise Refused(f"{name!r} is neither a plain file nor a folder")
            if member.flag_bits & _ENCRYPTED or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Refused(f"{name!r} is encrypted, or compressed in another way than Deflate")
            yield Member(name, None if folder else _chunks(archive.open(member)))
