"""`tagdb db`: how people reach the database with other tools, and how they run the embedded server."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence

from tagdb import config
from tagdb.db import address, wire
from tagdb.db.embedded import EmbeddedServer, psql_command
from tagdb.errors import UsageError
from tagdb.models import Reporter, Silent
from tagdb.pipeline.running.opening import open_database, tell_unheeded


def url(db_url: str | None, reporter: Reporter, *, schema: str | None = None) -> str:
    """Return the database's URL without its password; an embedded server is told to run on.

    Raises
    ------
    ConnectionFailed : there is no such database to connect to
    """
    if config.resolve_target(db_url).embedded:
        return start(reporter, schema=schema)
    database = open_database(db_url, reporter, current=False, schema=schema)
    with database.session():
        return address.public_url(database.dsn)


def start(reporter: Reporter, db_url: str | None = None, *, schema: str | None = None) -> str:
    """Start the embedded server with an up-to-date schema, let it run on, and return its URL.

    Raises
    ------
    UsageError : the settings name another server
    """
    _require_embedded(db_url)
    server = EmbeddedServer(config.home())
    server.acquire(keep=True)
    dsn = open_database(None, reporter, schema=schema).dsn
    reporter.say("the embedded server runs on until: tagdb db stop")
    return dsn


def stop(db_url: str | None = None, *, force: bool = False) -> bool:
    """Stop the embedded server; False when it was not running.

    Raises
    ------
    UsageError : the settings name another server, or another tagdb uses this one and `force` is not given
    """
    _require_embedded(db_url)
    return EmbeddedServer(config.home()).stop(force=force)


def psql(db_url: str | None, arguments: Sequence[str], reporter: Reporter, *, schema: str | None = None) -> int:
    """Run psql on the database and return its exit code; Ctrl-C is psql's, which stops a query by it.

    Names mean there what they do in queries that tagdb is given, unless a pooler is in between, which takes no options.
    """
    tell_unheeded(db_url, reporter)
    database = open_database(db_url, Silent(), current=False, schema=schema)
    with database.session() as session:
        command = psql_command(address.public_url(database.dsn), arguments)
        own = session.scalar("session.path_to_own_tables", process=wire.process(session))
    environment = {**os.environ, **address.secret_environment(database.dsn)}
    if own:
        escaped = own.replace("\\", "\\\\").replace(" ", "\\ ")
        environment["PGOPTIONS"] = f"{os.environ.get('PGOPTIONS', '')} -c search_path={escaped}".strip()
    before = signal.signal(signal.SIGINT, lambda _signum, _frame: None)
    try:
        code = subprocess.run(command, check=False, env=environment).returncode
        return code if code >= 0 else 128 - code  # ended by a signal, as shells say it
    finally:
        signal.signal(signal.SIGINT, before)


def _require_embedded(db_url: str | None) -> None:
    target = config.resolve_target(db_url)
    if not target.embedded:
        hint = f"leave out {target.origin}" if db_url else f"unset {target.origin}"
        raise UsageError(f"{target.origin} names a server that tagdb does not run", hint=hint)
