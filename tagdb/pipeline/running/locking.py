"""One process at a time changes what tagdb has stored; a second one is told who is at work, and may wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tagdb.db.connection import Row, Session
from tagdb.errors import Busy

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0


@contextmanager
def exclusive(session: Session) -> Iterator[None]:
    """Hold tagdb's lock on this database for as long as the session is used inside.

    The lock belongs to the connection: PostgreSQL gives it back when the process dies, whatever it died of. Where the
    session has patience, it is asked for again and again, never waited for inside a statement, which would let no
    signal through.

    Raises
    ------
    Busy : another process holds it, still after the session's patience is at its end
    Unavailable : nothing can be written here
    """
    session.require_writable()
    _take(session)
    try:
        yield
    finally:
        session.release_lock()


def _take(session: Session) -> None:
    patience, pause, told = session.patience, _FIRST_PAUSE, ""
    deadline = time.monotonic() + patience.seconds
    while not session.scalar("sync.take_lock"):
        holder = session.row("sync.lock_holder")
        left = deadline - time.monotonic()
        if left <= 0:
            raise Busy(f"another tagdb is at work on this database{_described(holder)}", hint=_hint(holder))
        if holder and told != str(holder.pid):
            patience.say(f"waiting for another tagdb{_described(holder)}")
            told = str(holder.pid)
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _described(holder: Row | None) -> str:
    """Say who holds the lock, as far as this role may see it."""
    if holder is None:
        return ""
    facts = [f"server process {holder.pid}"]
    if holder.backend_start:
        facts.append(f"since {holder.backend_start:%H:%M:%S}")
    if holder.application_name:
        facts.append(holder.application_name)
    if holder.idle_seconds is not None:
        facts.append(f"idle for {holder.idle_seconds} s" if holder.idle_seconds else "active")
    return f" ({', '.join(facts)})"


def _hint(holder: Row | None) -> str:
    if holder is None:
        return "run this again, or with --wait SECONDS"
    return (
        f"let it end, or wait for it: --wait 600; if nobody runs it any more: SELECT pg_terminate_backend({holder.pid})"
    )
