"""Unpacks archives from anywhere: plain files and folders come out, below the target and nowhere else, or nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tagdb.errors import EmbedderUnavailable, WeightsError
from tagdb.fetch.disk import disk_errors_reported, megabytes
from tagdb.fetch.members import Member, Refused, read_members

MAX_BYTES = 8 * 1024**3
MAX_MEMBERS = 10_000
_LONGEST_PART_BYTES, _LONGEST_NAME_BYTES = 255, 1024


def unpack(archive: Path, target: Path, *, max_bytes: int = MAX_BYTES, max_members: int = MAX_MEMBERS) -> None:
    """Unpack a .tar, .tar.gz or .zip file (told apart by their first bytes) into the new folder `target`.

    Its tree is kept as it is, a single top folder included. Files get mode 0644, folders 0755. `target` appears when it
    is complete, and nothing is left of it otherwise.

    Raises
    ------
    WeightsError : the archive is damaged or cut short, is larger than `max_bytes` unpacked or `max_members`, or holds
        anything but plain files and folders, a name twice, or a name that leads elsewhere
    EmbedderUnavailable : it cannot be read, `target` is there already, or the disk does not take the files
    """
    if target.exists():
        raise EmbedderUnavailable(f"{target} is there already", hint=f"delete it: rm -r {target}")
    try:
        file = archive.open("rb")
    except OSError as error:
        raise EmbedderUnavailable(f"cannot read {archive}: {error.strerror}", hint="name an archive") from error
    with file, _appearing_whole(target) as folder:
        try:
            _write_all(read_members(file), folder, max_bytes, max_members)
        except Refused as refused:
            raise WeightsError(f"{archive} is not unpacked: {refused}", hint=refused.hint) from refused.__cause__


@contextmanager
def _appearing_whole(target: Path) -> Iterator[Path]:
    """Yield a new folder that becomes `target` when the block ends well, and is deleted when it does not."""
    with disk_errors_reported(target.parent):
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield folder
        with disk_errors_reported(target.parent):
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
            folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write_all(members: Iterable[Member], folder: Path, max_bytes: int, max_members: int) -> None:
    written = 0
    for number, member in enumerate(members, start=1):
        if number > max_members:
            raise Refused(f"it holds more than {max_members:,} files and folders")
        with disk_errors_reported(folder.parent):
            for chunk_size in _write(member, folder / _inside(member.name)):
                written += chunk_size
                if written > max_bytes:
                    raise Refused(f"it holds more than {megabytes(max_bytes)}")


def _write(member: Member, path: Path) -> Iterator[int]:
    """Write a file or a folder; yield how many bytes the next piece of it has before it is written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if member.chunks is None:
            path.mkdir(exist_ok=True)
            return
        file = path.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise Refused(f"it holds {member.name!r} twice") from error
    with file:
        for chunk in member.chunks:
            yield len(chunk)
            file.write(chunk)


def _inside(name: str) -> PurePosixPath:
    """Return the path of a member below the folder it is unpacked to."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise Refused(f"the name {name!r} leads out of the folder")
    too_long = len(name.encode(errors="replace")) > _LONGEST_NAME_BYTES or any(
        len(part.encode(errors="replace")) > _LONGEST_PART_BYTES for part in path.parts
    )
    if not name or too_long or "\\" in name or not name.isprintable():
        raise Refused(f"{name[:80]!r} is no name for a file")
    return path
