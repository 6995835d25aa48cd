"""Which questions' rows have moved since a sync that left nothing to do: a look at which rows there are, not at their
content.

To compare the texts of millions of questions takes several times as long as to fingerprint where their rows lie and
which transactions wrote them. Bands of question ids have fingerprints of their own: where one differs, the questions of
that band are compared; where the fingerprints cannot tell, all questions are. A band is of neighbouring integers, for
rows that were added together to be in few bands, or of uuids or texts whose hashes begin alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from tagdb.db import conditions, keys, sourceviews
from tagdb.db.connection import Row, Session
from tagdb.db.keys import Key
from tagdb.db.source import PRESETS

BAND_BITS = 6
"""A band has 2^6 integers: each that moved costs as many look-ups, and all fingerprints a row each."""

HASHED_IN_BAND = 16
"""So many ids are in a band of hashes, or up to GROWTH times as many: fewer, since rows added together are in many."""

GROWTH = 4
"""Once there are so many times the questions that the bands were made for, there are to be more bands."""

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
class Bands:
    """What puts ids of a type into bands: an integer but for its last `bits`, or the first `bits` of a hash."""

    key: Key
    bits: int

    def of(self, question_id: str) -> str:
        """Return the band of an id, in SQL."""
        shift = self.bits if self.key.is_integer else 64 - self.bits
        return f"{self.key.number(question_id)} >> {shift}"

    def lookups(self, bands: int, questions: float) -> float:
        """Return how many ids there are to look up in so many bands."""
        return bands << self.bits if self.key.is_integer else bands * questions / 2**self.bits


_OF_INTEGERS = Bands(Key("bigint"), BAND_BITS)


@dataclass(frozen=True)
class Look:
    """What a look at the rows says, and what has to be remembered of it once everything is up to date.

    `views` is None where rows do not tell all: with SQL of the user's own, which may depend on the time, say, or on
    tables that are views, foreign, inherited from or seen in part. `tables` are the fingerprints of tagdb's own as of
    the last complete sync; those of texts and vectors are the same still. Where no row has moved, `all_as_before` says
    whether those of centroids and labels are too.

    Where changes are captured (`capturing`), `kept` are the tables of tagdb's in which all is right but of the
    questions that moved, and `source` and `tags` are the queries for what the views say of these; where `same_cap`, no
    vector was cut at another cap.
    """

    moved: Moved
    views: str | None = None
    tables: Mapping[str, str] = field(default_factory=dict)
    all_as_before: bool = False
    bands: Bands = _OF_INTEGERS
    kept: frozenset[str] | None = None
    capturing: bool = False
    same_cap: bool = False
    source: str | None = None
    tags: str | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether nothing has to be done for other questions than those that moved, as far as vectors go."""
        return self.kept is not None and self.kept >= set(VECTORS)

    @property
    def nothing_moved(self) -> bool:
        """Whether everything is as the last sync left it that left nothing to do."""
        return self.moved is Moved.NONE and self.all_as_before


NO_LOOK = Look(Moved.UNKNOWN)


def look(session: Session, max_tokens: int, *, all_anew: bool = False) -> Look:
    """Fingerprint the user's rows and stage what moved: inside the transaction, and before texts are compared.

    A text that changes between this and the comparison is compared by the next sync again. What changes later,
    `remember` has to tell. Where ids are about to be stored in another way, `all_anew`, nothing of before is believed.
    """
    tables, views = _readable_tables(session)
    if views is None or not _rows_tell_which_are_left_out(session, tables):
        return NO_LOOK
    bands = _bands(session)
    session.run_script(session.script("moved.stage_bands", bands=_of_bands(session, _banded(tables, bands))))
    last = None if all_anew else _last_sync(session, views, max_tokens, bands)
    if last is None:
        return Look(Moved.UNKNOWN, views, bands=bands)
    session.execute("moved.stage_moved_bands")
    count = session.row("moved.count_moved_bands")
    assert count is not None
    if not count.moved:
        return Look(Moved.NONE, views, last, _same(session, last, (*CENTROIDS, *LABELS)), bands)
    many = bands.lookups(count.moved, count.questions) > LARGEST_SHARE * count.questions
    if many or not all(table.indexed for table in tables):
        return Look(Moved.UNKNOWN, views, bands=bands)
    if bands.key.is_integer:
        session.run_script(session.script("moved.stage_moved", bits=bands.bits))
    else:
        session.run_script(session.script("moved.stage_moved_hashed", band=bands.of("question_id")))
    return Look(Moved.SOME, views, last, bands=bands)


def glance(session: Session, max_tokens: int) -> Look:
    """Look without staging anything: whether some or all questions would have to be compared is not told apart.

    Nor whether rows tell which of them a condition leaves out: where they do not, no sync has remembered such views.
    """
    tables, views = _readable_tables(session)
    if views is None or keys.of_source(session) != keys.stored(session):
        return NO_LOOK
    bands = _bands(session)
    last = _last_sync(session, views, max_tokens, bands)
    if last is None or _one(session, "any_moved", bands=_of_bands(session, _banded(tables, bands))):
        return NO_LOOK
    return Look(Moved.NONE, views, last, _same(session, last, (*CENTROIDS, *LABELS)))


