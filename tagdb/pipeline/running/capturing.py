"""`tagdb capture`: triggers write down what changes in the user's tables, and a sync costs what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tagdb.db import capture, capturetriggers, keys, lifting
from tagdb.db.capture import Capture
from tagdb.db.connection import Database, Session
from tagdb.models import Reporter
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import recorded


@dataclass(frozen=True)
class Capturing:
    """What became of a wish to capture changes, or not to: whether anything had to be done, and how it is now."""

    changed: bool
    capture: Capture

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a script."""
        return {"changed": self.changed, **asdict(self.capture)}


def switch_on(database: Database, tables: Mapping[str, str], reporter: Reporter) -> Capturing:
    """Put triggers on the tables that the source reads, where any is missing; the next sync compares everything.

    `tables` says of a table, by its name, which question a row is about: as an SQL expression, or * for any.

    Raises
    ------
    InputRefused : there is no source, or it reads what cannot be captured; nothing was changed
    QueryRefused : an expression does not give ids of questions; nothing was changed
    Unavailable : a right is missing, or somebody else's transaction was in the way
    """
    with database.session() as session, exclusive(session):
        lifting.require_standing(session)
        with recorded(session, "capture on", {"tables": ", ".join(tables) or None}):
            changed = capturetriggers.switch_on(session, tables)
        now = capture.status(session)
        if changed:
            _warn_of_strangers(session, now, reporter)
        if now.unseen:
            reporter.warn(f"not seen: {now.unseen}")
        return Capturing(changed, now)


def _warn_of_strangers(session: Session, now: Capture, reporter: Reporter) -> None:
    """Warn of expressions that give none of the questions there are: they would look as if nothing changed."""
    key = keys.of_source(session) or keys.stored(session)
    for table in now.tables:
        if table.ids is not None:
            parts = {"table": table.name, "expression": table.ids, "id": key.cast("found")}
            if not session.rows_with("capture.any_named", parts)[0][0]:
                reporter.warn(f"none of the first rows of {table.name} is about a question that is stored: {table.ids}")


def switch_off(database: Database) -> Capturing:
    """Remove the triggers, and all that they wrote.

    Raises
    ------
    DatabaseError : somebody else's transaction was in the way; nothing was changed
    """
    with database.session() as session, exclusive(session), recorded(session, "capture off", {}):
        return Capturing(capturetriggers.switch_off(session), capture.status(session))


def status(database: Database) -> Capture:
    """Tell whether changes are captured, and what waits; nothing is written."""
    with database.session() as session:
        return capture.status(session)
