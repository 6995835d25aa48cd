"""Whether a pooler hands the session behind a connection to others between two transactions.

tagdb keeps state in its session: settings, temporary tables, and the lock that keeps a second one away. A pooler in
transaction mode mixes up the sessions of its clients, with no error at first.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

import psycopg2
import psycopg2.extensions

TRIES = 10
PATIENCE = 0.2
LIMIT_SECONDS = 20.0
ROOM_SECONDS = 2.0

_BEGIN = "BEGIN; SELECT pg_backend_pid()"
_ASK = "SELECT pg_backend_pid()"
_STATEMENT_MODE = "statement pooling"


def mixes_sessions(connect: Callable[[], psycopg2.extensions.connection]) -> bool:
    """Find out whether a pooler gives one server session to several clients; `connect` opens asynchronous connections.

    One client begins transactions while another one asks which server process it speaks to. In session mode the other
    one always speaks to the same process, and to one of its own, however many clients there are, and is answered even
    while the first one waits for a server connection to become free.

    Raises
    ------
    psycopg2.OperationalError : the pooler has no server connection to give
    """
    with ExitStack() as both:
        asking, beginning = both.enter_context(_Client(connect())), _second(both, connect)
        process = asking.ask(LIMIT_SECONDS)
        if process is None:
            raise psycopg2.OperationalError("the pooler had no server connection free")
        unanswered = 0
        for _ in range(TRIES):
            try:
                taken = beginning.begin(PATIENCE) if beginning else None
            except psycopg2.Error as error:
                if _STATEMENT_MODE in str(error):
                    return True
                beginning, taken = None, None
            if process == taken or asking.ask(LIMIT_SECONDS) != process:
                return True
            if beginning and taken:
                beginning.roll_back()
            elif beginning:
                unanswered += 1
                if unanswered == TRIES // 2:
                    return False
    return False


def has_room(connect: Callable[[], psycopg2.extensions.connection]) -> bool:
    """Return whether a pooler that keeps its clients' sessions apart has one more of them, now or in a moment."""
    try:
        with _Client(connect()) as another:
            return another.ask(ROOM_SECONDS) is not None
    except psycopg2.Error:
        return False


def _second(both: ExitStack, connect: Callable[[], psycopg2.extensions.connection]) -> _Client | None:
    """Return another client, None where the pooler grants no second one."""
    with suppress(psycopg2.Error):
        return both.enter_context(_Client(connect()))
    return None


class _Client:
    """An asynchronous connection through the pooler, on which nothing waits longer than it is told to."""

    def __init__(self, connection: psycopg2.extensions.connection) -> None:
        self._connection = connection
        self._cursor: psycopg2.extensions.cursor | None = None

    def __enter__(self) -> Self:
        if not self._wait(LIMIT_SECONDS):
            self._connection.close()
            raise psycopg2.OperationalError("the pooler does not answer")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def ask(self, seconds: float) -> int | None:
        """Return the server process that answers outside of a transaction, None when none does so in time."""
        return self._process(_ASK, seconds)

    def begin(self, seconds: float) -> int | None:
        """Begin a transaction and return its server process, None while it waits for one: call it again then."""
        return self._process(_BEGIN, seconds)

    def roll_back(self) -> None:
        """End the transaction."""
        self._process("ROLLBACK; SELECT 0", LIMIT_SECONDS)

    def _process(self, statement: str, seconds: float) -> int | None:
        if self._cursor is None:
            self._cursor = self._connection.cursor()
            self._cursor.execute(statement)
        if not self._wait(seconds):
            return None
        row = self._cursor.fetchone()
        self._cursor = None
        assert row is not None
        process: int = row[0]
        return process

    def _wait(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (state := self._connection.poll()) != psycopg2.extensions.POLL_OK:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            watched = [self._connection.fileno()]
            writing = state == psycopg2.extensions.POLL_WRITE
            select.select([] if writing else watched, watched if writing else [], [], left)
        return True
