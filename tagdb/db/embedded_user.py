"""Who runs the embedded server: the user themselves, or, for root, a system user of its own.

PostgreSQL refuses to run as root. root's server therefore runs as the user `tagdb`, in folders that only that user
(and root) may enter; the permissions of folders that are not tagdb's own are never touched.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tagdb.db import embedded_copy
from tagdb.errors import ConnectionFailed

SYSTEM_USER = "tagdb"
_OWN_FILES = {"postgres", "server.lock", "users.lock", "keep-running", "config.toml"}


@dataclass(frozen=True)
class Command:
    """A command line and, as keyword arguments of `subprocess.run`, the identity it runs under."""

    argv: list[str]
    identity: dict[str, Any]


def command(program: Path, *arguments: str) -> Command:
    """Return how to run `program` of the embedded server under the server's own user."""
    account = server_account()
    if account is None:
        return Command([str(program), *arguments], {})
    programs = _programs(program.parent)
    identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "pass_fds": programs.locks}
    return Command([str(programs.folder / program.name), *arguments], identity)


@cache
def server_account() -> pwd.struct_passwd | None:
    """Return the account the server runs under where it is not the caller's: for root a system user, made if absent."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    useradd = shutil.which("useradd")
    if useradd is None:
        raise ConnectionFailed("the embedded PostgreSQL cannot run as root here", hint="run tagdb as an ordinary user")
    options = ("--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin")
    made = subprocess.run([useradd, *options, SYSTEM_USER], check=False, capture_output=True, text=True)
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise ConnectionFailed(
            f"PostgreSQL cannot run as root, and its user '{SYSTEM_USER}' cannot be made: {made.stderr.strip()}",
            hint="run tagdb as an ordinary user, or name a server of your own with --db-url",
        ) from None


def require_name() -> None:
    """Pass when the user the server would run under has a name, without which PostgreSQL makes no cluster.

    Raises
    ------
    ConnectionFailed : it has a number only, as containers allow
    """
    if server_account() is not None:
        return
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise ConnectionFailed(
            f"PostgreSQL cannot be set up by user {os.geteuid()}, who has no entry in /etc/passwd",
            hint="run tagdb as root or as a user who has one, or name a server of your own with --db-url",
        ) from None


def make_home(home: Path) -> None:
    """Make tagdb's folder where there is none: private, but root's may be passed through by the server's user.

    It appears with its permissions set, whoever else makes it at the same time. One that is there stays as it is.
    """
    if home.exists():
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".tagdb-", dir=home.parent))
    made.chmod(0o711 if os.geteuid() == 0 else 0o700)
    try:
        made.rename(home)
    except OSError:  # somebody else was faster
        made.rmdir()


def prepare_folders(home: Path, root: Path) -> None:
    """Make the server's folder `root` below `home`, entered by its user alone.

    root's home has to be passed through by the server's user: that is granted where the home is empty but for tagdb's
    own files, as `mktemp -d` makes it. Other folders keep their permissions.

    Raises
    ------
    ConnectionFailed : root chose a home that the server's user cannot reach; no permission was changed
    """
    account = server_account()
    if account and {path.name for path in home.iterdir()} <= _OWN_FILES:
        home.chmod(home.stat().st_mode | 0o011)
    if account and (blocked := _first_blocked(home, account)):
        raise ConnectionFailed(
            f"PostgreSQL cannot run as root, and its user '{SYSTEM_USER}' cannot enter {blocked}",
            hint="set TAGDB_HOME to a folder below one that everybody may enter, such as /var/lib/tagdb",
        )
    root.mkdir(mode=0o700, exist_ok=True)
    if account:
        os.chown(root, account.pw_uid, account.pw_gid)
    root.chmod(0o700)


def hand_over(path: Path) -> None:
    """Make the server's user the owner of a file."""
    if account := server_account():
        os.chown(path, account.pw_uid, account.pw_gid)


def short_private_folder(root: Path) -> Path:
    """Return a private folder with a short path that belongs to `root`, for a socket whose own path would be too long.

    Raises
    ------
    ConnectionFailed : somebody else holds the folder of that name
    """
    account = server_account()
    owner = account.pw_uid if account else os.geteuid()
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    folder = Path("/tmp") / f"tagdb-{digest}"  # noqa: S108 (not TMPDIR: every process must find the same one)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner or status.st_mode & 0o077:
        raise ConnectionFailed(
            f"{folder} is not private to the embedded server",
            hint="set TAGDB_HOME to a folder with a shorter path",
        )
    return folder


def _first_blocked(path: Path, account: pwd.struct_passwd) -> Path | None:
    """Return the outermost step of the way to `path`, itself the last, that `account` may not enter or run."""
    for step in [*reversed(path.resolve().parents), path.resolve()]:
        status = step.stat()
        bit = 0o100 if status.st_uid == account.pw_uid else 0o010 if status.st_gid == account.pw_gid else 0o001
        if not status.st_mode & bit:
            return step
    return None


@cache
def _programs(folder: Path) -> embedded_copy.Programs:
    """Return where root's server finds its programs: in place, or in a copy where its user cannot enter the package."""
    account = server_account()
    assert account is not None
    installation = folder.parent
    libraries = installation.parent.parent / f"{installation.parent.name}.libs"
    needed = (folder / "postgres", folder / "initdb", installation / "lib", installation / "share", libraries)
    if any(_first_blocked(path, account) for path in needed if path.exists()):
        return embedded_copy.provide(folder, account)
    return embedded_copy.Programs(folder)
