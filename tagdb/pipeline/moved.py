"""Which questions' rows have moved since a sync that left nothing to do: a look at which rows there are, not at what
they say.

To compare the texts of millions of questions takes several times as long as to fingerprint where their rows lie and
which transactions wrote them. Bands of neighbouring question ids have fingerprints of their own: where one differs, the
questions of that band are compared; where the fingerprints cannot tell, all questions are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from tagdb.db import queries
from tagdb.db.connection import Row, Session
from tagdb.db.source import PRESETS

BAND_BITS = 6
"""A band has 2^6 ids: each that moved costs as many look-ups, and all fingerprints a row each."""

LARGEST_SHARE = 1 / 8
"""With more of the bands moved than this, to look each question up takes longer than to read all."""

_TEXTS = ("text", "question")
_DERIVED = ("text_vector", "failure", "tag_vector", "embedder", "classifier", "classifier_weight", "labels")


class Moved(Enum):
    """How many questions to compare: none, those in the temporary table `moved`, or all."""

    NONE = auto()
    SOME = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Look:
    """What a look at the rows says, and what has to be remembered of it once everything is up to date.

    `views` is None where rows do not tell all: with SQL of the user's own, which may depend on the time, say, or on
    tables that are views, foreign, inherited from or seen in part. `tables` are the fingerprints of tagdb's own when
    all in them was up to date, before the rows in `moved`.
    """

    moved: Moved
    views: str | None = None
    tables: Mapping[str, str] = field(default_factory=dict)


NO_LOOK = Look(Moved.UNKNOWN)


def look(session: Session, max_tokens: int) -> Look:
    """Fingerprint the user's rows and stage what moved: inside the transaction, and before texts are compared.

    What changes between this and the comparison is found by the next sync.
    """
    tables, views = _readable_tables(session)
    if views is None:
        return NO_LOOK
    session.run_script(_of_rows("stage_bands", tables))
    last = _last_sync(session, views, max_tokens)
    if last is None:
        return Look(Moved.UNKNOWN, views)
    session.execute("moved.stage_moved_bands")
    count = session.row("moved.count_moved_bands")
    assert count is not None
    if not count.moved:
        return Look(Moved.NONE, views)
    if count.moved > LARGEST_SHARE * count.bands or not all(table.indexed for table in tables):
        return Look(Moved.UNKNOWN, views)
    session.run_script(queries.topic("moved")["stage_moved"].format(bits=BAND_BITS))
    return Look(Moved.SOME, views, last)


def nothing(session: Session, max_tokens: int) -> bool:
    """Return whether no row has moved since the last sync that left nothing to do; nothing is staged."""
    tables, views = _readable_tables(session)
    if views is None or _last_sync(session, views, max_tokens) is None:
        return False
    return not session.rows_of(_of_rows("any_moved", tables).replace(":", "\\:"), {})[0][0]


def as_before(session: Session, look: Look, table: str) -> bool:
    """Return whether one of tagdb's tables is as it was when all in it was up to date, before the rows in `moved`."""
    return look.moved is Moved.SOME and look.tables[table] == _fingerprint(session, table)


def texts_fingerprints(session: Session) -> dict[str, str]:
    """Tell the stored texts, and who has them, apart from any other state of them.

    Taken when they are what the source says, and once more at the end: what tagdb stores, anybody may delete by hand.
    """
    return {table: _fingerprint(session, table) for table in _TEXTS}


def remember(session: Session, views: str, texts: Mapping[str, str], max_tokens: int) -> dict[str, Any]:
    """Keep the staged fingerprints as those of a sync that left nothing to do; return what its run has to note.

    Under the lock that keeps other commands away. A kill before the run is noted leaves fingerprints that belong to no
    run, so that the next sync compares everything.
    """
    with session.transaction():
        session.execute("moved.delete_bands")
        session.execute("moved.upsert_bands")
        return {
            "source": _source_fingerprint(session, views, max_tokens),
            "tables": {**texts, **{table: _fingerprint(session, table) for table in _DERIVED}},
        }


def _readable_tables(session: Session) -> tuple[Sequence[Row], str | None]:
    """Return the tables that the views read, and the views in words if their rows tell all."""
    tables = session.rows("moved.tables")
    views = session.scalar("moved.views", presets=list(PRESETS))
    return tables, views if tables and all(table.plain for table in tables) else None


def _of_rows(query: str, tables: Iterable[Row]) -> str:
    parts = queries.topic("moved")
    versions = [parts["versions"].format(key=table.key, name=table.name, bits=BAND_BITS) for table in tables]
    return parts[query].format(versions=f"({' UNION ALL '.join(versions)})")


def _last_sync(session: Session, views: str, max_tokens: int) -> Mapping[str, str] | None:
    """Return tagdb's tables as of the last sync that left nothing to do, None unless they are, and mean, the same."""
    last: dict[str, Any] | None = session.scalar("moved.at_last_sync")
    if (
        last
        and last["source"] == _source_fingerprint(session, views, max_tokens)
        and all(last["tables"][table] == _fingerprint(session, table) for table in (*_TEXTS, *_DERIVED))
    ):
        tables: dict[str, str] = last["tables"]
        return tables
    return None


def _source_fingerprint(session: Session, views: str, max_tokens: int) -> str:
    bands = session.scalar("moved.bands_fingerprint")
    return hashlib.sha256(f"{bands} {max_tokens} {views}".encode()).hexdigest()


def _fingerprint(session: Session, table: str) -> str:
    statement = queries.topic("moved")["fingerprint"].format(table=table)
    return str(session.rows_of(statement, {})[0][0])
