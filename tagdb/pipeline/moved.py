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
_VECTORS = ("text_vector", "failure", "tag_vector", "embedder")
_LABELS = ("classifier", "classifier_weight", "labels")


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
    all in them was up to date, before the rows in `moved`; labels may have become others since, or the classifier.
    """

    moved: Moved
    views: str | None = None
    tables: Mapping[str, str] = field(default_factory=dict)
    labels_moved: bool = True

    @property
    def nothing_moved(self) -> bool:
        """Whether everything is as the last sync left it that left nothing to do."""
        return self.moved is Moved.NONE and not self.labels_moved


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
    labels_moved = _differs(session, last, _LABELS)
    session.execute("moved.stage_moved_bands")
    count = session.row("moved.count_moved_bands")
    assert count is not None
    if not count.moved:
        return Look(Moved.NONE, views, last, labels_moved)
    if count.moved > LARGEST_SHARE * count.bands or not all(table.indexed for table in tables):
        return Look(Moved.UNKNOWN, views)
    session.run_script(queries.topic("moved")["stage_moved"].format(bits=BAND_BITS))
    return Look(Moved.SOME, views, last, labels_moved)


def glance(session: Session, max_tokens: int) -> Look:
    """Look without staging anything: whether some or all questions would have to be compared is not told apart."""
    tables, views = _readable_tables(session)
    last = None if views is None else _last_sync(session, views, max_tokens)
    if last is None or session.rows_of(_of_rows("any_moved", tables).replace(":", "\\:"), {})[0][0]:
        return NO_LOOK
    return Look(Moved.NONE, views, last, _differs(session, last, _LABELS))


def centroids_as_before(session: Session, look: Look) -> bool:
    """Return whether centroids are as they were when all was up to date, before the rows in `moved`."""
    return look.moved is not Moved.UNKNOWN and not _differs(session, look.tables, ["tag_vector"])


def labels_as_before(session: Session, look: Look) -> bool:
    """Return whether labels and classifier are as they were when all was up to date, before the rows in `moved`."""
    return look.moved is not Moved.UNKNOWN and not _differs(session, look.tables, _LABELS)


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
            "tables": {**texts, **{table: _fingerprint(session, table) for table in (*_VECTORS, *_LABELS)}},
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
    """Return tagdb's tables as of the last sync that left nothing to do; None unless texts and vectors are the same."""
    last: dict[str, Any] | None = session.scalar("moved.at_last_sync")
    if last is None or last["source"] != _source_fingerprint(session, views, max_tokens):
        return None
    tables: dict[str, str] = last["tables"]
    return None if _differs(session, tables, (*_TEXTS, *_VECTORS)) else tables


def _differs(session: Session, before: Mapping[str, str], tables: Iterable[str]) -> bool:
    return any(before[table] != _fingerprint(session, table) for table in tables)


def _source_fingerprint(session: Session, views: str, max_tokens: int) -> str:
    bands = session.scalar("moved.bands_fingerprint")
    return hashlib.sha256(f"{bands} {max_tokens} {views}".encode()).hexdigest()


def _fingerprint(session: Session, table: str) -> str:
    statement = queries.topic("moved")["fingerprint"].format(table=table)
    return str(session.rows_of(statement, {})[0][0])
