"""How a collection is opened and closed, in whatever threads and processes it is used."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, Self

from tagdb import config
from tagdb.door import signals
from tagdb.door.keeping import KeptEmbedder
from tagdb.door.reporting import Progressing, reporter
from tagdb.errors import UsageError

if TYPE_CHECKING:
    from tagdb.db.connection import Database


class Opened:
    """A database that is opened when first needed; what a method connects it closes before it returns."""

    def __init__(
        self, url: str | None = None, schema: str | None = None, *, wait: float = 0.0, progress: Progressing = None
    ) -> None:
        self.schema = config.resolve_schema(schema)
        self._url, self._wait, self._reporter = url, wait, reporter(progress, self.schema)
        self._embedder = KeptEmbedder()
        self._lock = threading.Lock()
        self._database: Database | None = None
        self._process = os.getpid()
        self._closed = False

    def __repr__(self) -> str:
        place = f"in {self._database.shown}" if self._database else "not opened yet"
        return f"<tagdb collection {self.schema!r}, {'closed' if self._closed else place}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a collection stays in its process: connect in each")

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def open(self) -> Self:
        """Open the database now, as every method does that needs it.

        Raises
        ------
        ConnectionFailed : there is no connection to be had
        SchemaMismatch : the collection is not made yet, or of another version
        """
        with self._at_work():
            return self

    def close(self) -> None:
        """Let go of the embedder, and of the embedded server, which then stops if nobody else uses it."""
        self._begin_anew_after_fork()
        with self._lock:
            self._closed = True
            database, self._database = self._database, None
        self._embedder.forget()
        if database is not None:
            database.close()

    @contextmanager
    def _at_work(self) -> Iterator[Database]:
        """Give the database to a method, and signals that came meanwhile to the program."""
        with self._heeding_signals():
            yield self._opened()

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        self._refuse_closed()
        with signals.handed_on():
            yield

    def _opened(self) -> Database:
        from tagdb.pipeline.running import opening

        self._begin_anew_after_fork()
        with self._lock:
            self._refuse_closed()
            if self._database is None:
                self._database = opening.open_database(self._url, self._reporter, wait=self._wait, schema=self.schema)
            return self._database

    def _begin_anew_after_fork(self) -> None:
        """Leave to the parent what is the parent's: its database, and a lock that a thread of it may have held."""
        if self._process != os.getpid():
            self._lock, self._database, self._process = threading.Lock(), None, os.getpid()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise UsageError("this collection is closed", hint="connect again: tagdb.connect()")
