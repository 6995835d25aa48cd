"""`tagdb db views`: tagdb's views step aside while the user alters the tables they read."""

from __future__ import annotations

from collections.abc import Sequence

from tagdb.db import lifting
from tagdb.db.connection import Database
from tagdb.models import Reporter
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import recorded


def drop(database: Database) -> Sequence[str]:
    """Lift the views; return the names of those that were lifted, none where they are lifted already.

    Raises
    ------
    InputRefused : there are none, or others depend on them; nothing was changed
    """
    with database.session() as session, exclusive(session):
        if lifting.lifted(session):
            return []
        with recorded(session, "db views drop", {}) as counts:
            names = lifting.lift(session)
            counts.detail = {"views": names}
            return names


def restore(database: Database, reporter: Reporter) -> Sequence[str]:
    """Put the views back as they were; return the names of those that were, none where they stand.

    Raises
    ------
    QueryRefused : a definition no longer fits the tables; nothing was changed
    """
    with database.session() as session, exclusive(session):
        if not lifting.lifted(session):
            return []
        with recorded(session, "db views restore", {}) as counts:
            names = lifting.restore(session, reporter)
            counts.detail = {"views": names}
            return names
