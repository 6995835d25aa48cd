"""Connections to PostgreSQL, and the sessions in which named queries run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
import psycopg2.extensions
import sqlalchemy
from sqlalchemy.pool import NullPool

from tagdb import config
from tagdb.db import queries
from tagdb.db.embedded import EmbeddedServer
from tagdb.db.rights import Connection
from tagdb.db.translation import storable, translated
from tagdb.errors import ConnectionFailed, TagdbError

_CONNECTION_DEFAULTS: Mapping[str, Any] = {
    "application_name": f"tagdb {config.VERSION}",
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_ROWS_AT_ONCE = 5_000
_URL_AS_MEANT = re.compile(r"postgresql://([^@/]*@)?[^@?]*(\?|$)")

Row = sqlalchemy.Row[Any]


class Database:
    """A database to work in; opening sessions is all it does."""

    def __init__(self, dsn: str, *, origin: str, embedded: bool = False) -> None:
        self.dsn = dsn
        self.origin = origin
        self.embedded = embedded
        self.engine = sqlalchemy.create_engine(
            "postgresql+psycopg2://", creator=self._connect, poolclass=NullPool, hide_parameters=True
        )

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
        """Open a connection for one piece of work; each statement commits by itself outside `Session.transaction`.

        Raises
        ------
        ConnectionFailed : there is none to be had
        """
        with translated():
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            yield Session(connection)
        finally:
            if not connection.invalidated and connection.connection.driver_connection.closed:  # type: ignore[union-attr]
                connection.invalidate()  # what a lost connection was last set to cannot be set back
            connection.close()

    def _connect(self) -> psycopg2.extensions.connection:
        given = _parse(self.dsn, self.origin)
        missing = {key: value for key, value in _CONNECTION_DEFAULTS.items() if key not in given}
        connection: Connection = psycopg2.connect(self.dsn, connection_factory=Connection, **missing)
        connection.set_client_encoding("UTF8")
        _prepare(connection)
        return connection


class Session:
    """One connection, spoken to in named queries (`sql/queries`), with the errors of tagdb."""

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self.connection = connection

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[None]:
        """Run statements as one transaction: all of them take effect, or none; inside another one, as its part."""
        with translated():
            begin, take_back, commit = "BEGIN", "ROLLBACK", "COMMIT"
            if read_only:
                begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
            elif self.cursor().connection.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INTRANS:
                begin, take_back, commit = "SAVEPOINT part", "ROLLBACK TO SAVEPOINT part", "RELEASE SAVEPOINT part"
            self.connection.exec_driver_sql(begin)
            try:
                yield
            except BaseException:
                self._take_back(take_back)
                raise
            self.connection.exec_driver_sql(commit)

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Run statements and take back all they did, whatever comes of them."""
        with translated():
            self.connection.exec_driver_sql("BEGIN")
            try:
                yield
            finally:
                self._take_back("ROLLBACK")

    def _take_back(self, statement: str) -> None:
        with suppress(sqlalchemy.exc.SQLAlchemyError):  # a broken connection has rolled back by itself
            self.connection.exec_driver_sql(statement)

    def execute(self, query: str, /, **parameters: Any) -> int:
        """Run the named query and return how many rows it touched."""
        return self._run(queries.statement(query), parameters).rowcount

    def rows(self, query: str, /, **parameters: Any) -> list[Row]:
        """Run the named query and return its rows."""
        return list(self._run(queries.statement(query), parameters))

    def rows_of(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        """Run SQL text with `:parameters` and return its rows; a colon of its own is written backslash, colon."""
        return list(self._run(sqlalchemy.text(sql), parameters))

    def row(self, query: str, /, **parameters: Any) -> Row | None:
        """Run the named query and return its first row, if there is one."""
        return self._run(queries.statement(query), parameters).first()

    def scalar(self, query: str, /, **parameters: Any) -> Any:
        """Run the named query and return the first column of its first row."""
        return self._run(queries.statement(query), parameters).scalar()

    def _run(self, statement: sqlalchemy.TextClause, parameters: Mapping[str, Any]) -> sqlalchemy.CursorResult[Any]:
        with storable(), translated():
            return self.connection.execute(statement, parameters)

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of checked SQL block by block, by a cursor on the server: only inside a transaction."""
        cursor = self.cursor()
        with storable(), translated():
            cursor.execute(f"DECLARE tagdb_stream NO SCROLL CURSOR FOR {sql}")
            while block := self._fetch(cursor):
                yield from block
            cursor.execute("CLOSE tagdb_stream")

    @staticmethod
    def _fetch(cursor: psycopg2.extensions.cursor) -> list[tuple[Any, ...]]:
        cursor.execute(f"FETCH {_ROWS_AT_ONCE} FROM tagdb_stream")
        return cursor.fetchall()

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


def _prepare(connection: Connection) -> None:
    """Set what holds for the whole connection."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(queries.topic("session")["act_as_owner"])
        (connection.role,) = cursor.fetchone() or ("",)
        for name in ("prepare", "find_vector"):
            cursor.execute(queries.topic("session")[name])
    connection.autocommit = False


def _parse(dsn: str, origin: str) -> Mapping[str, str]:
    """Return the settings in a connection string.

    Raises
    ------
    ConnectionFailed : libpq cannot read it, or would take a piece of the password for something else. libpq's own
        words are not passed on, for they quote what it stumbled over.
    """
    try:
        parts: dict[str, str] = psycopg2.extensions.parse_dsn(dsn) if dsn else {}
    except psycopg2.ProgrammingError:
        raise _unreadable(origin) from None
    misread = dsn.startswith("postgresql://") and not _URL_AS_MEANT.match(dsn)
    if misread or "@" in parts.get("host", "") or not re.fullmatch(r"[\d,\s]*", parts.get("port", "")):
        raise _unreadable(origin)
    return parts


def _unreadable(origin: str) -> TagdbError:
    return ConnectionFailed(
        f"the connection string of {origin} cannot be read",
        hint="in a URL write %40 for @, %2F for /, %25 for % in the password; in key=value form quote it: password='…'",
    )
