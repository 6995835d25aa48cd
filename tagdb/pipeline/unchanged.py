"""Whether anything has moved since a sync left nothing to do: a look at which rows there are, not at what they say.

To compare the texts of millions of questions takes several times as long as to sum up where their rows lie and which
transactions wrote them. The sum decides nothing but that: where it differs, everything is compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from tagdb.db import queries
from tagdb.db.connection import Session
from tagdb.db.source import PRESETS

_TEXTS = ("tagdb.text", "tagdb.question")
_DERIVED = (
    "tagdb.text_vector",
    "tagdb.failure",
    "tagdb.tag_vector",
    "tagdb.embedder",
    "tagdb.classifier",
    "tagdb.classifier_weight",
    "tagdb.labels",
)


def source_rows(session: Session) -> str | None:
    """Tell the rows of the user's tables and how they are read apart from any other state of them.

    None where rows do not tell all: with SQL of the user's own, which may depend on the time, say, or on tables that
    are views, foreign, inherited from or seen in part. Taken before the texts are compared, so that what changes in
    between is found by the next sync.
    """
    views = session.scalar("unchanged.views", presets=list(PRESETS))
    tables = session.rows("unchanged.tables")
    if views is None or not all(table.plain for table in tables):
        return None
    return _digest([views, *(_versions(session, table.name) for table in tables)])


def text_rows(session: Session) -> str:
    """Tell the stored texts, and who has them, apart from any other state of them.

    Taken when they are what the source says, and once more at the end: what tagdb stores, anybody may delete by hand.
    """
    return _digest(_versions(session, table) for table in _TEXTS)


def derived_rows(session: Session, max_tokens: int) -> str:
    """Tell what was made of the texts, and the cap that vectors are made with, apart from any other state of them.

    Taken when it is up to date, under the lock that keeps other commands away.
    """
    return _digest([str(max_tokens), *(_versions(session, table) for table in _DERIVED)])


def since_last_sync(session: Session, source: str | None, max_tokens: int) -> bool:
    """Return whether nothing has moved, in the user's tables nor here, since a sync that left nothing to do."""
    last = session.scalar("unchanged.at_last_sync")
    return (
        bool(last)
        and last[0] == source
        and last[1] == text_rows(session)
        and last[2] == derived_rows(session, max_tokens)
    )


def _versions(session: Session, table: str) -> str:
    statement = queries.topic("unchanged")["row_versions"].format(table=table)
    return str(session.rows_of(statement.replace(":", "\\:"), {})[0][0])


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
