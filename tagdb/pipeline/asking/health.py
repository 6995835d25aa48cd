"""Whether labels are kept current, from the view `tagdb.health`: cheap enough to be asked every few seconds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from tagdb.db.connection import Database
from tagdb.drawing import duration
from tagdb.exposition import Metric, Sample, render


@dataclass(frozen=True)
class Health:
    """The row of `tagdb.health`: labels are of your rows as of `lag_seconds` ago, None before the first complete sync.

    `last_error` is why the last sync failed, if it did; `running` the command that is at work. `due` texts have neither
    a vector nor a recorded failure, `failed` ones have a failure. So many `workers` embed for the running sync.
    Changes `waiting`, since `waiting_seconds` at most, are None where nobody counts them.
    """

    schema: str
    lag_seconds: float | None
    current_at: datetime | None
    last_sync_at: datetime | None
    seconds_since_sync: float | None
    last_error: str | None
    running: str | None
    running_seconds: float | None
    failed: int
    due: int
    waiting: int | None
    waiting_seconds: float | None
    workers: int

    def too_late(self, max_lag: float) -> str | None:
        """Return in what way labels are older than so many seconds, None where they are not."""
        if self.lag_seconds is None:
            return "there has been no complete sync"
        because = f": the last sync failed: {self.last_error}" if self.last_error else ""
        if self.lag_seconds > max_lag:
            return f"labels were last known to be current {duration(self.lag_seconds)} ago{because}"
        if self.waiting_seconds is not None and self.waiting_seconds > max_lag:
            return f"{self.waiting:,} changes wait, the oldest for {duration(self.waiting_seconds)}{because}"
        return None

    def as_prometheus(self) -> str:
        """Return it as the text that Prometheus reads, by way of a textfile collector, say."""
        synced_at = self.last_sync_at.timestamp() if self.last_sync_at else None
        gauges: dict[str, tuple[float | None, str]] = {
            "lag_seconds": (self.lag_seconds, "Since all labels were last known to be current."),
            "last_sync_timestamp_seconds": (synced_at, "When the last complete sync ended."),
            "last_sync_failed": (float(self.last_error is not None), "Whether the last sync failed."),
            "running": (float(self.running is not None), "Whether a command is at work on the collection."),
            "running_seconds": (self.running_seconds, "Since that command began."),
            "texts_failed": (self.failed, "Texts that have no vector, for reasons in tagdb.failure."),
            "texts_due": (self.due, "Texts that have neither a vector nor a recorded failure."),
            "changes_waiting": (self.waiting, "Changes that were captured and not yet synced."),
            "changes_waiting_seconds": (self.waiting_seconds, "Since the oldest of these changes."),
            "workers": (self.workers, "Processes that embed for the running sync."),
        }
        metrics = [
            Metric(f"tagdb_{name}", "gauge", told, (Sample(value, {}),)) for name, (value, told) in gauges.items()
        ]
        return render(metrics, {"collection": self.schema})


def health(database: Database) -> Health:
    """Read the view; nothing is written."""
    with database.session() as session:
        row = session.row("health.row")
    assert row is not None
    of_the_row = (each.name for each in fields(Health) if each.name != "schema")
    return Health(database.schema, **{name: getattr(row, name) for name in of_the_row})
