"""Brings schema `tagdb` to what this version works on: alembic's revisions, then the views and functions of `sql/`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import sqlalchemy

from tagdb import installation
from tagdb.db.connection import Database, Session
from tagdb.db.resources import folder
from tagdb.db.translation import translated
from tagdb.errors import SchemaMismatch, Unavailable

_MIGRATION_LOCK = 0x7461676462  # "tagdb" in ASCII
_DIGEST_COMMENT = "tagdb routines "
_PARTITION = re.compile(r"(text|tag)_vector_\d+")


@cache
def head() -> str:
    """Return the newest revision this version knows; revision files are named by it, in order."""
    return max(path.name.split("_")[0] for path in (folder("migrations") / "versions").glob("[0-9]*.py"))


def require_current(session: Session) -> None:
    """Pass when the schema is the one this version works on.

    Raises
    ------
    SchemaMismatch : it is missing, older or newer; nothing was changed
    """
    found = current_revision(session)
    if found is None:
        raise SchemaMismatch("this database has no tagdb schema yet", hint="tagdb db migrate")
    _refuse_newer(found)
    if found != head():
        raise SchemaMismatch(f"the tagdb schema here is {found}; this version needs {head()}", hint="tagdb db migrate")


def current_revision(session: Session) -> str | None:
    """Return the revision of the schema in the database, None without one."""
    if not session.scalar("schema.has_version_table"):
        return None
    revision: str | None = session.scalar("schema.revision")
    return revision


def migrate(database: Database) -> bool:
    """Bring the schema to `head`, waiting for any other process that does the same; True when something changed.

    All of it is one transaction: a migration that fails leaves the schema as it was.

    Raises
    ------
    SchemaMismatch : the schema was made by a newer tagdb
    Unavailable : pgvector is not on the server, or the right to install it is missing
    """
    with translated(), database.engine.connect() as connection, exclusive(connection):
        session = Session(connection)
        found = current_revision(session)
        if found is not None:
            _refuse_newer(found)
        if found == head() and session.scalar("schema.comment") == _routines_comment():
            return False
        _require_vector(session)
        _upgrade(connection)
        _install_routines(session)
        return True


@contextmanager
def exclusive(connection: sqlalchemy.Connection) -> Iterator[None]:
    """Hold the migration lock for one transaction, with schema `tagdb` in place.

    The lock belongs to the transaction, so it also holds through a pooler, and ends with it whatever happens.
    """
    with connection.begin():
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS tagdb")
        yield


def belongs_to_migrations(name: str | None, kind: str, _parents: object) -> bool:
    """Tell alembic what it answers for: schema tagdb without the partitions that embedders get, and its own table."""
    if kind == "schema":
        return name == "tagdb"
    return not (kind == "table" and name and (name == "alembic_version" or _PARTITION.fullmatch(name)))


def _refuse_newer(found: str) -> None:
    if found > head():
        raise SchemaMismatch(
            f"the tagdb schema here is {found}, made by a newer tagdb; this version knows {head()}",
            hint=f"upgrade tagdb on this machine: {installation.upgrade_command()}",
        )


def _require_vector(session: Session) -> None:
    extension = session.row("schema.vector_extension")
    if extension is None:
        raise Unavailable(
            "this server does not have the pgvector extension",
            hint="install pgvector 0.8 or newer on the server, or leave out the URL to use the embedded database",
        )
    if not extension.new_enough:
        version = extension.installed_version or extension.default_version
        raise Unavailable(
            f"pgvector here is {version}; tagdb needs 0.8 for filtered neighbours",
            hint="upgrade pgvector on the server, then run: ALTER EXTENSION vector UPDATE",
        )
    if extension.installed_version:
        return
    try:
        session.execute("schema.create_vector_extension")
    except Unavailable as error:
        raise Unavailable(
            "pgvector is on this server but not in this database, and this user may not add it",
            hint="have a superuser run: CREATE EXTENSION vector",
        ) from error
    session.execute("session.find_vector")


def _upgrade(connection: sqlalchemy.Connection) -> None:
    import alembic.command
    import alembic.config

    settings = alembic.config.Config()
    settings.set_main_option("script_location", str(folder("migrations")).replace("%", "%%"))
    settings.attributes["connection"] = connection
    alembic.command.upgrade(settings, "head")


def _routine_files() -> list[Path]:
    return [
        *sorted((folder("sql") / "functions").glob("*.sql")),
        *sorted((folder("sql") / "views").glob("*.sql")),
    ]


@cache
def _routines_comment() -> str:
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in _routine_files()))
    return _DIGEST_COMMENT + digest.hexdigest()


def _install_routines(session: Session) -> None:
    session.execute("schema.load_vector_library")
    for path in _routine_files():
        session.run_script(path.read_text(encoding="utf-8"))
    session.run_script(f"COMMENT ON SCHEMA tagdb IS '{_routines_comment()}'")
