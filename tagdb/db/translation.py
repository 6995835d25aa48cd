"""The one place where the driver's errors become tagdb's: what happened, what to type next, and never a password."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg2
import sqlalchemy

from tagdb import config
from tagdb.db import rights
from tagdb.errors import ConnectionFailed, DatabaseError, InputRefused, SchemaMismatch, TagdbError, Unavailable

_MISSING_TAGDB = re.compile(r'(schema "tagdb"|relation "tagdb\.|function tagdb\.)')
_MISSING_VECTOR = re.compile(r'type "(half)?vec(tor)?"')
_LOST = re.compile("08|57P|28|3D000|25P03|25P04")
_UNSPECIFIC = psycopg2.DatabaseError  # the driver's class for what it cannot explain, as when COPY breaks off
_KNOWN: Mapping[str, tuple[type[TagdbError], str, str]] = {
    "25006": (Unavailable, "this database only reads", "name the primary server, not a replica"),
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
    "55P03": (DatabaseError, "another session was in the way", "run the same command again"),
    "57014": (
        DatabaseError,
        "the statement was stopped",
        "give it more time: --timeout of tagdb train, or the server's statement_timeout",
    ),
}


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into tagdb's.

    Raises
    ------
    ConnectionFailed : there is no connection, or it broke
    SchemaMismatch : a relation or function of schema `tagdb` is not there
    Unavailable : a right is missing, or the server only reads
    DatabaseError : PostgreSQL refused the statement for any other reason
    """
    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        driver_error = _redacted(error.orig or error)
        raise _translate(driver_error) from driver_error
    except sqlalchemy.exc.PendingRollbackError as error:  # SQLAlchemy's word for a connection that broke before
        raise ConnectionFailed("the connection to PostgreSQL broke", hint="run the same command again") from error
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
    if _LOST.match(code) if code else _lost_without_code(error):
        return ConnectionFailed(
            f"no connection to PostgreSQL: {message}",
            hint=rights.to_connect(message)
            or "check --db-url, TAGDB_DATABASE_URL or PGHOST; without them tagdb runs its own server",
        )
    if code in ("3F000", "42P01", "42883") and _MISSING_TAGDB.search(message):
        return SchemaMismatch(f"this database has no tagdb schema, or an old one: {message}", hint="tagdb db migrate")
    if code == "42704" and _MISSING_VECTOR.search(message):
        return Unavailable(f"pgvector is not within reach of this role: {message}", hint="tagdb db migrate says why")
    if code in _KNOWN:
        kind, meaning, hint = _KNOWN[code]
        return kind(f"{meaning}: {message}", hint=hint or rights.what_to_grant(error, message))
    return DatabaseError(message)


def _lost_without_code(error: BaseException) -> bool:
    """Whether it is about the connection, when the driver and not the server says it."""
    return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) or type(error) is _UNSPECIFIC
