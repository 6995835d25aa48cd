"""The one place where the driver's errors become tagdb's: what happened, what to type next, and never a password."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg2
import sqlalchemy

from tagdb import config
from tagdb.db import naming, rights
from tagdb.db.driver import Connection
from tagdb.errors import ConnectionFailed, DatabaseError, InputRefused, SchemaMismatch, TagdbError, Unavailable

_MISSING_VECTOR = re.compile(r'type "(half)?vec(tor)?"')
_LOST = re.compile("08|57P|28|3D000|25P03|25P04|53300")
_UNSPECIFIC = psycopg2.DatabaseError  # the driver's class for what it cannot explain, as when COPY breaks off
_KNOWN: Mapping[str, tuple[type[TagdbError], str, str]] = {
    "22021": (
        DatabaseError,
        "a text is not of the database's encoding",
        "write it again as it was meant; in a database without an encoding any bytes may be in a text",
    ),
    "22P05": (
        DatabaseError,
        "the database's encoding has no such letter",
        "leave it out, or keep the data in a database made with ENCODING 'UTF8'",
    ),
    "40001": (DatabaseError, "another session changed the same rows", "run the same command again"),
    "40P01": (DatabaseError, "another session was in the way", "run the same command again"),
    "42501": (Unavailable, "a right is missing", ""),
    "53100": (DatabaseError, "the server's disk is full", "free some space and run the same command again"),
    "53400": (DatabaseError, "a limit of the server's is reached", "have the DBA raise it for this role"),
    "55P03": (DatabaseError, "another session was in the way", "run the same command again"),
    "57014": (
        DatabaseError,
        "the statement was stopped",
        "give it more time: --timeout of tagdb train, or the server's statement_timeout",
    ),
}
_RESTARTED = "the server was restarted, or a pooler or a timeout such as idle_session_timeout ended it"
_ENDED_BY = {
    "57P01": "the server was stopped, or an administrator ended it",
    "57P02": "the server crashed",
    "57P05": "idle_session_timeout ended it",
    "25P03": "idle_in_transaction_session_timeout ended it",
    "25P04": "transaction_timeout ended it",
}
_GO_ON = "run the same command again: what was done is kept"
_WHERE_TO_LOOK = (
    ("query_wait_timeout", "the pooler had no server connection free: enlarge its pool, or try again later"),
    (
        "startup parameter",
        "a pooler takes no options: leave out PGOPTIONS and options=…, or use the server itself",
    ),
    ("too many (clients|connections)|connection slots", "end some, or have the DBA raise the limit; one is enough"),
    ("does not match host name", "name the server in the URL as its certificate does"),
    (
        "certificate verify failed|root certificate|self-signed",
        "name the file of the authority that signed the server's certificate: sslrootcert=FILE",
    ),
    (
        "SSL required|no encryption|SSL off",
        "TLS is wanted: sslmode=require, or verify-full with sslrootcert=FILE",
    ),
    ("does not support SSL", "the server has no TLS: sslmode=prefer goes without it"),
    (
        "password authentication|no password supplied|SASL auth",
        "check the user and the password: in the URL, PGPASSWORD or ~/.pgpass",
    ),
)
"""What to do about a connection that cannot be made, by what the client library or the server says of it."""
_ANYWHERE = "check --db-url, TAGDB_DATABASE_URL or PGHOST; without them tagdb runs its own server"


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into tagdb's.

    Raises
    ------
    ConnectionFailed : there is no connection, or it broke
    SchemaMismatch : a relation or function of the collection is not there
    Unavailable : a right is missing, or the server only reads
    DatabaseError : PostgreSQL refused the statement for any other reason
    """
    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        driver_error = _redacted(error.orig or error)
        raise _translate(driver_error) from driver_error
    except sqlalchemy.exc.PendingRollbackError as error:  # SQLAlchemy's word for a connection that broke before
        raise ConnectionFailed(f"the connection was ended: {_RESTARTED}", hint=_GO_ON) from error
    except psycopg2.Error as error:
        raise _translate(_redacted(error)) from error


@contextmanager
def storable() -> Iterator[None]:
    """Turn what the driver says of text that PostgreSQL cannot store (NUL, lone surrogates) into a refusal of it."""
    try:
        yield
    except ValueError as error:
        raise InputRefused(
            "a text holds NUL or a lone surrogate, which PostgreSQL cannot store", hint="remove it from the text"
        ) from error


def _redacted(error: BaseException) -> BaseException:
    """Blank out passwords in the error itself: a traceback shows it below tagdb's own."""
    error.args = tuple(config.redact(part) if isinstance(part, str) else part for part in error.args)
    return error


