"""`tagdb db schemas`: the collections of a database, with what each embeds and how current it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tagdb.db import schema
from tagdb.db.connection import Database, Row
from tagdb.errors import ConnectionFailed, SchemaMismatch, Unavailable


@dataclass(frozen=True)
class CollectionStatus:
    """A collection, by the schema it lies in, as far as this role may see it.

    `unread` is what keeps the rest from being told, and `hint` what to do about it: `revision` is an older one
    (`needs_migration`), or the role may not read it. `source` is what is embedded, of `tables`, None before the first
    sync; `due` texts have neither vector nor failure. The user's tables are not read.
    """

    name: str
    owner: str
    bytes: int
    revision: str | None = None
    needs_migration: bool = False
    unread: str | None = None
    hint: str | None = None
    source: str | None = None
    tables: Sequence[str] = ()
    embedder: str | None = None
    switching_to: str | None = None
    classifier: str | None = None
    questions: int | None = None
    due: int | None = None
    stale_labels: int | None = None
    last_command: str | None = None
    last_status: str | None = None
    seconds_since_sync: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a script."""
        return {**asdict(self), "tables": list(self.tables)}


def listed(database: Database) -> list[CollectionStatus]:
    """Return every collection in the database by name, whichever of them it was opened for; nothing is written."""
    with database.session() as session:
        found = session.rows("collections.all")
    looked_at = (_looked_at(database.beside(each.name), each) for each in found)
    return [each for each in looked_at if each is not None]


def _looked_at(database: Database, found: Row) -> CollectionStatus | None:
    """Look into one, as whoever works on it does; None where it has been dropped meanwhile."""
    known: dict[str, Any] = found._asdict()
    try:
        with database.session() as session, session.transaction(read_only=True):
            revision = schema.current_revision(session)
            if revision is None:
                return None
            known |= {"revision": revision, "needs_migration": revision < schema.head()}
            schema.require_current(session)
            status = session.row("collections.status")
            assert status is not None
            tables = [row.name for row in session.rows("status.tables")]
            return CollectionStatus(**known, **status._asdict(), tables=tables)
    except ConnectionFailed:
        raise
    except (SchemaMismatch, Unavailable) as error:
        return CollectionStatus(**known, unread=str(error), hint=error.hint)
