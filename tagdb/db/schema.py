"""Brings a collection's schema to what this version works on: alembic's revisions, then the routines of `sql/`."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy

from tagdb import installation
from tagdb.config import DEFAULT_SCHEMA
from tagdb.db import naming, routines
from tagdb.db.connection import Database, Session
from tagdb.db.resources import folder
from tagdb.db.translation import translated
from tagdb.errors import SchemaMismatch, Unavailable

_MIGRATION_LOCK = 0x7461676462  # "tagdb" in ASCII; one a database, for an extension is made in it only once
_ONE_AT_A_TIME = threading.Lock()  # alembic keeps what it is at in a module
_EVERYBODYS = "public"
_PARTITION = re.compile(r"(text|tag)_vector_\d+")
_HOLD_VECTORS = ("text_vector", "tag_vector", "classifier_weight")
_WITHOUT_ENCODING = "SQL_ASCII"


@cache
def head() -> str:
    """Return the newest revision this version knows; revision files are named by it, in order."""
    return max(path.name.split("_")[0] for path in (folder("migrations") / "versions").glob("[0-9]*.py"))


def require_current(session: Session) -> None:
    """Pass when the schema is the one this version works on.

    Raises
    ------
    SchemaMismatch : it is missing, older, newer or not whole; nothing was changed
    Unavailable : the schema holds something else, or the role may not use the one that pgvector is in
    """
    found = current_revision(session)
    missing = _missing(session) if found == head() else []
    if found != head() or missing:
        refuse_foreign(session)
    if found is None:
        raise SchemaMismatch(f"this database has no {naming.called(session.schema)} yet", hint="tagdb db migrate")
    _refuse_newer(session, found)
    here = f"the {naming.called(session.schema)} here"
    if found != head():
        raise SchemaMismatch(f"{here} is {found}; this version needs {head()}", hint="tagdb db migrate")
    _refuse_without_vectors(session, missing)
    if missing:
        raise SchemaMismatch(f"{here} lacks {', '.join(missing)}", hint="tagdb db migrate")
    _require_usable_vector(session)


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
    SchemaMismatch : the schema was made by a newer tagdb, or its vectors are gone
    Unavailable : pgvector is not on the server, a right is missing, or the database has no encoding
    """
    with (
        database.addressing_hints(),
        translated(),
        database.engine.connect() as connection,
        exclusive(connection, database.schema),
    ):
        session = Session(connection, schema=database.schema)
        found = current_revision(session)
        if found is None:
            _require_encoding(session)
        else:
            _refuse_newer(session, found)
        if found == head():
            _refuse_without_vectors(session, _missing(session))
        _require_vector(session)
        if found == head() and not routines.outdated(session):
            return False
        _require_rights(session, creating=True)
        if found != head():
            _upgrade(connection, database.schema)
        routines.install(session, routines.outdated(session))
        return True


@contextmanager
def exclusive(connection: sqlalchemy.Connection, schema: str = DEFAULT_SCHEMA) -> Iterator[None]:
    """Hold the migration lock for one transaction, with the collection's schema in place.

    The lock belongs to the transaction, so it also holds through a pooler, and ends with it whatever happens.

    Raises
    ------
    Unavailable : the schema is somebody else's or holds something else, or it is not there and may not be made
    """
    with connection.begin():
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        session = Session(connection, schema=schema)
        if session.scalar("schema.exists"):  # IF NOT EXISTS would want the right to make it all the same
            refuse_foreign(session)
        else:
            session.execute("schema.create")
        _require_rights(session, creating=False)
        yield


