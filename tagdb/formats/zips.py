"""The one file in a ZIP archive; an archive of several says how to name one of them."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Final, cast

from tagdb.errors import InputRefused
from tagdb.formats.compression import Damaged, argument
from tagdb.formats.rows import excerpt

DIRECTORY_LIMIT: Final = 1024 * 1024
"""Bytes of an archive's directory: one of a single file has a few hundred."""

_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)
_SHOWN_MEMBERS = 5
_OFFICE = ("[Content_Types].xml", "content.xml")


class _DirectoryTooLarge(Exception):
    pass


class _Archive(io.BufferedReader):
    """An archive's bytes; its directory may lie about its size, and is read all at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > DIRECTORY_LIMIT:
            raise _DirectoryTooLarge
        return super().read(size)


def unpacking_member(file: io.RawIOBase, name: str) -> Callable[[int], bytes]:
    """What reads at most so many bytes of an archive's only file; it raises Damaged where that is broken.

    Raises:
        InputRefused: the archive is damaged, or it has no file, several, or one that cannot be unpacked.
    """
    try:
        archive = zipfile.ZipFile(_Archive(file))
    except _DirectoryTooLarge:
        raise InputRefused(
            f"{name} is a ZIP archive with a directory of more than 1 MiB: it has thousands of files",
            hint=_one_of_several(name),
        ) from None
    except (*_BROKEN, NotImplementedError) as error:
        raise InputRefused(
            f"{name} is a ZIP archive that is damaged or cut short", hint="fetch or write it again"
        ) from error
    member = _only_member(archive, name)
    try:
        opened = cast(zipfile.ZipExtFile, archive.open(member))
    except (*_BROKEN, NotImplementedError, RuntimeError) as error:
        raise InputRefused(
            f"{name} cannot be unpacked: {excerpt(str(error).encode())}",
            hint=f"unpack it first: unzip {argument(name)}",
        ) from error

    def read(size: int) -> bytes:
        try:
            return opened.read1(size)
        except (*_BROKEN, _DirectoryTooLarge) as error:
            raise Damaged from error

    return read


def _only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if _is_data(member)]
    names = [excerpt(member.filename.encode(errors="replace")) for member in members]
    if not members:
        raise InputRefused(f"{name} is a ZIP archive without a file in it", hint="name another file")
    if any(member.filename in _OFFICE for member in members):
        raise InputRefused(f"{name} is an office document, not a table", hint="save the sheet as CSV, and import that")
    if len(members) > 1:
        more = f" and {len(names) - _SHOWN_MEMBERS:,} more" if len(names) > _SHOWN_MEMBERS else ""
        raise InputRefused(
            f"{name} is a ZIP archive of {len(names):,} files: {', '.join(names[:_SHOWN_MEMBERS])}{more}",
            hint=_one_of_several(name),
        )
    if members[0].flag_bits & 1:
        raise InputRefused(
            f"{name} is encrypted", hint=f"unpack it with its password: unzip -p {argument(name)} | tagdb import -"
        )
    return members[0]


def _is_data(member: zipfile.ZipInfo) -> bool:
    parts = member.filename.split("/")
    return not member.is_dir() and parts[0] != "__MACOSX" and parts[-1] not in (".DS_Store", "Thumbs.db")


def _one_of_several(name: str) -> str:
    return f"name one: unzip -p {argument(name)} MEMBER | tagdb import -"
