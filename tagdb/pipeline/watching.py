"""`tagdb watch`: one sync after the other, each as soon as something has changed, whatever comes in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.errors import Busy, ConnectionFailed, SchemaMismatch, Stopped, TagdbError, Unavailable, UsageError
from tagdb.models import Embedder, Reporter
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.running.stopping import ending_on_sigterm
from tagdb.pipeline.running.vitals import Vitals
from tagdb.pipeline.sync import Choice, SyncResult, sync
from tagdb.pipeline.syncing.embedding import DEFAULT_MAX_TOKENS
from tagdb.pipeline.syncing.pending import Pending

EVERY_SECONDS = 1.0
FULL_EVERY_SECONDS = 300.0
LONGEST_PAUSE = 30.0
"""After failures in a row the next try waits twice as long each time, up to this."""

_FATAL = (UsageError, SchemaMismatch, Stopped)
"""What no later pass can mend: another version of tagdb, or another command line, is needed."""


@dataclass(frozen=True)
class Settings:
    """How to watch, in seconds, and what each pass is to do."""

    every: float = EVERY_SECONDS
    full_every: float = FULL_EVERY_SECONDS
    max_tokens: int = DEFAULT_MAX_TOKENS
    index: bool = True


@dataclass(frozen=True)
class Pass:
    """A sync that did something, or one that failed in another way than the one before it.

    The oldest change that it took in was, at its end, no older than `oldest_change` seconds; None for the first pass.
    """

    ended_at: datetime
    seconds: float
    oldest_change: float | None
    result: SyncResult | None
    fault: TagdbError | None


def watch(
    database: Database, settings: Settings, reporter: Reporter, vitals: Vitals, stop: threading.Event
) -> Iterator[Pass]:
    """Sync as soon as something has changed, until `stop`; give each pass that did something, and each new failure.

    A lost server is waited for, as is another tagdb that is at work; what fails is tried again. Signals end it: while
    nothing is at work at once, else as they end a sync.

    Raises
    ------
    ConnectionFailed : there is no connection to begin with
    SchemaMismatch : the collection's schema is of another version, or gone
    Unavailable : nothing can be written here, or the first pass lacks a right or the embedder's files
    Stopped : a signal asked to stop
    """
    with database.session() as session:
        session.require_writable()
    watcher = _Watcher(database, settings, reporter, vitals, stop)
    while not stop.is_set():
        with ending_on_sigterm():
            done = watcher.next()
        if done is not None:
            yield done


class _KeptModel:
    """The model of the embedder that was asked for last, loaded once."""

    def __init__(self) -> None:
        self._known_as: tuple[str, str] | None = None
        self._model: Embedder | None = None

    def load(self, stored: StoredEmbedder) -> Embedder:
        """Return the model of a registered embedder; see `registry.load`."""
        known_as = (stored.fingerprint, stored.directory)
        if self._model is None or self._known_as != known_as:
            self._model = None  # before another one takes as much memory
            self._model, self._known_as = registry.load(stored), known_as
        return self._model


class _Once:
    """A reporter that says a thing again only after something else; steps are shown as they are."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self._said = reporter, ""
        self.warn, self.step = reporter.warn, reporter.step

    def say(self, message: str) -> None:
        """Say what was not said last."""
        if message != self._said:
            self._reporter.say(message)
        self._said = message


