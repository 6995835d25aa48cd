"""A PostgreSQL as somebody else runs it: on loopback, roles without superuser, poolers before it, a standby behind."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2

from tagdb.db import embedded_user
from tagdb.db.embedded import SUPERUSER, binaries

_ACCESS = """
local all,replication postgres trust
host all all 127.0.0.1/32 scram-sha-256
"""
_SETTINGS = {"fsync": "off", "max_connections": "50", "listen_addresses": "'127.0.0.1'", "shared_buffers": "'64MB'"}
_READY_SECONDS = 60


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def servers_folder() -> Iterator[Path]:
    """Make a folder below which servers of another user than root may keep their files."""
    folder = Path(tempfile.mkdtemp(prefix="tagdb-dba-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class DbaServer:
    """A cluster in `folder`, whose DBA speaks over the socket as superuser and everybody else over TCP by password."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    programs: Path = field(default_factory=binaries)

    def __post_init__(self) -> None:
        self.port = free_port()

    def initialise(self) -> None:
        """Make the cluster."""
        _call(self.programs / "initdb", "--auth=trust", f"--username={SUPERUSER}", "--no-sync", "-D", str(self._data))
        (self._data / "pg_hba.conf").write_text(_ACCESS)

    def copy(self, primary: DbaServer) -> None:
        """Make the cluster a hot standby of `primary`."""
        source = ("-h", str(primary.folder), "-p", str(primary.port), "-U", SUPERUSER)
        _call(self.programs / "pg_basebackup", *source, "-R", "-c", "fast", "--no-sync", "-D", str(self._data))

    def start(self) -> None:
        """Start it and wait until it answers."""
        own = {"port": str(self.port), "unix_socket_directories": f"'{self.folder}'"}
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in {**_SETTINGS, **self.settings, **own}.items())
        _call(self.programs / "pg_ctl", "start", "-w", "-D", str(self._data), "-l", str(self.folder / "log"))

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        _call(self.programs / "pg_ctl", "stop", "-m", "immediate", "-D", str(self._data))

    def restart(self) -> None:
        """Stop it as a DBA would, ending all sessions, and start it again."""
        log = str(self.folder / "log")
        _call(self.programs / "pg_ctl", "restart", "-m", "fast", "-w", "-D", str(self._data), "-l", log)

    def url(self, role: str, database: str, *, port: int | None = None, **parameters: str) -> str:
        """Return the URL by which `role`, whose password is its name, reaches `database`, here or through a pooler."""
        query = "".join(f"{'&' if place else '?'}{k}={quote(v)}" for place, (k, v) in enumerate(parameters.items()))
        return f"postgresql://{role}:{role}@127.0.0.1:{port or self.port}/{database}{query}"

    def admin(self, statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as the DBA, each committing by itself, and return the rows of the last one."""
        connection = psycopg2.connect(host=str(self.folder), port=self.port, user=SUPERUSER, dbname=database)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                for statement in filter(str.strip, statements.split(";\n")):
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs, whatever it returns, and return what it says on stderr."""
        command = [str(self.programs / program), *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment).stderr

    @contextmanager
    def role(self, name: str, options: str = "") -> Iterator[str]:
        """Make a role that may log in with its name as password, and drop it with all it owns outside of databases."""
        self.admin(f"CREATE ROLE {name} LOGIN PASSWORD '{name}' {options}")
        try:
            yield name
        finally:
            self.admin(f"DROP ROLE {name}")

    @contextmanager
    def database(self, name: str, options: str = "") -> Iterator[str]:
        """Make a database, and drop it whoever is connected."""
        self.admin(f"CREATE DATABASE {name} {options}")
        try:
            yield name
        finally:
            self.admin(f"DROP DATABASE {name} WITH (FORCE)")

    @property
    def _data(self) -> Path:
        return self.folder / "data"


@contextmanager
def running(server: DbaServer, *, standby_of: DbaServer | None = None) -> Iterator[DbaServer]:
    """Make a server's cluster, run it, and stop it."""
    server.folder.mkdir(parents=True)
    _hand_over(server.folder)
    if standby_of:
        server.copy(standby_of)
    else:
        server.initialise()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def pooler(server: DbaServer, folder: Path, mode: str, **settings: str) -> Iterator[int]:
    """Run PgBouncer in `mode` ("session", "transaction") in front of `server`, and return its port."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program
    port = free_port()
    folder.mkdir(parents=True)
    roles = server.admin("SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname <> 'postgres'")
    (folder / "users").write_text("".join(f'"{name}" "{name}"\n' for (name,) in roles))
    values = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": str(folder / "users"),
        "pool_mode": mode,
        "logfile": str(folder / "log"),
        "pidfile": str(folder / "pid"),
        **settings,
    }
    lines = [f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n"]
    (folder / "ini").write_text("".join([*lines, *(f"{name} = {value}\n" for name, value in values.items())]))
    _hand_over(folder)
    identity: dict[str, Any] = _identity()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([program, str(folder / "ini")], stdout=quiet, stderr=quiet, cwd="/", **identity)
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


def _identity() -> dict[str, Any]:
    account = embedded_user.server_account()
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _hand_over(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        embedded_user.hand_over(path)


def _call(program: Path, *arguments: str) -> None:
    command = embedded_user.command(program, *arguments)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    done = subprocess.run(
        command.argv, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", env=environment,
        text=True, **command.identity,
    )  # fmt: skip
    assert done.returncode == 0, f"{program.name}: {done.stderr}"
