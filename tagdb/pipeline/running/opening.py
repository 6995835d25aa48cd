"""How every use case gets at its database: found by the settings, with a schema this version works on."""

from __future__ import annotations

from tagdb import config
from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.models import Patience, Reporter


def open_database(db_url: str | None, reporter: Reporter, *, current: bool = True, wait: float = 0.0) -> Database:
    """Open the database the settings name; whoever takes tagdb's lock there waits for it up to `wait` seconds.

    The embedded one is tagdb's own and is migrated without asking; anybody else's only by `tagdb db migrate`.

    Raises
    ------
    ConnectionFailed : there is no connection to be had
    SchemaMismatch : its schema is missing, old or too new (unless `current` is False)
    """
    database = _open(db_url, reporter, wait)
    if database.embedded:
        schema.migrate(database)
    elif current:
        with database.session() as session:
            schema.require_current(session)
    return database


def migrate(db_url: str | None, reporter: Reporter) -> bool:
    """Bring the schema to the state this version works on; True when something changed."""
    return schema.migrate(_open(db_url, reporter))


def tell_unheeded(db_url: str | None, reporter: Reporter) -> None:
    """Say which setting of libpq's names a database, but no server, and so is of no effect."""
    if variable := config.resolve_target(db_url).unheeded:
        reporter.say(f"{variable} is set but PGHOST is not: using tagdb's own server")


def _open(db_url: str | None, reporter: Reporter, wait: float = 0.0) -> Database:
    tell_unheeded(db_url, reporter)
    database = Database.open(config.resolve_target(db_url), Patience(wait, reporter.say))
    reporter.say(f"using {database.shown}")
    return database
