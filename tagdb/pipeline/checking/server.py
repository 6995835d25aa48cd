"""What `tagdb doctor` looks at on the server: how it is reached, what this role may do, and how it is set up."""

from __future__ import annotations

from collections.abc import Iterator

from tagdb.db import address, wire
from tagdb.db.connection import Database, Session
from tagdb.pipeline.checking.findings import Finding, note, ok, problem, size

_OLDEST = 140_000
_SHARED_BUFFERS, _MAINTENANCE, _WAL = 2**28, 2**28, 2**32


def connection(session: Session, database: Database) -> Finding:
    """Tell where the database is and how its connection is kept from others; never with a password."""
    found = f"{address.public_url(database.dsn)} ({'embedded' if database.embedded else database.origin})"
    if wire.encrypted(session):
        return ok("connection", f"{found}, under TLS")
    if wire.local(session):
        return ok("connection", f"{found}, on this machine")
    return note("connection", f"{found}, not encrypted", "add ?sslmode=require to the URL")


def server(session: Session, _database: Database) -> Iterator[Finding]:
    """Look at what kind of server answers, and whether it is the server itself."""
    row = session.row("doctor.server")
    assert row is not None
    told = f"PostgreSQL {row.version}, database {row.database}, role {row.role}"
    if row.version_num < _OLDEST:
        yield problem("server", f"{told}; tagdb needs PostgreSQL 14", "upgrade the server")
    elif row.standby:
        yield note("server", f"{told}; a standby, which only reads", "to write, name the primary server")
    elif row.read_only:
        mend = f"ALTER ROLE {row.quoted_login} SET default_transaction_read_only = off"
        yield note("server", f"{told}; transactions only read by default", mend)
    else:
        yield ok("server", told)
    if wire.process(session) != row.pid:
        found = "a pooler is in between; it has to keep one server connection a client (session mode)"
        yield note("pooler", found, "name the server itself, or set pool_mode = session")


def rights(session: Session, _database: Database) -> Iterator[Finding]:
    """Look at what this role may do to the collection's schema; a role that only reads is no fault."""
    row = session.row("doctor.rights")
    assert row is not None
    role, here, schema = row.quoted_role, row.quoted_database, session.quoted_schema
    if not row.there:
        if row.may_create:
            yield ok("rights", f"this role may make schema {schema}")
        else:
            mend = f"GRANT CREATE ON DATABASE {here} TO {role}"
            yield problem("rights", f"this role may not make schema {schema}", mend)
        return
    if not row.may_use:
        yield problem("rights", f"this role may not use schema {schema}", f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        return
    tables = session.row("doctor.relations")
    assert tables is not None
    told = f"it is {row.owner}'s"
    if tables.writable == tables.tables and row.may_add:
        yield ok("rights", f"this role may write schema {schema}; {told}")
    elif tables.writable:
        found = f"this role may write {tables.writable} of {tables.tables} tables of schema {schema}; {told}"
        yield problem("rights", found, f"work as {row.owner}, or ALTER TABLE … OWNER TO {role}")
    elif tables.readable:
        found = f"this role reads {tables.readable} of {tables.tables} tables of schema {schema} and writes none"
        yield note("rights", f"{found}; {told}")
    elif tables.tables:
        mend = f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}"
        yield problem("rights", f"this role may read no table of schema {schema}", mend)


def extension(session: Session, _database: Database) -> Iterator[Finding]:
    """Look at whether pgvector is there, new enough, and within reach of this role."""
    row = session.row("doctor.extension")
    if row is None:
        yield problem("extension", "pgvector is not in this database", "CREATE EXTENSION vector")
    elif not row.new_enough:
        yield problem("extension", f"pgvector {row.version}; tagdb needs 0.8", "ALTER EXTENSION vector UPDATE")
    elif not row.usable:
        found = f"pgvector {row.version} is in schema {row.schema}, which this role may not use"
        yield problem("extension", found, f"GRANT USAGE ON SCHEMA {row.schema} TO {row.quoted_role}")
    else:
        yield ok("extension", f"pgvector {row.version} in schema {row.schema}")


def encoding(session: Session, _database: Database) -> Iterator[Finding]:
    """Look at whether the database can hold every text."""
    row = session.row("doctor.server")
    assert row is not None
    elsewhere = "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and restore a dump there"
    if row.encoding == "UTF8":
        yield ok("encoding", "UTF8")
    elif row.encoding == "SQL_ASCII":
        yield problem("encoding", "this database has none (SQL_ASCII): its texts may be any bytes", elsewhere)
    else:
        yield note("encoding", f"{row.encoding} has no room for other letters", elsewhere)


def settings(session: Session, database: Database) -> Iterator[Finding]:
    """Advise on what makes bulk work quicker on a server that was never set up for it; tagdb sets up its own."""
    row = session.row("doctor.settings")
    assert row is not None
    advice = [
        (row.shared_buffers < _SHARED_BUFFERS, "shared_buffers", "'1GB'"),
        (row.maintenance_work_mem < _MAINTENANCE, "maintenance_work_mem", "'1GB'"),
        (row.max_wal_size < _WAL, "max_wal_size", "'4GB'"),
        (not row.max_parallel_workers_per_gather, "max_parallel_workers_per_gather", "2"),
        (not row.max_parallel_maintenance_workers, "max_parallel_maintenance_workers", "2"),
    ]
    small = [(name, value) for is_small, name, value in advice if is_small and not database.embedded]
    for name, value in small:
        now = getattr(row, name)
        shown = size(now) if name in ("shared_buffers", "maintenance_work_mem", "max_wal_size") else now
        then = "and restart the server" if name == "shared_buffers" else "SELECT pg_reload_conf()"
        yield note("settings", f"{name} is {shown}", f"ALTER SYSTEM SET {name} = {value}; {then}")
    if not small:
        yield ok("settings", "made for bulk work")
