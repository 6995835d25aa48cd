"""Where alembic meets the database: one connection, one transaction, one migration at a time."""

from __future__ import annotations

import sqlalchemy
from alembic import context

from tagdb import config
from tagdb.db import schema, tables
from tagdb.db.connection import Database


def run() -> None:
    """Run the asked-for alembic command inside `schema.exclusive`, on the caller's connection where it passed one."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _run_on(connection, context.config.attributes.get("schema", config.DEFAULT_SCHEMA))
        return
    database = Database.open(config.resolve_target(None), schema=config.resolve_schema(None))
    with database.engine.connect() as own_connection, schema.exclusive(own_connection, database.schema):
        _run_on(own_connection, database.schema)


def _run_on(connection: sqlalchemy.Connection, name: str) -> None:
    context.configure(
        connection=connection,
        target_metadata=tables.metadata,
        version_table_schema=name,
        include_schemas=True,
        include_name=schema.belongs_to_migrations,
        compare_server_default=True,
        compare_type=schema.compare_type,
    )
    with schema.renaming(connection, name), context.begin_transaction():
        context.run_migrations()


run()
