"""The part of a file that came so far, beside a note of what it is a part of, so that a later run can go on."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from tagdb.errors import EmbedderUnavailable
from tagdb.fetch.disk import disk_errors_reported


class PartialFile:
    """`path` while it is being fetched, as `path` + ".part"; a context manager that no two processes enter at once.

    Attributes
    ----------
    name : what the whole file is called
    size : bytes that are there
    validator : what the server called this version of the file (an ETag or a date), None where it cannot be resumed
    expected_size : bytes of the whole file, None where the server did not say
    """

    def __init__(self, path: Path, origin: str) -> None:
        self.path = path.with_name(f"{path.name}.part")
        self.size = 0
        self.validator: str | None = None
        self.expected_size: int | None = None
        self.name = path.name
        self._whole, self._origin = path, origin
        self._note = path.with_name(f"{path.name}.part.json")

    def __enter__(self) -> Self:
        with disk_errors_reported(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        try:
            self._lock()
        except BaseException:
            self._file.close()
            raise
        self.size = os.fstat(self._file.fileno()).st_size
        self.validator = self._remembered() if self.size else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def restart(self, validator: str | None, expected_size: int | None) -> None:
        """Begin the file anew, in the version that `validator` names."""
        with disk_errors_reported(self.path.parent, missing_bytes=expected_size):
            # Emptied first: a crash in between must not leave old bytes under the name of the new version.
            if self.size:
                self._file.truncate(0)
            self.size, self.validator, self.expected_size = 0, validator, expected_size
            self._note.write_text(json.dumps({"origin": self._origin, "validator": validator}), encoding="utf-8")

    def append(self, chunk: bytes) -> None:
        """Write what came next."""
        missing = None if self.expected_size is None else self.expected_size - self.size
        with disk_errors_reported(self.path.parent, missing_bytes=missing, kept=True):
            rest = memoryview(chunk)
            while rest:
                written = self._file.write(rest)
                self.size += written
                rest = rest[written:]

    def finish(self) -> None:
        """Let the part, now whole, take the place of the file."""
        with disk_errors_reported(self.path.parent, kept=True):
            os.fsync(self._file.fileno())
            self.path.replace(self._whole)
            self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete what came."""
        with disk_errors_reported(self.path.parent):
            self.path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held the lock until now may just have finished the file that is open here.
            mine = os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except (BlockingIOError, FileNotFoundError):
            mine = False
        if not mine:
            raise EmbedderUnavailable(
                f"another process is fetching {self._whole}", hint="wait for it, then run the same command again"
            )

    def _remembered(self) -> str | None:
        """Return the validator of the part, unless it is of another origin."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            validator = note["validator"] if note["origin"] == self._origin else None
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return validator if isinstance(validator, str) else None
