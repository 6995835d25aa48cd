"""Checksums of a folder's files, written when they were found good and compared whenever they are used."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tagdb.errors import WeightsError
from tagdb.fetch.disk import disk_errors_reported, sha256_of

FILE = "manifest.json"
_ADD_AGAIN = "remove it and add it again: tagdb embedder add --help"


@dataclass(frozen=True)
class FileRecord:
    """What a file was when the manifest was written: its size in bytes and its SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A folder's files by their paths below it (with "/", sorted), and what else was noted of it."""

    files: Mapping[str, FileRecord]
    facts: Mapping[str, Any]


def exists(folder: Path) -> bool:
    """Whether a folder has a manifest."""
    return (folder / FILE).exists()


def write(folder: Path, facts: Mapping[str, object]) -> None:
    """Write manifest.json over all files below `folder`; `facts` are kept with them and have to be JSON.

    Raises
    ------
    WeightsError : something in the folder is neither a plain file nor a folder
    EmbedderUnavailable : the folder cannot be read or written
    """
    with disk_errors_reported(folder):
        partial = folder / f".{FILE}.part"
        partial.unlink(missing_ok=True)
        files = {name: asdict(_record(path)) for name, path in sorted(_files(folder))}
        text = json.dumps({"facts": dict(facts), "files": files}, indent=2)
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / FILE)


def read(folder: Path) -> Manifest:
    """Read manifest.json, without a look at the files.

    Raises
    ------
    WeightsError : there is none, or it is damaged
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_bytes())
        files = {name: FileRecord(int(each["size"]), str(each["sha256"])) for name, each in content["files"].items()}
        return Manifest(files, dict(content["facts"]))
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}", hint=_ADD_AGAIN) from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged: {error}", hint=_ADD_AGAIN) from error


def verify(folder: Path) -> None:
    """Compare all files below `folder` with manifest.json, down to the last byte.

    Raises
    ------
    WeightsError : a file differs, is missing, or should not be there; the first one, by name, is told
    EmbedderUnavailable : a file cannot be read
    """
    recorded = read(folder).files
    with disk_errors_reported(folder):
        present = dict(_files(folder))
        for name in sorted(recorded.keys() | present.keys()):
            if difference := _difference(recorded.get(name), present.get(name)):
                raise WeightsError(f"{folder / name} {difference}", hint=_ADD_AGAIN)


def _difference(recorded: FileRecord | None, path: Path | None) -> str | None:
    if recorded is None:
        return "should not be there"
    if path is None:
        return "is missing"
    if (size := path.stat().st_size) != recorded.size:
        return f"has {size:,} bytes, not {recorded.size:,}"
    return None if sha256_of(path) == recorded.sha256 else "has changed since it was added"


def _record(path: Path) -> FileRecord:
    return FileRecord(path.stat().st_size, sha256_of(path))


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file below a folder but the manifest, with its path as the manifest writes it."""

    def refuse(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(folder, onerror=refuse):
        for name in (*folders, *files):
            path = Path(place) / name
            kind = path.lstat().st_mode
            if stat.S_ISREG(kind) and path != folder / FILE:
                yield path.relative_to(folder).as_posix(), path
            elif not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise WeightsError(f"{path} is neither a plain file nor a folder", hint=_ADD_AGAIN)
