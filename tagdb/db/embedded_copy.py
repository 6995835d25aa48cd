"""A copy of PostgreSQL's programs that root's server runs from where its user cannot reach the installed ones.

Whoever uses a copy holds a shared lock on its folder, and a server that is started from it inherits that lock: the
kernel gives it back whatever happens to them, so a copy that nobody has locked is used by nobody.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tagdb.db import embedded_crash
from tagdb.errors import ConnectionFailed

PLACE = Path("/var/lib")
_NAME = "tagdb-postgres-"
_UNFINISHED = f".{_NAME}"
_MADE_OF = "made-of"
_CHECKED = ("postgres", "initdb", "pg_ctl", "pg_isready", "psql")
_ELSEWHERE = "install tagdb below a folder that everybody may enter, such as /opt, or run it as an ordinary user"

Facts = Mapping[str, tuple[int, int, int]]
"""Size, time and mode of each file that a server needs, by its path below the folder of all packages."""


@dataclass(frozen=True)
class Programs:
    """Where programs are to be run from, and the locks that their processes inherit."""

    folder: Path
    locks: tuple[int, ...] = ()


def provide(binaries: Path, account: pwd.struct_passwd) -> Programs:
    """Return a whole copy of the programs in `binaries` that `account` can run, made or mended where needed.

    The files keep their places to each other, for programs find their libraries relative to themselves. A copy is tried
    out before it gets its name, and those that nobody uses any more are cleared away when one is made.

    Raises
    ------
    ConnectionFailed : it cannot be made, or does not run; no half copy is left
    """
    try:
        with _alone():
            packages, facts = _packages(binaries), _facts(binaries)
            copy = PLACE / _name(binaries, facts)
            made = not _is_whole(copy, facts)
            if made:
                _make(copy, binaries, facts, account)
            lock = os.open(copy, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if made:
                _clear_away()
    except OSError as error:
        raise ConnectionFailed(
            f"PostgreSQL's programs cannot be copied into {PLACE} for its user '{account.pw_name}': {error.strerror}",
            hint=_ELSEWHERE,
        ) from error
    return Programs(copy / binaries.relative_to(packages), (lock,))


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time look for copies, make them and clear them away."""
    lock = os.open(PLACE / f"{_NAME[:-1]}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _packages(binaries: Path) -> Path:
    return binaries.parents[2]


def _facts(binaries: Path) -> Facts:
    """Return what a copy of an installation has to hold; a mode is that of the copy, which everybody may read."""
    installation, packages = binaries.parent, _packages(binaries)
    libraries = packages / f"{installation.parent.name}.libs"
    found = {}
    for top in (binaries, installation / "lib", installation / "share", libraries):
        for folder, _, names in os.walk(top, followlinks=True):
            for name in names:
                path = Path(folder, name)
                if path.suffix != ".a":
                    status = path.stat()
                    mode = 0o755 if status.st_mode & 0o111 else 0o644
                    found[str(path.relative_to(packages))] = (status.st_size, int(status.st_mtime), mode)
    return found


def _name(binaries: Path, facts: Facts) -> str:
    digest = hashlib.sha256(os.fsencode(binaries))
    for path, values in sorted(facts.items()):
        digest.update(os.fsencode(f"\0{path}\0{values}"))
    return _NAME + digest.hexdigest()[:12]


def _is_whole(copy: Path, facts: Facts) -> bool:
    folders = {copy / path for name in facts for path in Path(name).parents}
    try:
        if any(folder.stat().st_mode & 0o055 != 0o055 for folder in folders):
            return False
        found = {name: (copy / name).stat() for name in facts}
    except OSError:
        return False
    return all(
        facts[name] == (status.st_size, int(status.st_mtime), status.st_mode & 0o777) for name, status in found.items()
    )


def _make(copy: Path, binaries: Path, facts: Facts, account: pwd.struct_passwd) -> None:
    """Make the copy beside its place, and move it there when it is found to run."""
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=PLACE))
    packages = _packages(binaries)
    try:
        for name, (_, _, mode) in facts.items():
            (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(packages / name, unfinished / name)
            (unfinished / name).chmod(mode)
        (unfinished / _MADE_OF).write_bytes(os.fsencode(binaries))
        for folder in (unfinished, *(path for path in unfinished.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        _try_out(unfinished / binaries.relative_to(packages), account)
        if copy.exists():  # a damaged one; a server that runs from it finds its files at the same place again
            copy.rename(tempfile.mkdtemp(prefix=_UNFINISHED, dir=PLACE))
        unfinished.rename(copy)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _try_out(binaries: Path, account: pwd.struct_passwd) -> None:
    for program in _CHECKED:
        ran = subprocess.run(
            [str(binaries / program), "--version"],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
        )
        if ran.returncode:
            raise ConnectionFailed(
                f"a copy of PostgreSQL's programs in {PLACE} does not run as its user '{account.pw_name}': "
                f"{program}: {embedded_crash.last_line(ran.stderr)}",
                hint=_ELSEWHERE,
            )


def _clear_away() -> None:
    """Remove the copies of installations that have gone or changed, and what a killed copying left, if not in use."""
    for folder in (*PLACE.glob(f"{_NAME}*"), *PLACE.glob(f"{_UNFINISHED}*")):
        with suppress(OSError):
            if folder.is_dir() and not _is_current(folder) and not _is_used(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_current(folder: Path) -> bool:
    """Whether it is the copy that an installation, as it is now, would use."""
    try:
        binaries = Path(os.fsdecode((folder / _MADE_OF).read_bytes()))
        return folder.name == _name(binaries, _facts(binaries))
    except OSError:
        return False


def _is_used(folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