@contextmanager
def renaming(connection: sqlalchemy.Connection, schema: str) -> Iterator[None]:
    """Let statements that say `tagdb` be about `schema`: for those of migrations, which come from alembic."""

    def rename(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        return naming.renamed(statement, schema, lambda name: name.replace("%", "%%")), parameters

    if schema == DEFAULT_SCHEMA:
        yield
        return
    sqlalchemy.event.listen(connection, "before_cursor_execute", rename, retval=True)
    try:
        yield
    finally:
        sqlalchemy.event.remove(connection, "before_cursor_execute", rename)


def refuse_foreign(session: Session) -> None:
    """Pass where the schema is a collection's, is empty, or is not there.

    Raises
    ------
    Unavailable : it holds something else, or is everybody's; nothing was changed
    """
    if session.schema != _EVERYBODYS and not session.scalar("schema.is_foreign"):
        return
    what = "everybody's" if session.schema == _EVERYBODYS else "there, and what it holds is not tagdb's"
    raise Unavailable(
        f"schema {session.quoted_schema} is {what}",
        hint="choose a name that is free, or an empty schema: --schema NAME",
    )


def belongs_to_migrations(name: str | None, kind: str, _parents: object) -> bool:
    """Tell alembic what it answers for: schema tagdb without the partitions that embedders get, and its own table."""
    if kind == "schema":
        return name == "tagdb"
    return not (kind == "table" and name and (name == "alembic_version" or _PARTITION.fullmatch(name)))


def compare_type(_context: object, _found: object, column: sqlalchemy.Column[object], *_types: object) -> bool | None:
    """Tell alembic that the ids of questions have the type of the user's; others it compares itself."""
    return False if column.name == "question_id" else None


def _refuse_newer(session: Session, found: str) -> None:
    if found > head():
        raise SchemaMismatch(
            f"the {naming.called(session.schema)} here is {found}, made by a newer tagdb; this version knows {head()}",
            hint=f"upgrade tagdb on this machine: {installation.upgrade_command()}",
        )


def _missing(session: Session) -> list[str]:
    functions, views = (
        [routine.name for routine in routines.all_routines() if routine.kind == kind] for kind in ("FUNCTION", "VIEW")
    )
    rows = session.rows("schema.missing", functions=functions, relations=[*_HOLD_VECTORS, *views])
    return [row.name for row in rows]


def _refuse_without_vectors(session: Session, missing: list[str]) -> None:
    if gone := [name for name in _HOLD_VECTORS if name in missing]:
        raise SchemaMismatch(
            f"the {naming.called(session.schema)} here lacks {', '.join(gone)}, "
            "as a dump does that met pgvector in another schema",
            hint="put pgvector into the schema that the dump names and restore it again; "
            f"or DROP SCHEMA {session.quoted_schema} CASCADE, then tagdb db migrate begins anew",
        )


def _require_rights(session: Session, *, creating: bool) -> None:
    rights = session.row("schema.rights")
    assert rights is not None
    if rights.usable and (rights.creatable or not creating):
        return
    verb = "create in it" if rights.usable else "use it"
    raise Unavailable(
        f"schema {session.quoted_schema} here belongs to {rights.owner}, and {rights.me} may not {verb}",
        hint=f"GRANT {rights.owner} TO {rights.me} (to read only: tagdb db grant {rights.me}, as {rights.owner})",
    )


def _require_encoding(session: Session) -> None:
    if session.scalar("schema.encoding") == _WITHOUT_ENCODING:
        raise Unavailable(
            f"this database has no encoding ({_WITHOUT_ENCODING}), so nothing says which letters its bytes are",
            hint="CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, restore a dump of this one there, use that",
        )


def _require_vector(session: Session) -> None:
    """Pass when pgvector is in the database, made here where it was not, new enough and within reach."""
    if session.row("schema.vector") is None:
        _create_vector(session)
    version = session.row("schema.vector")
    assert version is not None
    if not version.new_enough:
        raise Unavailable(
            f"pgvector here is {version.installed}; tagdb needs 0.8 for filtered neighbours",
            hint="upgrade pgvector on the server, then run: ALTER EXTENSION vector UPDATE",
        )
    _require_usable_vector(session)


def _create_vector(session: Session) -> None:
    if not session.scalar("schema.offers_vector"):
        raise Unavailable(
            "this server does not have the pgvector extension",
            hint="leave out the URL to use tagdb's own server, or install pgvector 0.8 or newer on this one: "
            f"apt install postgresql-{session.scalar('schema.server_version')}-pgvector, from apt.postgresql.org "
            "(Debian 12 itself has none); or make install from its source; or in a managed service's console",
        )
    schema = session.scalar("schema.extension_schema")
    if schema is None:
        raise Unavailable("the search path names no schema for pgvector", hint="CREATE EXTENSION vector SCHEMA …")
    create = session.script("schema.create_vector", schema=schema)
    try:
        _run_as_either(session, create)
    except Unavailable as error:
        raise Unavailable(
            "pgvector is on this server but not in this database, and this role may not add it",
            hint="have a superuser run in this database: CREATE EXTENSION vector",
        ) from error
    session.execute("session.find_vector")


def _run_as_either(session: Session, statement: str) -> None:
    """Run a statement as the role that is acted as or, where that lacks a right, as the one that logged in."""
    try:
        with session.transaction():
            session.run_script(statement)
    except Unavailable:
        acting = session.scalar("schema.acting")
        session.execute("schema.act_as_login")
        session.run_script(statement)
        session.execute("schema.act_as", role=acting)


def _require_usable_vector(session: Session) -> None:
    """Pass when pgvector's types are within reach of the role: its schema is on the path then, see `session.sql`."""
    vector = session.row("schema.vector")
    if vector is None:
        raise Unavailable("pgvector is not in this database any more", hint="CREATE EXTENSION vector")
    if not vector.usable:
        raise Unavailable(
            f"pgvector is in schema {vector.schema}, which {vector.me} may not use",
            hint=f"GRANT USAGE ON SCHEMA {vector.schema} TO {vector.me}",
        )


def _upgrade(connection: sqlalchemy.Connection, schema: str) -> None:
    import alembic.command
    import alembic.config

    settings = alembic.config.Config()
    settings.set_main_option("script_location", str(folder("migrations")).replace("%", "%%"))
    settings.attributes["connection"], settings.attributes["schema"] = connection, schema
    with _ONE_AT_A_TIME:
        alembic.command.upgrade(settings, "head")
