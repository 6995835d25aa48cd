"""Rows that lie where others lay, or that other transactions wrote, have other fingerprints: tried by the million."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagdb.db.connection import Database, Session
from tagdb.pipeline.sync import Choice
from tagdb.pipeline.syncing import moved
from tagdb.pipeline.syncing.moved import Moved
from tests.examples import examples
from tests.pipeline.world import World, assert_right_centroids

# Two rows of a table and two transactions: which of them wrote which row, the hash of a record does not tell.
LINEAR = [
    ("(22,41)", "(74,43)", 4869, 3390),
    ("(22,11)", "(24,21)", 4243, 1120),
    ("(72,35)", "(79,18)", 3185, 4972),
    ("(27,24)", "(32,39)", 3427, 4814),
    ("(28,40)", "(71,14)", 1201, 2932),
    ("(23,18)", "(30,8)", 1249, 1971),
    ("(30,8)", "(1,21)", 3904, 4705),
    ("(61,35)", "(78,38)", 4425, 4619),
]
PAIRS = 500_000

_OLD = """
CREATE TEMP TABLE {name} AS
SELECT id >> 6 AS band, bit_xor(hash_record_extended(row(tableoid, ctid, xmin), 0)) AS one_half, 0 AS other_half
FROM {rows} GROUP BY band
"""
_ROWS = """
(SELECT id, CAST(relation AS oid) AS tableoid, CAST(place AS tid) AS ctid, CAST(CAST({writer} AS text) AS xid) AS xmin
 FROM version) AS s
"""
_EQUAL = """
SELECT count(*) FILTER (WHERE (a.one_half, a.other_half) = (b.one_half, b.other_half)) AS whole, {lanes}
FROM before b JOIN after a USING (band)
"""
_LANE = "count(*) FILTER (WHERE ((a.{half} # b.{half}) >> {place}) & 65535 = 0) AS {half}_{place}"
# By turns: both rows reloaded by another transaction; two transactions' rows exchanged, in one table and in two.
_VERSIONS = f"""
CREATE TEMP TABLE version AS
SELECT n * 64 + row AS id,
    16384 + CASE WHEN n % 3 = 2 THEN 6 * row ELSE 0 END AS relation,
    format('(%s,%s)', n / 60, (n * (1 + row) + row) % 60 + 1) AS place,
    CASE WHEN row = 0 OR n % 3 = 0 THEN w.one ELSE w.other END AS before,
    CASE WHEN row = 0 OR n % 3 = 0 THEN w.other ELSE w.one END AS after
