"""Connections to PostgreSQL, and the sessions in which named queries run."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psycopg2
import psycopg2.extensions
import sqlalchemy
from sqlalchemy.pool import NullPool

from tagdb import advice, config
from tagdb.db import address, pooler, preparing, queries
from tagdb.db.driver import Connection
from tagdb.db.embedded import EmbeddedServer
from tagdb.db.rights import quoted
from tagdb.db.translation import only_reads, storable, translated
from tagdb.errors import ConnectionFailed, TagdbError, Unavailable
from tagdb.models import NO_PATIENCE, Patience

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
_TOO_MANY = re.compile("too many (clients|connections)|connection slots")
_UNANSWERED = "a pooler whose server connections are all taken does so (query_wait_timeout): enlarge its pool, or wait"
_PAUSES = (0.1, 0.2, 0.4, 0.8)

Row = sqlalchemy.Row[Any]


class Database:
    """A database to work in, or rather the collection in `schema` of it; opening sessions is all it does.

    `patience` is what the collection's lock is waited for with.
    """

    def __init__(
        self,
        dsn: str,
        *,
        origin: str,
        embedded: bool = False,
        patience: Patience = NO_PATIENCE,
        schema: str = config.DEFAULT_SCHEMA,
    ) -> None:
        self.dsn = dsn
        self.origin = origin
        self.embedded = embedded
        self.patience = patience
        self.schema = schema
        self.engine = sqlalchemy.create_engine(
            "postgresql+psycopg2://", creator=self._connect, poolclass=NullPool, hide_parameters=True
        )
        self._behind_pooler = False
        self._server: EmbeddedServer | None = None

    @classmethod
    def open(
        cls, target: config.Target, patience: Patience = NO_PATIENCE, schema: str = config.DEFAULT_SCHEMA
    ) -> Database:
        """Open what the settings name; the embedded server is started where needed, and runs until `close` at least."""
        if target.dsn is not None:
            return cls(target.dsn, origin=target.origin, patience=patience, schema=schema)
        server = EmbeddedServer(config.home())
        database = cls(server.acquire(), origin=target.origin, embedded=True, patience=patience, schema=schema)
        database._server = server
        return database

    def close(self) -> None:
        """Give up the embedded server, which stops where nobody else uses it; else the process's end does that."""
        if self._server is not None:
            self._server.release()

    def beside(self, schema: str) -> Database:
        """Return the collection in another schema of the same database."""
        return Database(self.dsn, origin=self.origin, embedded=self.embedded, patience=self.patience, schema=schema)

    @property
    def shown(self) -> str:
        """How to name this database to people; never with a password."""
        if self.embedded:
            return f"the embedded database in {config.home()}"
        place = address.place(self.dsn)
        return f"{place} ({self.origin})" if place else f"the database of {self.origin}"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a connection for one piece of work; each statement commits by itself outside `Session.transaction`.

        Raises
        ------
        ConnectionFailed : there is none to be had
        Unavailable : it leads through a pooler that mixes up its clients' sessions
        """
        with self.addressing_hints():
            with translated():
                connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            try:
                yield Session(connection, self.patience, self.schema)
            finally:
                if not connection.invalidated and connection.connection.driver_connection.closed:  # type: ignore[union-attr]
                    connection.invalidate()  # what a lost connection was last set to cannot be set back
                connection.close()

    @contextmanager
    def addressing_hints(self) -> Iterator[None]:
        """Let the commands that an error advises name the collection it is about."""
        try:
            yield
        except TagdbError as error:
            error.hint = error.hint and advice.addressed(error.hint, self.schema)
            raise

    @contextmanager
    def second_session(self) -> Iterator[Session | None]:
        """Open one more connection beside another session; None where the server or a pooler grants no more."""
        with ExitStack() as opened:
            session = None
            with suppress(ConnectionFailed):
                if not self._behind_pooler or pooler.has_room(self._connect_asynchronously):
                    session = opened.enter_context(self.session())
            yield session

    def _connect(self) -> Connection:
        connection = self._connect_when_possible()
        try:
            if preparing.prepare(connection, connection.info.backend_pid, self.schema):
                return connection
        except psycopg2.OperationalError as error:
            if connection.closed and not error.pgcode:
                raise ConnectionFailed("the connection was closed without an answer", hint=_UNANSWERED) from error
            raise
        if not self._behind_pooler:
            connection.close()  # in a pool of one it would keep the others waiting
            if pooler.mixes_sessions(self._connect_asynchronously):
                raise Unavailable(
                    "this is a pooler in transaction mode", hint="use its session mode, or the server itself"
                )
            self._behind_pooler = True
            connection = self._connect_when_possible()
        preparing.prepare_borrowed(connection, self.schema)
        return connection

    def _connect_when_possible(self) -> Connection:
        """Connect; a limit on connections is waited for a moment, for a server takes its time to count one as gone."""
        for pause in _PAUSES:
            try:
                return self._open()
            except psycopg2.OperationalError as error:
                if not _TOO_MANY.search(str(error)):
                    raise
                time.sleep(pause)
        return self._open()

    def _open(self, **options: Any) -> Connection:
        given = _parse(self.dsn, self.origin)
        missing = {key: value for key, value in _CONNECTION_DEFAULTS.items() if key not in given}
        connection: Connection = psycopg2.connect(self.dsn, connection_factory=Connection, **missing, **options)
        return connection

    def _connect_asynchronously(self) -> Connection:
        return self._open(async_=True)


class Session:
    """One connection to a collection, spoken to in named queries (`sql/queries`), with the errors of tagdb."""

    def __init__(
        self,
        connection: sqlalchemy.Connection,
        patience: Patience = NO_PATIENCE,
        schema: str = config.DEFAULT_SCHEMA,
    ) -> None:
        self.connection = connection
        self.patience = patience
        self.schema = schema

    @property
    def is_default(self) -> bool:
        """Whether this is the collection that is meant when none is named."""
        return self.schema == config.DEFAULT_SCHEMA

    @property
    def quoted_schema(self) -> str:
        """The schema of the collection as SQL and people name it."""
        return quoted(self.schema)

    def qualified(self, name: str) -> str:
        """Return how SQL and people name a relation or function of the collection's."""
        return f"{self.quoted_schema}.{name}"

    @property
    def codec(self) -> str | None:
        """Python's name of the encoding that the database keeps text in, None where that has every letter."""
        encoding = self.cursor().connection.info.parameter_status("server_encoding") or "UTF8"
        return None if encoding in ("UTF8", "SQL_ASCII") else psycopg2.extensions.encodings.get(encoding)

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[None]:
        """Run statements as one transaction: all of them take effect, or none; inside another one, as its part."""
        with translated():
            begin, take_back, commit = "BEGIN", "ROLLBACK", "COMMIT"
            if read_only:
                begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
            elif self.cursor().connection.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INTRANS:
                begin, commit = "SAVEPOINT part", "RELEASE SAVEPOINT part"
                take_back = "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part"  # else the outer part's would mean it
            self.connection.exec_driver_sql(begin)
            try:
                yield
            except BaseException:
                self._take_back(take_back)
                raise
            self.connection.exec_driver_sql(commit)

    def begin(self) -> None:
        """Begin a transaction that is open until `commit` or `roll_back`: for one that no block of code encloses."""
        with translated():
            self.connection.exec_driver_sql("BEGIN")

    def commit(self) -> None:
        """End what `begin` began."""
        with translated():
            self.connection.exec_driver_sql("COMMIT")

    def roll_back(self) -> None:
        """Take back what was done since `begin`."""
        self._take_back("ROLLBACK")

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
        return self._run(queries.statement(query, self.schema), parameters).rowcount

    def rows(self, query: str, /, **parameters: Any) -> list[Row]:
        """Run the named query and return its rows."""
        return list(self._run(queries.statement(query, self.schema), parameters))

    def rows_with(self, query: str, parts: Mapping[str, object], /, **parameters: Any) -> list[Row]:
        """Run the named query with pieces of SQL put in for its `{parts}`, and return its rows."""
        filled = {name: str(part) for name, part in parts.items()}
        return list(self._run(queries.statement_of(query, self.schema, filled), parameters))

    def rows_of(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        """Run SQL text with `:parameters` and return its rows; a colon of its own is written backslash, colon."""
        return list(self._run(sqlalchemy.text(sql), parameters))

    def row(self, query: str, /, **parameters: Any) -> Row | None:
        """Run the named query and return its first row, if there is one."""
        return self._run(queries.statement(query, self.schema), parameters).first()

    def scalar(self, query: str, /, **parameters: Any) -> Any:
        """Run the named query and return the first column of its first row."""
        return self._run(queries.statement(query, self.schema), parameters).scalar()

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

    def require_writable(self) -> None:
        """Pass where something can be written.

        Raises
        ------
        Unavailable : this is a standby, or the role or the database is set to only read
        """
        connection: Any = self.connection.connection.driver_connection
        if connection.standby or connection.read_only:
            raise only_reads(connection)

    def release_lock(self) -> None:
        """Give tagdb's lock back, unless the connection took it along when it broke."""
        if not self.connection.closed and not self.connection.invalidated:
            self.execute("sync.release_lock")

    def script(self, query: str, /, **parts: object) -> str:
        """Return the named query as the driver takes it, with what each of its `{parts}` stands for."""
        return queries.script(query, self.schema, {name: str(part) for name, part in parts.items()})

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


def _parse(dsn: str, origin: str) -> Mapping[str, str]:
    """Return the settings in a connection string.

    Raises
    ------
    ConnectionFailed : libpq cannot read it, or would take a piece of the password for something else
    """
    try:
        return address.settings(dsn)
    except address.Unreadable as error:
        raise ConnectionFailed(f"the connection string of {origin} cannot be read{error}", hint=error.hint) from None
