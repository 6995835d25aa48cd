"""`tagdb db`: how people reach the database with other tools, and how they run the embedded server."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tagdb import config
from tagdb.db.embedded import EmbeddedServer, psql_command
from tagdb.errors import UsageError
from tagdb.models import Reporter
from tagdb.pipeline.opening import open_database


def url(db_url: str | None, reporter: Reporter) -> str:
    """Return the database's URL with its password blanked out; an embedded server is told to run on."""
    target = config.resolve_target(db_url)
    if target.dsn is not None:
        return config.redact(target.dsn)
    return start(reporter)


def start(reporter: Reporter) -> str:
    """Start the embedded server with an up-to-date schema, let it run on, and return its URL.

    Raises
    ------
    UsageError : the settings name another server
    """
    _require_embedded()
    server = EmbeddedServer(config.home())
    server.acquire(keep=True)
    dsn = open_database(None, reporter).dsn
    reporter.say("the embedded server runs on until: tagdb db stop")
    return dsn


def stop(*, force: bool = False) -> bool:
    """Stop the embedded server; False when it was not running."""
    _require_embedded()
    return EmbeddedServer(config.home()).stop(force=force)


def psql(db_url: str | None, arguments: Sequence[str], reporter: Reporter) -> int:
    """Run psql on the database and return its exit code."""
    database = open_database(db_url, reporter, current=False)
    return subprocess.run(psql_command(database.dsn, arguments), check=False).returncode


def _require_embedded() -> None:
    target = config.resolve_target(None)
    if not target.embedded:
        raise UsageError(f"{target.origin} names a server that tagdb does not run", hint=f"unset {target.origin}")
