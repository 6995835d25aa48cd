"""What every connection is told before its first statement, for the collection that it is for."""

from __future__ import annotations

from tagdb.config import DEFAULT_SCHEMA
from tagdb.db import queries
from tagdb.db.driver import Connection


def prepare(connection: Connection, process: int, schema: str) -> bool:
    """Set what holds for the whole connection; False, with nothing set, where it leads to another server process."""
    connection.set_client_encoding("UTF8")
    connection.autocommit = True
    connection.schema = schema
    with connection.cursor() as cursor:
        cursor.execute(queries.script("session.prepare", schema, {"process": str(process)}))
        found, connection.standby, connection.read_only, _ = cursor.fetchone() or (None, False, False, None)
        if found == process:
            cursor.execute(queries.script("session.act_as_owner", schema, {}))
            (connection.role,) = cursor.fetchone() or ("",)
            cursor.execute(queries.script("session.find_vector", schema, {}))
            if schema != DEFAULT_SCHEMA:
                cursor.execute(queries.script("session.find_own_tables", schema, {}))
    connection.autocommit = False
    return bool(found == process)


def prepare_borrowed(connection: Connection, schema: str) -> None:
    """Make a pooler's session one's own for as long as the connection lasts."""
    connection.autocommit = True
    connection.borrowed = True
    with connection.cursor() as cursor:
        cursor.execute(queries.topic("session")["forget"])
        cursor.execute("SELECT pg_backend_pid()")
        (process,) = cursor.fetchone() or (0,)
    connection.autocommit = False
    prepare(connection, process, schema)
