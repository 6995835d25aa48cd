"""Where alembic meets the database: one connection, one transaction, one migration at a time."""

from __future__ import annotations

from alembic import context

from tagdb import config
from tagdb.db import schema, tables
from tagdb.db.connection import Database


def run() -> None:
    """Run the asked-for alembic command inside `schema.exclusive`, on the caller's connection where it passed one."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _run_on(connection)
        return
    database = Database.open(config.resolve_target(None))
    with database.engine.connect() as own_connection, schema.exclusive(own_connection):
        _run_on(own_connection)


def _run_on(connection: object) -> None:
    context.configure(
        connection=connection,  # type: ignore[arg-type]
        target_metadata=tables.metadata,
        version_table_schema="tagdb",
        include_schemas=True,
        include_name=schema.belongs_to_migrations,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