def _translate(error: BaseException) -> TagdbError:
    message = str(error).strip().split("\n")[0]
    code: str = getattr(error, "pgcode", None) or ""
    if code.startswith("08") and _is_connected(error):
        return _other_server_lost(error, message)
    if _LOST.match(code) if code else _lost_without_code(error):
        return _not_connected(error, code, message)
    if told := _told_by_more_than_its_code(error, code, message):
        return told
    if code in _KNOWN:
        kind, meaning, hint = _KNOWN[code]
        return kind(f"{meaning}: {message}", hint=hint or rights.what_to_grant(error, message))
    return DatabaseError(message)


def _told_by_more_than_its_code(error: BaseException, code: str, message: str) -> TagdbError | None:
    if code == "25006":
        return _only_reads(error, message)
    if code in ("3F000", "42P01", "42883") and _of_tagdb(error, message):
        what = naming.called(rights.schema_of(error))
        return SchemaMismatch(f"this database has no {what}, or an old one: {message}", hint="tagdb db migrate")
    if code == "42704" and _MISSING_VECTOR.search(message):
        return Unavailable(f"pgvector is not within reach of this role: {message}", hint="tagdb db migrate says why")
    if _hidden_by_policy(error):
        return Unavailable(
            f"rows are hidden from this role, and would look as if they were gone: {message}",
            hint="let the owner of the tables run tagdb; or have a DBA run: ALTER ROLE … BYPASSRLS",
        )
    return None


def _of_tagdb(error: BaseException, message: str) -> bool:
    """Whether what is missing is the schema of the collection that is worked on, or in it; messages quote no name."""
    schema = rights.schema_of(error)
    return any(said in message for said in (f'schema "{schema}"', f'relation "{schema}.', f"function {schema}."))


def _not_connected(error: BaseException, code: str, message: str) -> TagdbError:
    hint = next((hint for pattern, hint in _WHERE_TO_LOOK if re.search(pattern, str(error))), None)
    if not hint and (code in _ENDED_BY or (code[:2] in ("", "08") and _was_connected(error))):
        ended_by = _ENDED_BY.get(code, _RESTARTED)
        return ConnectionFailed(f"the connection was ended: {ended_by} ({message})", hint=_GO_ON)
    return ConnectionFailed(
        f"no connection to PostgreSQL: {message}", hint=hint or rights.to_connect(message) or _ANYWHERE
    )


def _was_connected(error: BaseException) -> bool:
    return isinstance(error, psycopg2.InterfaceError) or getattr(error, "cursor", None) is not None


def _is_connected(error: BaseException) -> bool:
    connection = getattr(getattr(error, "cursor", None), "connection", None)
    return connection is not None and not connection.closed


def _other_server_lost(error: BaseException, message: str) -> TagdbError:
    """Say that the server has lost another one, whose tables it lends, as postgres_fdw does."""
    diagnosed = error.diag.message_detail if isinstance(error, psycopg2.Error) else None
    detail = f" ({config.redact(diagnosed.strip().splitlines()[0])})" if diagnosed else ""
    return Unavailable(
        f"another server, whose tables are read here, is out of reach: {message}{detail}",
        hint="see that it runs, and what the options of the foreign server and its user mapping say",
    )


def _only_reads(error: BaseException, message: str) -> TagdbError:
    connection = getattr(getattr(error, "cursor", None), "connection", None)
    return only_reads(connection, message)


def only_reads(connection: object, message: str | None = None) -> TagdbError:
    """Return why nothing can be written on a connection."""
    said = f": {message}" if message else ""
    if isinstance(connection, Connection) and connection.standby:
        return Unavailable(f"this is a standby (replica), which only reads{said}", hint="name the primary server")
    if isinstance(connection, Connection) and connection.read_only:
        return Unavailable(
            f"this role or database is set to only read (default_transaction_read_only){said}",
            hint="PGOPTIONS='-c default_transaction_read_only=off' tagdb …, or have it reset for this role",
        )
    return Unavailable(f"this transaction only reads{said}", hint="a query may read, not write")


def _hidden_by_policy(error: BaseException) -> bool:
    """Whether a policy of row-level security is the reason; told by a place in the server, for words are translated."""
    return isinstance(error, psycopg2.Error) and error.diag.source_function == "check_enable_rls"


def _lost_without_code(error: BaseException) -> bool:
    """Whether it is about the connection, when the driver and not the server says it."""
    return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) or type(error) is _UNSPECIFIC
