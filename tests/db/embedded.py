"""Processes that use an embedded server, and what is left of it afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg2

from tagdb.db.embedded import EmbeddedServer

_USER = """
import sys
from pathlib import Path
import psycopg2
from tagdb.db.embedded import EmbeddedServer

server = EmbeddedServer(Path(sys.argv[1]))
connection = psycopg2.connect(server.acquire())
cursor = connection.cursor()
cursor.execute("SELECT pg_postmaster_start_time()::text")
print(cursor.fetchone()[0], flush=True)
connection.close()
sys.stdin.read()
"""


class UserProcess:
    """A process of its own that acquires the server of `home` and holds it until it is told to end."""

    def __init__(self, home: Path) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", _USER, str(home)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def wait_until_connected(self) -> str:
        """Return when the server it found was started."""
        assert self.process.stdout is not None
        started = self.process.stdout.readline().strip()
        assert started, self.process.communicate()[1]
        return started

    def end(self) -> None:
        """Let it end in order."""
        _, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors

    def kill(self) -> None:
        """End it without warning."""
        self.process.kill()
        self.process.communicate(timeout=60)


def runs(server: EmbeddedServer) -> bool:
    """Whether the server answers."""
    return server.running


def server_pid(server: EmbeddedServer) -> int:
    """Return the process number of the server."""
    return int((server.data / "postmaster.pid").read_text().split("\n")[0])


def kill_server(server: EmbeddedServer) -> None:
    """Kill the server's first process, which cannot tell the others, and wait for its end."""
    pid = server_pid(server)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether there is such a process, not counting one that has ended and only was not asked for its exit code."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def value_of(dsn: str, query: str) -> object:
    """Return the one value of a query."""
    connection = psycopg2.connect(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
            assert row is not None
            return row[0]
    finally:
        connection.close()


def run_committed(dsn: str, statement: str) -> None:
    """Run and commit a statement."""
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()
