"""How every use case gets at its database: found by the settings, with a schema this version works on."""

from __future__ import annotations

from tagdb import config
from tagdb.db import schema as migration
from tagdb.db.connection import Database
from tagdb.models import Patience, Reporter


def open_database(
    db_url: str | None, reporter: Reporter, *, current: bool = True, wait: float = 0.0, schema: str | None = None
) -> Database:
    """Open the collection the settings name; whoever takes its lock waits for it up to `wait` seconds.

    The embedded one is tagdb's own and is migrated without asking; anybody else's only by `tagdb db migrate`.

    Raises
    ------
    UsageError : no collection can lie in `schema`
    ConnectionFailed : there is no connection to be had
    SchemaMismatch : its schema is missing, old or too new (unless `current` is False)
    """
    database = _open(db_url, reporter, wait, schema)
    if database.embedded:
        migration.migrate(database)
    elif current:
        with database.session() as session:
            migration.require_current(session)
    return database


def migrate(db_url: str | None, reporter: Reporter, *, schema: str | None = None) -> bool:
    """Bring the schema to the state this version works on; True when something changed."""
    return migration.migrate(_open(db_url, reporter, schema=schema))


def tell_unheeded(db_url: str | None, reporter: Reporter) -> None:
    """Say which setting of libpq's names a database, but no server, and so is of no effect."""
    if variable := config.resolve_target(db_url).unheeded:
        reporter.say(f"{variable} is set but PGHOST is not: using tagdb's own server")


def _open(db_url: str | None, reporter: Reporter, wait: float = 0.0, schema: str | None = None) -> Database:
    name = config.resolve_schema(schema)
    tell_unheeded(db_url, reporter)
    database = Database.open(config.resolve_target(db_url), Patience(wait, reporter.say), name)
    reporter.say(f"using {database.shown}")
    return database
