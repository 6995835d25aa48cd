"""Values that go through COPY come back bit by bit, wherever the stream is cut, and a stream cut short is noticed."""

from __future__ import annotations

import io
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tagdb.db import copy
from tagdb.db.connection import Database, Session
from tagdb.errors import ConnectionFailed, DatabaseError
from tests.examples import examples

_MANY = settings(deadline=None, max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])

_FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
_EXTREMES = np.array([0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38, 1 / 3], dtype=np.float32)
_VECTORS = st.tuples(st.integers(0, 5), st.sampled_from([1, 2, 3, 7, 1024, 2000])).flatmap(
    lambda shape: arrays.arrays(np.float32, shape, elements=_FLOATS)
)


@pytest.fixture
def session(shared_session: Session) -> Iterator[Session]:
    """A session inside a transaction that leaves nothing behind."""
    shared_session.run_script("BEGIN")
    yield shared_session
    shared_session.run_script("ROLLBACK")


def _round_trip(
    session: Session, types: Sequence[str], fields: Sequence[str | int], columns: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return `columns` after a way into a table and out of it."""
    names = [f"c{index}" for index in range(len(columns))]
    columns = [np.arange(len(columns[0])), *columns]
    session.run_script("DROP TABLE IF EXISTS pg_temp.rows")
    definitions = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
    session.run_script(f"CREATE TEMP TABLE rows (place bigint, {definitions})")
    copy.copy_in(session.cursor(), "rows", ["place", *names], columns)
    blocks: list[np.ndarray] = []
    query = f"SELECT {', '.join(names)} FROM rows ORDER BY place"
    copy.copy_out(
        session.cursor(), query, list(zip(names, fields, strict=True)), lambda block: blocks.append(block.copy())
    )
    if not blocks:
        return [column[:0] for column in columns[1:]]
    return [np.concatenate([block[name] for block in blocks]) for name in names]


def _same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    native = left.astype(right.dtype.newbyteorder("="))
    return native.shape == right.shape and native.tobytes() == right.tobytes()


@_MANY
@given(vectors=_VECTORS)
def test_vectors_keep_every_bit(session: Session, vectors: np.ndarray) -> None:
    (back,) = _round_trip(session, ["vector"], [vectors.shape[1]], [vectors])
    if len(vectors):
        assert _same_bits(back, vectors)


def test_extreme_floats_keep_every_bit_and_are_what_sql_sees(session: Session) -> None:
    (back,) = _round_trip(session, ["vector"], [len(_EXTREMES)], [_EXTREMES[None]])
    assert _same_bits(back[0], _EXTREMES)
    (row,) = session.rows_of("SELECT c0\\:\\:real[] AS numbers FROM rows", {})
    assert _same_bits(np.array(row.numbers, dtype=np.float32), _EXTREMES)


@_MANY
@given(data=st.data(), count=st.integers(1, 20))
def test_numbers_and_truth_values_come_back(session: Session, data: st.DataObject, count: int) -> None:
    kinds = {"smallint": "i2", "integer": "i4", "bigint": "i8", "double precision": "f8", "boolean": "?"}
    columns = [data.draw(arrays.arrays(np.dtype(kind), count)) for kind in kinds.values()]
    back = _round_trip(session, list(kinds), list(kinds.values()), columns)
    for returned, given_column in zip(back, columns, strict=True):
        np.testing.assert_array_equal(returned, given_column)


def _rows(count: int, dim: int) -> tuple[list[tuple[str, str | int]], list[np.ndarray]]:
    generator = np.random.default_rng(count)
    columns: list[np.ndarray] = [
        np.arange(count, dtype=np.int64),
        generator.standard_normal((count, dim), dtype=np.float32),
        generator.random(count) < 0.5,
    ]
    return [("id", "i8"), ("vector", dim), ("flag", "?")], columns


@settings(deadline=None)
@given(count=st.integers(0, 30), dim=st.integers(1, 5), cuts=st.lists(st.integers(0, 2000)), data=st.data())
def test_blocks_are_the_same_wherever_the_stream_is_cut(
    count: int, dim: int, cuts: list[int], data: st.DataObject
) -> None:
    fields, columns = _rows(count, dim)
    stream = bytes(copy.pack_rows(columns))
    blocks: list[np.ndarray] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copy, "_BLOCK_BYTES", data.draw(st.integers(1, 400)))
        reader = copy.FixedWidthReader(fields, blocks.append)
        edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
        for start, stop in itertools.pairwise(edges):
            assert reader.write(stream[start:stop]) == stop - start
        reader.finish()
    assert sum(map(len, blocks)) == count
    for (name, _), column in zip(fields, columns, strict=True):
        got = np.concatenate([block[name] for block in blocks]) if blocks else column[:0]
        np.testing.assert_array_equal(got, column)


@settings(deadline=None)
@given(count=st.integers(1, 5), missing=st.integers(1, 60))
def test_stream_that_ends_too_early_is_noticed(count: int, missing: int) -> None:
    fields, columns = _rows(count, 3)
    stream = bytes(copy.pack_rows(columns))
    reader = copy.FixedWidthReader(fields, lambda _block: None)
    reader.write(stream[:-missing])
    with pytest.raises(DatabaseError, match="of another type"):
        reader.finish()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT NULL::integer, '[1,2]'::vector", "a row of the query is NULL"),
        ("SELECT 1, NULL::vector", "a row of the query is NULL"),
        ("SELECT CASE WHEN g < 7 THEN 1 END, '[1,2]'::vector FROM generate_series(1, 9) g", "a of the query is NULL"),
        ("SELECT 1, CASE WHEN g < 7 THEN '[1,2]'::vector END FROM generate_series(1, 9) g", "v of the query is NULL"),
        ("SELECT 1, '[1,2,3]'::vector", "v of the query is NULL or of another type"),
        ("SELECT 1, ARRAY[1.0, 2.0]::real[]", "v of the query is NULL or of another type"),
        ("SELECT 1::bigint, '[1,2]'::vector", "a of the query is NULL or of another type"),
        ("SELECT 1", "a row of the query is NULL or of another type"),
        ("SELECT 1, '[1,2]'::vector, 2", "a row of the query is NULL or of another type"),
        ("SELECT 1 / (g - 300), '[1,2]'::vector FROM generate_series(1, 400) g", "division by zero"),
    ],
)
def test_rows_that_are_not_of_the_expected_kind_are_refused(shared_session: Session, query: str, message: str) -> None:
    with pytest.raises(DatabaseError, match=message):
        copy.copy_out(shared_session.cursor(), query, [("a", "i4"), ("v", 2)], lambda _block: None)
    assert shared_session.scalar("schema.revision")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vector_that_is_not_finite_is_refused_by_the_server(session: Session, value: float) -> None:
    session.run_script("CREATE TEMP TABLE rows (v vector)")
    with pytest.raises(DatabaseError, match="not allowed in vector"):
        copy.copy_in(session.cursor(), "rows", ["v"], [np.array([[1, value]], dtype=np.float32)])


_NASTY = [
    "",
    " ",
    "\\N",
    "\\.",
    "\\",
    "\\\\t",
    "a\tb\nc\r\nd",
    "\x01\x08\x0b\x0c\x7f",
    "'\"`$$;--",
    "é漢\u202e\U0001f469",
]
_STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_TEXT = st.one_of(st.none(), st.sampled_from(_NASTY), _STORABLE)


@_MANY
@given(rows=st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), _TEXT, _TEXT)))
def test_texts_come_back_as_they_were(session: Session, rows: list[tuple[int, str | None, str | None]]) -> None:
    session.run_script("DROP TABLE IF EXISTS pg_temp.texts")
    session.run_script("CREATE TEMP TABLE texts (place bigserial, a bigint, b text, c text)")
    copy.copy_text_in(session.cursor(), "texts", ["a", "b", "c"], rows)
    assert [tuple(row) for row in session.rows_of("SELECT a, b, c FROM texts ORDER BY place", {})] == rows


@_MANY
@given(tags=st.lists(st.sampled_from(["c#", "\\N", "\\", "\\.", "node.js", "a\\tb", "ü", "\U0001f40d"])))
def test_tags_come_back_as_they_were(session: Session, tags: list[str]) -> None:
    session.run_script("DROP TABLE IF EXISTS pg_temp.tag_rows")
    session.run_script("CREATE TEMP TABLE tag_rows (a bigint, b bigint, tag text)")
    rows = [(place, -place, tag) for place, tag in enumerate(tags)]
    copy.copy_text_columns_in(session.cursor(), "tag_rows", ["a", "b", "tag"], zip(*rows, strict=True))
    assert [tuple(row) for row in session.rows_of("SELECT * FROM tag_rows ORDER BY a", {})] == rows


def test_csv_has_a_header_and_quotes_what_needs_it(shared_session: Session) -> None:
    stream = io.BytesIO()
    copy.copy_csv_out(shared_session.cursor(), 'SELECT 1 AS id, E\'a,"b\\nc\' AS label, NULL AS "x y"', stream)
    assert stream.getvalue() == b'id,label,x y\n1,"a,""b\nc",\n'


_MANY_ROWS = "SELECT g AS id, repeat('x', 50) AS label FROM generate_series(1, 200000) g"


def test_csv_stream_hands_over_everything(shared_session: Session) -> None:
    with copy.csv_stream(shared_session.cursor(), _MANY_ROWS) as stream:
        lines = sum(1 for _ in stream)
    assert lines == 200_001
    assert threading.active_count() == 1


@pytest.mark.parametrize("failure", [None, ZeroDivisionError, KeyboardInterrupt])
def test_reader_that_stops_early_ends_the_stream(shared_session: Session, failure: type[BaseException] | None) -> None:
    started = time.monotonic()

    def read_a_little() -> None:
        with copy.csv_stream(shared_session.cursor(), _MANY_ROWS) as stream:
            assert stream.readline() == b"id,label\n"
            if failure:
                raise failure

    if failure:
        with pytest.raises(failure):
            read_a_little()
    else:
        read_a_little()
    assert time.monotonic() - started < 10
    assert shared_session.scalar("schema.revision")


@pytest.mark.parametrize("last", [1, 150_000])
@pytest.mark.parametrize("reader_fails", [False, True])
def test_query_that_fails_on_the_way_is_what_is_told(shared_session: Session, last: int, *, reader_fails: bool) -> None:
    def read_all() -> None:
        query = f"SELECT g AS id, 1 / ({last} - g) AS label FROM generate_series(1, 200000) g"
        with copy.csv_stream(shared_session.cursor(), query) as stream:
            lines = stream.read().splitlines()
            if reader_fails and len(lines) < 200_001:
                raise ValueError("cut short")

    with pytest.raises(DatabaseError, match="division by zero"):
        read_all()
    assert shared_session.scalar("schema.revision")


def test_connection_lost_on_the_way_is_what_is_told(
    shared_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def read_all() -> None:
        with shared_database.session() as session, copy.csv_stream(session.cursor(), _MANY_ROWS) as stream:
            stream.readline()
            _terminate(shared_database, session.cursor().connection.info.backend_pid)
            stream.read()

    with pytest.raises(ConnectionFailed):
        read_all()
    assert not caplog.records


def _terminate(database: Database, pid: int) -> None:
    with database.session() as other:
        other.rows_of("SELECT pg_terminate_backend(:pid, 5000)", {"pid": pid})


def test_sink_that_fails_ends_copy_and_the_session_goes_on(shared_session: Session) -> None:
    def full(_block: Any) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        copy.copy_out(shared_session.cursor(), "SELECT g FROM generate_series(1, 300000) g", [("a", "i4")], full)
    assert shared_session.scalar("schema.revision")
