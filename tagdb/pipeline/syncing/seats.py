"""The one or two connections that a worker works on in turn, made anew where they are lost."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress

from tagdb.db.connection import Database, Session
from tagdb.errors import ConnectionFailed, TagdbError
from tagdb.models import Reporter
from tagdb.pipeline.running.stopping import StopRequest

PATIENCE_SECONDS = 300.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


class Seats:
    """A worker's connections: while it computes what one of them holds, it stores and claims on the other.

    The first may be `lent` by somebody whose own work hangs on it: that one cannot be made anew. A second one is had
    where server and pooler grant it.
    """

    def __init__(self, database: Database, lent: Session | None, reporter: Reporter, stop: StopRequest) -> None:
        self._database, self._reporter, self._stop = database, reporter, stop
        self._lent = lent is not None
        self._open = [ExitStack(), ExitStack()]
        self._told = False
        self.sessions: list[Session] = [lent or self._connect()]
        self._add_second()

    @property
    def first(self) -> Session:
        """The connection that is there as long as the worker is."""
        return self.sessions[0]

    def other(self, session: Session) -> Session | None:
        """Return the one that is not `session`, None where there is but one."""
        return next((each for each in self.sessions if each is not session), None)

    def mend(self, lost: Session, error: ConnectionFailed) -> bool:
        """Make a lost connection anew, or go on without the second one; True where the first is another one now.

        Raises
        ------
        ConnectionFailed : it is lent, or for minutes there was none to be had
        Stopped : a signal came meanwhile
        """
        place = self.sessions.index(lost)
        if place == 0 and self._lent:
            raise error
        if not self._told:
            self._reporter.warn(f"{error}; making it anew")
            self._told = True
        self._close(place)
        if place == 0:
            self.sessions[0] = self._reconnect()
        else:
            del self.sessions[1]
        if len(self.sessions) == 1:
            self._add_second()
        return place == 0

    def close(self) -> None:
        """Give the connections up, but for a lent one."""
        self._close(1)
        self._close(0)

    def _close(self, place: int) -> None:
        with suppress(TagdbError):
            self._open[place].close()

    def _connect(self) -> Session:
        return self._open[0].enter_context(self._database.session())

    def _add_second(self) -> None:
        second = self._open[1].enter_context(self._database.second_session())
        if second is not None:
            self.sessions.append(second)

    def _reconnect(self) -> Session:
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, _FIRST_PAUSE
        while True:
            self._stop.check()
            try:
                return self._connect()
            except ConnectionFailed:
                if time.monotonic() > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