FROM generate_series(1, {PAIRS}) AS n
CROSS JOIN generate_series(0, 1) AS row
CROSS JOIN LATERAL (SELECT 1000 + n % 5000 AS one, 1001 + n % 5000 + n % 7 AS other) w
"""


def _stage(session: Session, *, old: bool) -> None:
    """Take the fingerprints of the synthetic versions, before and after they were written anew."""
    session.run_script("DROP TABLE IF EXISTS before, after")
    for state in ("before", "after"):
        rows = _ROWS.format(writer=state)
        if old:
            session.run_script(_OLD.format(name=state, rows=rows))
        else:
            session.run_script(session.script("moved.stage_bands", bands=moved._of_bands(session, [(rows, "id >> 6")])))
            session.run_script(f"ALTER TABLE band_now RENAME TO {state}")


def _equal(session: Session, halves: Sequence[str] = ("one_half", "other_half")) -> tuple[int, list[int]]:
    """Return how many fingerprints are as before, and how many are in each 16 bits of them."""
    lanes = ", ".join(_LANE.format(half=half, place=place) for half in halves for place in range(0, 64, 16))
    found = [int(count) for count in session.rows_of(_EQUAL.format(lanes=lanes), {})[0]]
    return found[0], found[1:]


def test_two_transactions_that_exchange_their_rows_are_told_apart(database: Database) -> None:
    values = ", ".join(
        f"({band * 64 + row}, 16384, '{place}', {writers[row]}, {writers[1 - row]})"
        for band, (*places, one, other) in enumerate(LINEAR)
        for row, place in enumerate(places)
        for writers in [(one, other)]
    )
    with database.session() as session:
        session.run_script("CREATE TEMP TABLE version (id bigint, relation int, place text, before int, after int)")
        session.run_script(f"INSERT INTO version VALUES {values}")
        _stage(session, old=True)
        assert _equal(session)[0] == len(LINEAR)
        _stage(session, old=False)
        assert _equal(session)[0] == 0


def test_of_millions_of_rows_written_anew_none_looks_like_before(database: Database) -> None:
    """Of a hash that mixes well, 16 bits are as before once in 65,536 times, and never much more often."""
    chance = PAIRS / 2**16
    with database.session() as session:
        session.run_script(_VERSIONS)
        _stage(session, old=True)
        assert max(_equal(session, ["one_half"])[1]) > 100 * chance
        _stage(session, old=False)
        whole, parts = _equal(session)
        assert whole == 0
        assert max(parts) < 4 * chance


_RELOAD = st.tuples(
    st.sampled_from(["questions", "tags"]),
    st.booleans(),
    st.lists(st.integers(1, 12), max_size=3),
    st.sampled_from(["as it was", "tags exchanged"]),
)


@settings(
    max_examples=examples(12),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(reloads=st.lists(_RELOAD, min_size=1, max_size=3))
def test_reload_into_the_same_places_is_always_noticed(
    synced: World, looks: list[Moved], reloads: list[tuple[str, bool, list[int], str]]
) -> None:
    synced.sync()
    before = {table: _places(synced, table) for table in ("questions", "tags")}
    for table, truncated, cuts, content in reloads:
        _reload(synced, table, truncated, cuts, exchanged=content == "tags exchanged")
        assert _places(synced, table) == before[table]
    looks.clear()
    synced.sync()
    assert looks[-1] is not Moved.NONE
    assert synced.texts() == dict(synced.rows("SELECT question_id, text FROM tagdb.source"))
    assert_right_centroids(synced, synced.texts())


def _places(world: World, table: str) -> list[str]:
    return [row[0] for row in world.rows(f"SELECT CAST(ctid AS text) FROM {table} ORDER BY ctid")]


def _reload(world: World, table: str, truncated: bool, cuts: list[int], *, exchanged: bool) -> None:
    """Write all rows of a table anew, in their order, by one transaction more than there are `cuts`."""
    world.run(f"CREATE TABLE kept AS SELECT row_number() OVER (ORDER BY ctid) AS place, * FROM {table}")
    if exchanged and table == "tags":
        world.run("UPDATE kept SET tag = 't' || 9 - question_id WHERE position = 0")
    world.run(f"TRUNCATE {table}" if truncated else f"DELETE FROM {table}")
    world.run(f"VACUUM {table}")
    columns = "id, title, label, created_at" if table == "questions" else "question_id, position, tag"
    for after, up_to in zip([0, *sorted(cuts)], [*sorted(cuts), 1000], strict=True):
        world.run(
            f"INSERT INTO {table} SELECT {columns} FROM kept WHERE place > {after} AND place <= {up_to} ORDER BY place"
        )
    world.run("DROP TABLE kept")


@pytest.mark.parametrize("far", [2**32 + 2, 2**40 + 259, 3 - 2**32])
def test_question_with_a_far_number_is_told_from_one_that_has_the_tag_twice(synced: World, far: int) -> None:
    """Folded to 32 bits, the number is 3, as is that of the question from which it takes the tag."""
    synced.run("UPDATE questions SET title = 'one title'")
    synced.run("INSERT INTO tags VALUES (3, 5, 'twice'), (3, 6, 'twice'), (4, 5, 'twice')")
    synced.run(f"INSERT INTO questions VALUES ({far}, 'one title'); UPDATE questions SET title = 'other' WHERE id = 4")
    synced.sync(Choice("title"))
    synced.run("DELETE FROM tags WHERE question_id = 3 AND position = 6")
    synced.run(f"INSERT INTO tags VALUES ({far}, 0, 'twice')")
    synced.sync()
    assert synced.tag_vectors()["twice"][0] == 3
    tags: dict[int, str] = {}
    for number, tag in synced.rows("SELECT question_id, tag FROM tags"):
        tags[number] = f"{tags.get(number, '')} {tag}"
    assert_right_centroids(synced, tags)
