"""Connections to PostgreSQL, and the one place where the driver's errors become tagdb's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.extensions
import sqlalchemy
from sqlalchemy.pool import NullPool

from tagdb import config
from tagdb.db import queries
from tagdb.db.embedded import EmbeddedServer
from tagdb.errors import ConnectionFailed, DatabaseError, SchemaMismatch, TagdbError, Unavailable

_CONNECTION_DEFAULTS: Mapping[str, Any] = {
    "application_name": f"tagdb {config.VERSION}",
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}

Row = sqlalchemy.Row[Any]


class Database:
    """A database to work in; opening sessions is all it does."""

    def __init__(self, dsn: str, *, origin: str, embedded: bool = False) -> None:
        self.dsn = dsn
        self.origin = origin
        self.embedded = embedded
        self.engine = sqlalchemy.create_engine("postgresql+psycopg2://", creator=self._connect, poolclass=NullPool)

    @classmethod
    def open(cls, target: config.Target) -> Database:
        """Open what the settings name; the embedded server is started where needed and runs as long as this process."""
        if target.dsn is not None:
            return cls(target.dsn, origin=target.origin)
        return cls(EmbeddedServer(config.home()).acquire(), origin=target.origin, embedded=True)

    @property
    def shown(self) -> str:
        """How to name this database to people; never with a password."""
        return f"the embedded database in {config.home()}" if self.embedded else f"the database of {self.origin}"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a connection for one piece of work; each statement commits by itself outside `Session.transaction`."""
        with translated():
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            yield Session(connection)
        finally:
            connection.invalidate() if connection.invalidated else connection.close()

    def _connect(self) -> psycopg2.extensions.connection:
        given = psycopg2.extensions.parse_dsn(self.dsn) if self.dsn else {}
        missing = {key: value for key, value in _CONNECTION_DEFAULTS.items() if key not in given}
        connection: psycopg2.extensions.connection = psycopg2.connect(self.dsn, **missing)
        connection.set_client_encoding("UTF8")
        return connection


class Session:
    """One connection, spoken to in named queries (`sql/queries`), with the errors of tagdb."""

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self.connection = connection

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[None]:
        """Run statements as one transaction: all of them take effect, or none."""
        with translated():
            mode = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if read_only else "BEGIN"
            self.connection.exec_driver_sql(mode)
            try:
                yield
            except BaseException:
                if not self.connection.closed and not self.connection.invalidated:
                    self.connection.exec_driver_sql("ROLLBACK")
                raise
            self.connection.exec_driver_sql("COMMIT")

    def execute(self, query: str, /, **parameters: Any) -> int:
        """Run the named query and return how many rows it touched."""
        with translated():
            return self.connection.execute(queries.statement(query), parameters).rowcount

    def rows(self, query: str, /, **parameters: Any) -> list[Row]:
        """Run the named query and return its rows."""
        with translated():
            return list(self.connection.execute(queries.statement(query), parameters))

    def rows_of(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        """Run SQL text with `:parameters` and return its rows; a colon of its own is written backslash, colon."""
        with translated():
            return list(self.connection.execute(sqlalchemy.text(sql), parameters))

    def row(self, query: str, /, **parameters: Any) -> Row | None:
        """Run the named query and return its first row, if there is one."""
        with translated():
            return self.connection.execute(queries.statement(query), parameters).first()

    def scalar(self, query: str, /, **parameters: Any) -> Any:
        """Run the named query and return the first column of its first row."""
        with translated():
            return self.connection.execute(queries.statement(query), parameters).scalar()

    def release_lock(self) -> None:
        """Give tagdb's lock back, unless the connection took it along when it broke."""
        if not self.connection.closed and not self.connection.invalidated:
            self.execute("sync.release_lock")

    def run_script(self, sql: str) -> None:
        """Run SQL that tagdb wrote or that `userquery` has checked, as it stands."""
        with translated():
            self.cursor().execute(sql)

    def cursor(self) -> psycopg2.extensions.cursor:
        """Return a cursor of the driver, for COPY."""
        driver: Any = self.connection.connection.driver_connection
        cursor: psycopg2.extensions.cursor = driver.cursor()
        return cursor


def quote_identifier(name: str) -> str:
    """Quote `name` for use as an identifier in SQL text."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into tagdb's, with passwords blanked out and what to type next."""
    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        raise _translate(error.orig or error) from error
    except psycopg2.Error as error:
        raise _translate(error) from error


_MISSING_TAGDB = re.compile(r'(schema "tagdb"|relation "tagdb\.|function tagdb\.)')
_LOST = re.compile("08|57P|28|3D000")
_KNOWN: Mapping[str, tuple[type[TagdbError], str, str]] = {
    "42501": (Unavailable, "a right is missing", "ask the database's owner to grant it"),
    "57014": (DatabaseError, "the statement was stopped", "give it more time, for example --timeout 600"),
    "53100": (DatabaseError, "the server's disk is full", "free some space and run the same command again"),
}


def _translate(error: BaseException) -> TagdbError:
    message = config.redact(str(error)).strip().split("\n")[0]
    code = getattr(error, "pgcode", None)
    if code is None or _LOST.match(code):
        return ConnectionFailed(
            f"no connection to PostgreSQL: {message}",
            hint="check --db-url, TAGDB_DATABASE_URL or PGHOST; without them tagdb runs its own server",
        )
    if code in ("3F000", "42P01", "42883") and _MISSING_TAGDB.search(message):
        return SchemaMismatch("this database has no tagdb schema, or an old one", hint="tagdb db migrate")
    if code in _KNOWN:
        kind, meaning, hint = _KNOWN[code]
        return kind(f"{meaning}: {message}", hint=hint)
    return DatabaseError(message)
