"""Which questions' rows have moved since a sync that left nothing to do: a look at which rows there are, not at their
content.

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

from tagdb.db.connection import Row, Session
from tagdb.db.source import PRESETS

BAND_BITS = 6
"""A band has 2^6 ids: each that moved costs as many look-ups, and all fingerprints a row each."""

LARGEST_SHARE = 1 / 8
"""With more look-ups than this share of the questions, reading all of them takes less time."""

TEXTS = ("text", "question")
VECTORS = ("text_vector", "failure", "embedder")
CENTROIDS = ("tag_vector",)
LABELS = ("classifier", "classifier_weight", "labels")
UNSURE = ""  # what no fingerprint is


class Moved(Enum):
    """How many questions to compare: none, those in the temporary table `moved`, or all."""

    NONE = auto()
    SOME = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Look:
    """What a look at the rows says, and what has to be remembered of it once everything is up to date.

    `views` is None where rows do not tell all: with SQL of the user's own, which may depend on the time, say, or on
    tables that are views, foreign, inherited from or seen in part. `tables` are the fingerprints of tagdb's own as of
    the last complete sync; those of texts and vectors are the same still. Where no row has moved, `all_as_before` says
    whether those of centroids and labels are too.
    """

    moved: Moved
    views: str | None = None
    tables: Mapping[str, str] = field(default_factory=dict)
    all_as_before: bool = False

    @property
    def nothing_moved(self) -> bool:
        """Whether everything is as the last sync left it that left nothing to do."""
        return self.moved is Moved.NONE and self.all_as_before


NO_LOOK = Look(Moved.UNKNOWN)


def look(session: Session, max_tokens: int) -> Look:
    """Fingerprint the user's rows and stage what moved: inside the transaction, and before texts are compared.

    A text that changes between this and the comparison is compared by the next sync again. What changes later,
    `remember` has to tell.
    """
    tables, views = _readable_tables(session)
    if views is None:
        return NO_LOOK
    session.run_script(session.script("moved.stage_bands", bands=_bands(session, _keys(tables))))
    last = _last_sync(session, views, max_tokens)
    if last is None:
        return Look(Moved.UNKNOWN, views)
    session.execute("moved.stage_moved_bands")
    count = session.row("moved.count_moved_bands")
    assert count is not None
    if not count.moved:
        return Look(Moved.NONE, views, last, _same(session, last, (*CENTROIDS, *LABELS)))
    if (count.moved << BAND_BITS) > LARGEST_SHARE * count.questions or not all(table.indexed for table in tables):
        return Look(Moved.UNKNOWN, views)
    session.run_script(session.script("moved.stage_moved", bits=BAND_BITS))
    return Look(Moved.SOME, views, last)


def glance(session: Session, max_tokens: int) -> Look:
    """Look without staging anything: whether some or all questions would have to be compared is not told apart."""
    tables, views = _readable_tables(session)
    last = None if views is None else _last_sync(session, views, max_tokens)
    if last is None or _one(session, "any_moved", bands=_bands(session, _keys(tables))):
        return NO_LOOK
    return Look(Moved.NONE, views, last, _same(session, last, (*CENTROIDS, *LABELS)))


def as_before(session: Session, look: Look, tables: Iterable[str]) -> bool:
    """Return whether tables of tagdb are as a complete sync left them, before the questions moved that `look` found."""
    return look.moved is not Moved.UNKNOWN and _same(session, look.tables, tables)


def fingerprints(session: Session, tables: Iterable[str]) -> dict[str, str]:
    """Tell what is in tables of tagdb apart from any other content of them.

    Taken as soon as they are up to date: what tagdb stores, anybody may delete by hand.
    """
    return {table: _fingerprint(session, table) for table in tables}


def remember(session: Session, look: Look, made: Mapping[str, str], max_tokens: int) -> dict[str, Any]:
    """Keep the staged fingerprints as those of a sync that left nothing to do; return what its run has to note.

    Under the lock that keeps other commands away. A kill before the run is noted leaves fingerprints that belong to no
    run, so that the next sync compares everything. If rows moved meanwhile, centroids may rest on other tags than texts
    do, and the next sync takes every tag's checksum.
    """
    assert look.views is not None
    tables, _ = _readable_tables(session)
    if tables and not _one(session, "unmoved_since", whole=_whole(session, _keys(tables))):
        made = {**made, **dict.fromkeys(CENTROIDS, UNSURE)}
    with session.transaction():
        session.execute("moved.delete_bands")
        session.execute("moved.upsert_bands")
        return {"source": _source_fingerprint(session, look.views, max_tokens), "tables": dict(made)}


def _readable_tables(session: Session) -> tuple[Sequence[Row], str | None]:
    """Return the tables that the views read, and the views in words if their rows tell all."""
    tables = session.rows("moved.tables")
    views = session.scalar("moved.views", presets=list(PRESETS))
    return tables, views if tables and all(table.plain for table in tables) else None


def _keys(tables: Iterable[Row]) -> list[tuple[str, str]]:
    return [(table.name, table.key) for table in tables]


def _bands(session: Session, keys: Iterable[tuple[str, str]]) -> str:
    """Return the query for the fingerprints of the bands of tables."""
    return f"({session.script('moved.bands', versions=_versions(session, keys))})"


def _whole(session: Session, keys: Iterable[tuple[str, str]]) -> str:
    """Return the query for the fingerprint of tables as a whole."""
    return f"({session.script('moved.whole', versions=_versions(session, keys))})"


def _versions(session: Session, keys: Iterable[tuple[str, str]]) -> str:
    """Return the query for the rows of tables, each named with what its bands are made of."""
    each = (session.script("moved.versions", name=name, key=key, bits=BAND_BITS) for name, key in keys)
    return f"({' UNION ALL '.join(each)})"


def _last_sync(session: Session, views: str, max_tokens: int) -> Mapping[str, str] | None:
    """Return tagdb's tables as of the last sync that left nothing to do; None unless texts and vectors are the same."""
    last: dict[str, Any] | None = session.scalar("moved.at_last_sync")
    if last is None or last["source"] != _source_fingerprint(session, views, max_tokens):
        return None
    tables: dict[str, str] = last["tables"]
    return tables if _same(session, tables, (*TEXTS, *VECTORS)) else None


def _same(session: Session, before: Mapping[str, str], tables: Iterable[str]) -> bool:
    return all(before[table] == _fingerprint(session, table) for table in tables)


def _source_fingerprint(session: Session, views: str, max_tokens: int) -> str:
    bands = session.scalar("moved.bands_fingerprint")
    return hashlib.sha256(f"{bands} {max_tokens} {views}".encode()).hexdigest()


def _fingerprint(session: Session, table: str) -> str:
    return str(_one(session, "fingerprint", whole=_whole(session, [(session.qualified(table), "0")])))


def _one(session: Session, query: str, **parts: str) -> Any:
    return session.rows_with(f"moved.{query}", parts)[0][0]
