"""One process at a time changes what tagdb has stored; a second one is told who is at work instead of waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tagdb.db.connection import Session
from tagdb.errors import TagdbError


@contextmanager
def exclusive(session: Session) -> Iterator[None]:
    """Hold tagdb's lock on this database for as long as the session is used inside.

    The lock belongs to the connection: PostgreSQL gives it back when the process dies, whatever it died of.

    Raises
    ------
    TagdbError : another process holds it
    """
    if not session.scalar("sync.take_lock"):
        holder = session.row("sync.lock_holder")
        who = f" (server process {holder.pid}, since {holder.backend_start:%H:%M:%S})" if holder else ""
        raise TagdbError(
            f"another tagdb is at work on this database{who}", hint="wait for it to end, then run this again"
        )
    try:
        yield
    finally:
        session.release_lock()
