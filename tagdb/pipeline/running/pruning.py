"""`tagdb db prune`: forgets old runs, but those that the next sync goes by."""

from __future__ import annotations

from tagdb.db.connection import Database
from tagdb.pipeline.running.locking import exclusive


def prune(database: Database, days: int) -> int:
    """Delete the record of runs that began more than `days` days ago; return how many they were."""
    with database.session() as session, exclusive(session):
        return session.execute("run.prune", days=days)
