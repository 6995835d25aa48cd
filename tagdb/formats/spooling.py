"""Files that cannot be read from front to back: where they came through a pipe, a temporary copy is searched."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from typing import Any, BinaryIO, Final

from tagdb.errors import InputRefused

SPOOL_LIMIT: Final = 1024**3
"""Bytes of a temporary copy, so that a pipe without an end cannot fill the disk."""

_CHUNK_SIZE = 1024 * 1024


def spooled(read: Callable[[int], bytes], name: str, what: str) -> BinaryIO:
    """A temporary copy of all that `read` gives, to be closed by the caller.

    Raises:
        InputRefused: it is more than 1 GiB, or more than the temporary folder has room for.
    """
    copy = tempfile.TemporaryFile(prefix="tagdb-")  # noqa: SIM115 - the caller closes it
    try:
        while chunk := read(_CHUNK_SIZE):
            if copy.tell() + len(chunk) > SPOOL_LIMIT:
                raise InputRefused(
                    f"{name} is {what} of more than 1 GiB, which is read only from a file",
                    hint="save it (unpacked) to a file, and import that",
                )
            copy.write(chunk)
        copy.seek(0)
    except OSError as error:
        copy.close()
        raise InputRefused(
            f"{name} is {what}, and its temporary copy cannot be written: {error.strerror}",
            hint="save it (unpacked) to a file and import that, or set TMPDIR to a folder with room",
        ) from error
    except BaseException:
        copy.close()
        raise
    return copy


class Searched(io.RawIOBase):
    """A file that is read here and there, by `read`; closing it leaves the file open."""

    def __init__(self, file: BinaryIO, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self._file = file
        self._read = read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        chunk = self._read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)
