"""`tagdb db grant` and `revoke`: which other roles may read what tagdb made."""

from __future__ import annotations

from collections.abc import Sequence

from tagdb.db import grants
from tagdb.models import Reporter
from tagdb.pipeline.running.opening import open_database


def grant(
    db_url: str | None, readers: Sequence[str], reporter: Reporter, *, wide: bool = False, schema: str | None = None
) -> list[str]:
    """Let roles read, and return the statements by which others have to add to that; see `grants.grant`."""
    with open_database(db_url, reporter, schema=schema).session() as session:
        return grants.grant(session, readers, wide=wide)


def revoke(db_url: str | None, readers: Sequence[str], reporter: Reporter, *, schema: str | None = None) -> None:
    """Take back what roles may read; see `grants.revoke`."""
    with open_database(db_url, reporter, schema=schema).session() as session:
        grants.revoke(session, readers)
