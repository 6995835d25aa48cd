"""Downloads a file whole, however often the connection is cut on the way, or leaves a part to go on with."""

from __future__ import annotations

import time
from pathlib import Path

from tagdb.errors import EmbedderUnavailable, WeightsError
from tagdb.fetch.disk import disk_errors_reported, megabytes, sha256_of
from tagdb.fetch.part import PartialFile
from tagdb.fetch.web import ConnectionCut, RemoteFile
from tagdb.models import Reporter

MAX_BYTES = 4 * 1024**3
WAITS_SECONDS = (1.0, 2.0, 4.0, 8.0)


def download(
    url: str,
    path: Path,
    reporter: Reporter,
    *,
    sha256: str | None = None,
    max_bytes: int = MAX_BYTES,
    elsewhere: str = "tagdb embedder add NAME FILE",
) -> str:
    """Fetch the file at an HTTP(S) address into `path`, and return its SHA-256 in hexadecimal digits.

    What comes is kept in `path` + ".part", and a later call goes on after it if the server still has the same version
    of the file. `path` appears, or changes, only when all of it is there and has the checksum `sha256` (if given); a
    file that has it already is not fetched again. Of the URL only host and path show anywhere.

    `elsewhere` is the command that takes the file when a person has fetched it on another machine.

    Raises
    ------
    EmbedderUnavailable : the address cannot be read or reached, the server refuses, the file is larger than
        `max_bytes`, the connection is cut again and again, or the disk does not take the file
    WeightsError : the file has another checksum; it is deleted
    """
    expected = sha256 and sha256.lower()
    with disk_errors_reported(path.parent):
        if expected and path.is_file() and sha256_of(path) == expected:
            return expected
    remote = RemoteFile(url, elsewhere)
    with PartialFile(path, remote.place) as part:
        _receive(remote, part, reporter, max_bytes)
        found = sha256_of(part.path)
        if expected and found != expected:
            part.discard()
            raise WeightsError(
                f"{remote.place} gave a file with SHA-256 {found}, not {expected}; it is deleted",
                hint="run the same command again; if that changes nothing, the server has another file now",
            )
        part.finish()
    return found


def require_sha256(path: Path, sha256: str) -> None:
    """Pass when a file that was brought has this SHA-256.

    Raises
    ------
    WeightsError : it has another one
    EmbedderUnavailable : it cannot be read
    """
    with disk_errors_reported(path.parent):
        found = sha256_of(path)
    if found != sha256.lower():
        raise WeightsError(f"{path} has SHA-256 {found}, not {sha256}", hint="fetch the file again")


def _receive(remote: RemoteFile, part: PartialFile, reporter: Reporter, max_bytes: int) -> None:
    """Receive what is missing of a file, going on after each cut for as long as there is patience."""
    for wait in (*WAITS_SECONDS, None):
        try:
            _receive_until_cut(remote, part, reporter, max_bytes)
            return
        except ConnectionCut as cut:
            came = megabytes(part.size)
            if wait is None:
                raise EmbedderUnavailable(
                    f"{remote.place} was cut {len(WAITS_SECONDS) + 1} times, the last time after {came}: {cut}",
                    hint="run the same command again: it goes on after what came, which is kept",
                ) from None
            reporter.say(f"cut after {came} ({cut}); trying again in {wait:.0f} s")
            time.sleep(wait)


def _receive_until_cut(remote: RemoteFile, part: PartialFile, reporter: Reporter, max_bytes: int) -> None:
    with remote.open(part.size, part.validator) as answer:
        if answer.total is not None and answer.total > max_bytes:
            raise _too_large(remote, answer.total, max_bytes)
        if answer.start:
            part.expected_size = answer.total
        else:
            part.restart(answer.validator, answer.total)
        with reporter.step(f"fetching {part.name}", answer.total, "bytes") as progress:
            progress.advance(answer.start)
            for chunk in answer.chunks:
                if part.size + len(chunk) > max_bytes:
                    part.discard()
                    raise _too_large(remote, part.size + len(chunk), max_bytes)
                part.append(chunk)
                progress.advance(len(chunk))
    if answer.total is not None and part.size != answer.total:
        raise ConnectionCut(f"{megabytes(answer.total)} were announced")


def _too_large(remote: RemoteFile, size: int, max_bytes: int) -> EmbedderUnavailable:
    return EmbedderUnavailable(
        f"{remote.place} gives {megabytes(size)} or more, and {megabytes(max_bytes)} are allowed",
        hint="check the address: no embedder is that large",
    )
