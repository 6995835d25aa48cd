"""The driver's connection, with what tagdb knows of the session behind it."""

from __future__ import annotations

from contextlib import suppress

import psycopg2
import psycopg2.extensions

from tagdb.config import DEFAULT_SCHEMA
from tagdb.db import queries


class Connection(psycopg2.extensions.connection):
    """A connection to a `standby`, or of a role or database set `read_only`, or `borrowed` from a pooler.

    It acts as `role`, which need not be the one that logged in, for the collection in `schema`.
    """

    role = ""
    schema = DEFAULT_SCHEMA
    standby = False
    read_only = False
    borrowed = False

    def close(self) -> None:
        """Close it; a pooler gets its session back as it was."""
        if self.borrowed and not self.closed:
            with suppress(psycopg2.Error):
                self._leave()
        super().close()

    def _leave(self) -> None:
        with self.cursor() as cursor:
            if self.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE:
                cursor.execute("ROLLBACK")
            self.autocommit = True
            cursor.execute(queries.topic("session")["leave"])