class _Watcher:
    """What lies between two passes: polling, waiting, and saying once what keeps the next one from being done."""

    def __init__(
        self, database: Database, settings: Settings, reporter: Reporter, vitals: Vitals, stop: threading.Event
    ) -> None:
        self._database, self._settings, self._vitals = database, settings, vitals
        self._reporter, self._stop = reporter, stop
        self._passes = _Once(reporter)
        self._pending = Pending(settings.max_tokens, settings.full_every)
        self._model = _KeptModel()
        self._pause = 0.0
        self._fault: str | None = None
        self._lost = self._waiting = self._has_worked = False

    def next(self) -> Pass | None:
        """Return the next pass that is worth telling, None where watching was stopped before there was one."""
        while not self._stop.wait(self._pause):
            try:
                done = self._sync() if self._poll() else None
            except _FATAL:
                raise
            except Busy as busy:
                self._wait_for(busy)
            except ConnectionFailed as error:
                self._lose(error)
            except TagdbError as error:
                if isinstance(error, Unavailable) and not self._has_worked:
                    raise
                if (failed := self._fail(error)) is not None:
                    return failed
            else:
                if done is not None:
                    return done
        return None

    def _poll(self) -> bool:
        """Return once there may be something to do, the connection being closed by then; False when stopped."""
        with self._database.session() as session:
            self._return_to_server()
            while not self._pending.is_pending(session):
                self._vitals.current(self._pending.current_at)
                if self._stop.wait(self._settings.every):
                    return False
        return True

    def _sync(self) -> Pass | None:
        """Do a pass; None when there was nothing to do."""
        known_until = self._pending.current_at
        self._pending.begin()
        with self._database.session() as session:
            schema.require_current(session)
        started = time.monotonic()
        settings = self._settings
        result = sync(
            self._database,
            Choice(),
            self._passes,
            max_tokens=settings.max_tokens,
            index=settings.index,
            load=self._model.load,
            keep_idle=False,
        )
        if result.label_fault:
            return self._fail(result.label_fault, result, seconds=time.monotonic() - started)
        self._pending.done()
        seconds, oldest = time.monotonic() - started, known_until and time.monotonic() - known_until
        self._succeed()
        self._vitals.current(self._pending.current_at)
        if not result.did_something:
            self._vitals.well()
            return None
        self._vitals.passed(seconds, _counted(result))
        return Pass(datetime.now().astimezone(), seconds, oldest, result, None)

    def _succeed(self) -> None:
        if self._fault is not None:
            self._reporter.say("passes succeed again")
        self._fault, self._pause, self._waiting, self._has_worked = None, 0.0, False, True

    def _fail(self, error: TagdbError, result: SyncResult | None = None, *, seconds: float = 0.0) -> Pass | None:
        """Note a failure, and return it if it is not the one of before."""
        self._back_off(seconds)
        self._vitals.failed(str(error), _counted(result) if result else {})
        with suppress(TagdbError), self._database.session() as session:
            session.execute("watching.forget_repeated")
        known, self._fault = self._fault, str(error)
        if known == self._fault and not (result and result.embedded.due):
            return None
        return Pass(datetime.now().astimezone(), seconds, None, result, error)

    def _lose(self, error: ConnectionFailed) -> None:
        """Say once that there is no server."""
        self._back_off()
        self._vitals.lost(str(error))
        if not self._lost:
            self._reporter.warn(f"{error}; waiting for it to come back")
        self._lost = True

    def _return_to_server(self) -> None:
        """Say once that the server is back."""
        if self._lost:
            self._reporter.warn("the server is back")
            self._lost, self._pause = False, 0.0
        self._vitals.reached()

    def _wait_for(self, busy: Busy) -> None:
        """Say once that another tagdb is waited for."""
        self._pause = self._settings.every
        if not self._waiting:
            self._reporter.say(f"{busy}; waiting for it to end")
        self._waiting = True

    def _back_off(self, seconds: float = 0.0) -> None:
        """Wait longer after each failure in a row, and as long at least as it took."""
        self._pause = max(seconds, min(LONGEST_PAUSE, 2 * self._pause or self._settings.every))


def _counted(result: SyncResult) -> dict[str, int]:
    changes = result.changes
    return {
        "new": changes.new,
        "changed": changes.changed,
        "gone": changes.gone,
        "embedded": result.embedded.texts,
        "failed": result.failed,
        "labels_written": result.labelled,
        "labels_removed": result.labels_removed,
    }
