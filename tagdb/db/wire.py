"""What the driver knows of a session's connection, and the server behind a pooler may not."""

from __future__ import annotations

from tagdb.db.connection import Session


def encrypted(session: Session) -> bool:
    """Whether the connection is under TLS."""
    return bool(session.cursor().connection.info.ssl_in_use)


def local(session: Session) -> bool:
    """Whether the connection stays on this machine."""
    host = session.cursor().connection.info.host or "/"
    return host.startswith(("/", "@")) or host in ("localhost", "127.0.0.1", "::1")


def process(session: Session) -> int:
    """Return which server process answered when the connection was made: a pooler says one of its own."""
    return session.cursor().connection.info.backend_pid
