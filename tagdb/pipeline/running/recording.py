"""What a command did, counted so that it adds up, and kept in the `run` table whatever way the command ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tagdb import config, shortening
from tagdb.db.connection import Session
from tagdb.errors import TagdbError
from tagdb.pipeline.running.stopping import Stopped, ending_on_sigterm


@dataclass
class Counts:
    """Rows read = written + skipped (by reason) + failed, in the unit the command speaks of; `run` is the row's id.

    Of a sync that was `idle`, the record of the last one says that nothing has changed since; no record of it is kept.
    """

    read: int = 0
    written: int = 0
    failed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    idle: bool = False
    detail: dict[str, Any] = field(default_factory=dict)
    run: int = 0

    def skip(self, reason: str, rows: int) -> None:
        """Count `rows` as skipped for `reason`."""
        if rows:
            self.skipped[reason] = self.skipped.get(reason, 0) + rows


@contextmanager
def recorded(session: Session, command: str, args: Mapping[str, Any]) -> Iterator[Counts]:
    """Keep a row of `run` about the work inside: done, stopped, or failed with the reason.

    A process that was killed could not finish its row; the next one does, with `killed`.
    """
    counts = Counts()
    session.execute("run.close_killed")
    codec = session.codec
    given = {key: _shown(value) for key, value in args.items() if value is not None}
    run = counts.run = session.scalar("run.start", command=command, args=_json(given, codec))
    try:
        with ending_on_sigterm():
            yield counts
    except BaseException as error:
        counts.detail["error"] = shortening.cut(config.redact(str(error)))
        status = "stopped" if isinstance(error, Stopped | KeyboardInterrupt) else "failed"
        with suppress(TagdbError):  # what went wrong first is what has to be told
            _finish(session, run, status, counts, codec)
        raise
    if not (counts.idle and session.execute("run.forget_idle", id=run)):
        _finish(session, run, "done", counts, codec)


def _shown(value: Any) -> Any:
    """Return what the record may show of a setting: SQL of the user's may hold a password, as for another server."""
    return config.redact(value) if isinstance(value, str) else value


def _finish(session: Session, run: int, status: str, counts: Counts, codec: str | None) -> None:
    session.execute(
        "run.finish",
        id=run,
        status=status,
        read=counts.read,
        written=counts.written,
        skipped=sum(counts.skipped.values()),
        failed=counts.failed,
        detail=_json({**counts.detail, "skipped": counts.skipped}, codec),
    )


def _json(value: Mapping[str, Any], codec: str | None) -> str:
    """Write JSON that `jsonb` takes: file names and messages may hold what PostgreSQL's text, in `codec`, cannot."""
    text = json.dumps(value, ensure_ascii=False).replace("\\u0000", "\N{REPLACEMENT CHARACTER}")
    return text.encode(codec or "utf-8", errors="replace").decode(codec or "utf-8")