def rows_tell(session: Session) -> bool:
    """Return whether a look at the rows can tell that nothing has moved: not with SQL of the user's own, say."""
    return _readable_tables(session)[1] is not None


def as_before(session: Session, look: Look, tables: Iterable[str]) -> bool:
    """Return whether tables of tagdb are as a complete sync left them, before the questions moved that `look` found."""
    if look.kept is not None:
        return look.kept >= set(tables)
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
    if tables and not _one(session, "unmoved_since", whole=_whole(session, _banded(tables, look.bands))):
        made = {**made, **dict.fromkeys(CENTROIDS, UNSURE)}
    with session.transaction():
        session.execute("moved.delete_bands")
        session.execute("moved.upsert_bands")
        source = _source_fingerprint(session, look.views, max_tokens, look.bands)
        return {"source": source, "tables": dict(made), "bits": look.bands.bits}


def _readable_tables(session: Session) -> tuple[Sequence[Row], str | None]:
    """Return the tables that the views read, and the views in words if their rows tell all."""
    tables = session.rows("moved.tables")
    views = session.scalar("moved.views", presets=list(PRESETS))
    return tables, views if tables and all(table.plain for table in tables) else None


def _rows_tell_which_are_left_out(session: Session, tables: Iterable[Row]) -> bool:
    words = sourceviews.definition(session, sourceviews.SOURCE)
    if words is None or words.condition is None:
        return True
    (questions,) = (table.name for table in tables if table.key == "id")
    return conditions.told_by_rows(session, words.condition, questions)


def _bands(session: Session) -> Bands:
    """Return the bands that the ids of the source were put into by the last complete sync, or are to be from now on."""
    key = keys.of_source(session) or keys.stored(session)
    if key.is_integer:
        return _OF_INTEGERS
    last: dict[str, Any] = session.scalar("moved.at_last_sync") or {}
    found: int = session.scalar("moved.count_source") if "bits" not in last else session.scalar("moved.count_stored")
    bits = last.get("bits", 0)
    if found > GROWTH * HASHED_IN_BAND << bits or not bits:
        bits = max(1, (found // HASHED_IN_BAND).bit_length())
    return Bands(key, bits)


def _banded(tables: Iterable[Row], bands: Bands) -> Sequence[tuple[str, str]]:
    """Return tables, each with what its bands are made of."""
    keyed = ((table.name, bands.key.cast(table.key) if table.key else "NULL") for table in tables)
    return [(name, f"coalesce({bands.of(key)}, 0)") for name, key in keyed]


def _of_bands(session: Session, banded: Iterable[tuple[str, str]]) -> str:
    """Return the query for the fingerprints of the bands of tables."""
    return f"({session.script('moved.bands', versions=_versions(session, banded))})"


def _whole(session: Session, banded: Iterable[tuple[str, str]]) -> str:
    """Return the query for the fingerprint of tables as a whole."""
    return f"({session.script('moved.whole', versions=_versions(session, banded))})"


def _versions(session: Session, banded: Iterable[tuple[str, str]]) -> str:
    """Return the query for the rows of tables, each named with its band."""
    each = (session.script("moved.versions", name=name, band=band) for name, band in banded)
    return f"({' UNION ALL '.join(each)})"


def _last_sync(session: Session, views: str, max_tokens: int, bands: Bands) -> Mapping[str, str] | None:
    """Return tagdb's tables as of the last sync that left nothing to do; None unless texts and vectors are the same."""
    last: dict[str, Any] | None = session.scalar("moved.at_last_sync")
    if last is None or last["source"] != _source_fingerprint(session, views, max_tokens, bands):
        return None
    tables: dict[str, str] = last["tables"]
    return tables if _same(session, tables, (*TEXTS, *VECTORS)) else None


def _same(session: Session, before: Mapping[str, str], tables: Iterable[str]) -> bool:
    return all(before[table] == _fingerprint(session, table) for table in tables)


def _source_fingerprint(session: Session, views: str, max_tokens: int, bands: Bands) -> str:
    stored = session.scalar("moved.bands_fingerprint")
    made_of = "" if bands.key.is_integer else f" {bands.key.sql} {bands.bits}"
    return hashlib.sha256(f"{stored} {max_tokens} {views}{made_of}".encode()).hexdigest()


def _fingerprint(session: Session, table: str) -> str:
    return str(_one(session, "fingerprint", whole=_whole(session, [(session.qualified(table), "0")])))


def _one(session: Session, query: str, **parts: str) -> Any:
    return session.rows_with(f"moved.{query}", parts)[0][0]
