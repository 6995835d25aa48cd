"""Parquet of every type gives the texts that the same values have in CSV; what is damaged is said."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from tagdb.errors import InputRefused
from tagdb.formats import ROW_NUMBER, Columns, Reading, open_source, parquetfile, recognise
from tests.formats.packing import PACKED
from tests.formats.reading import (
    bad,
    ids,
    merged,
    peak_of_reading,
    read,
    read_or_refused,
    recognised,
    refusal,
    tags_by_question,
)


def written(columns: dict[str, Any], **options: Any) -> bytes:
    """A Parquet file of these columns."""
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, **options)
    return file.getvalue()


QUESTIONS = {
    "id": pa.array([1, 2, 3], pa.int64()),
    "title": ["one", None, "Größe 😀"],
    "tags": [["c#", ".net"], None, ["machine learning"]],
    "label": ["x", "", None],
    "created_at": pa.array([datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), None, None], pa.timestamp("us", tz="UTC")),
    "owner": [{"id": 5, "tags": ["a"]}] * 3,
    "answers": [[{"id": 7}]] * 3,
}


def test_a_file_is_read_and_described() -> None:
    content = written(QUESTIONS)
    found = recognised(content)
    assert (found.format, found.compressed) == ("parquet", False)
    assert found.provides == {"question", "title", "tags", "label", "created_at"}
    assert found.description == (
        "standard input: Parquet, id from 'id', title from 'title', tags from 'tags' as lists, "
        "label from 'label', created_at from 'created_at'"
    )
    rows = read(content)
    assert bad(rows) == []
    assert rows.questions == [
        (1, 0, "one", "x", "2020-01-02T03:04:05+00:00"),
        (2, 1, None, None, None),
        (3, 2, "Größe 😀", None, None),
    ]
    assert tags_by_question(rows)[1] == ["c#", ".net"]
    assert rows.tag_lists == ["c#\x1f.net", "", "machine learning"]


@pytest.mark.parametrize(
    "options",
    [
        {"use_dictionary": False},
        {"compression": "none"},
        {"compression": "zstd"},
        {"compression": "gzip"},
        {"data_page_version": "2.0", "version": "2.4"},
        {"row_group_size": 1},
        {"data_page_size": 1},
        {"write_page_checksum": True},
        {"store_schema": False},
        {"use_compliant_nested_type": False},
        {"use_byte_stream_split": ["id"], "use_dictionary": ["title"]},
        {"column_encoding": {"title": "DELTA_LENGTH_BYTE_ARRAY", "label": "DELTA_BYTE_ARRAY"}, "use_dictionary": False},
    ],
    ids=str,
)
def test_however_it_is_written_it_says_the_same(options: dict[str, Any]) -> None:
    assert read(written(QUESTIONS, **options)) == read(written(QUESTIONS))


@pytest.mark.parametrize("kind", PACKED)
def test_a_packed_file_is_read(kind: str, tmp_path: Path) -> None:
    content = PACKED[kind](written(QUESTIONS))
    assert read(content) == read(written(QUESTIONS))
    assert f"Parquet, {kind}, id from" in recognised(content).description
    path = tmp_path / "a"
    path.write_bytes(content)
    with open_source(path) as source:
        assert merged(recognise(source)) == read(written(QUESTIONS))


def test_progress_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    titles = [f"title {number * 7919}" for number in range(200_000)]
    path.write_bytes(written({"id": range(200_000), "title": titles, "body": titles}, row_group_size=20_000))
    with open_source(path) as source:
        positions = [source.bytes_read for _ in recognise(source)]
        assert positions == sorted(positions)
        assert positions[0] < positions[-1] == source.size_bytes


def values_of(part: str, values: Any, **options: Any) -> tuple[list[Any], list[str]]:
    """What becomes of a column's values, and why rows are bad."""
    columns = {"id": range(1, len(values) + 1), "title": ["t"] * len(values)} | {part: values}
    place = {"id": 0, "title": 2, "label": 3, "created_at": 4}.get(part)
    rows = read(written(columns), **options)
    kept = [rows.tag_lists[at] if place is None else row[place] for at, row in enumerate(rows.questions)]
    return kept, [reason for _, reason in bad(rows)]


@pytest.mark.parametrize(
    ("values", "kept", "reasons"),
    [
        (pa.array([1, 2**31 - 1], pa.int32()), [1, 2**31 - 1], []),
        (pa.array([-(2**63), 2**63 - 1, None], pa.int64()), [-(2**63), 2**63 - 1], ["no id"]),
        (pa.array([7, 2**63], pa.uint64()), [7], ["bad id"]),
        (pa.array([1, 255], pa.uint8()), [1, 255], []),
        (
            pa.array([1.0, 2.5, None, float("nan"), float("inf"), 2.0**53]),
            [1, 2**53],
            ["bad id", "no id", "no id", "bad id"],
        ),
        (pa.array([1.0, None], pa.float32()), [1], ["no id"]),
        (pa.array([Decimal("12.00"), Decimal("1.50"), None]), [12], ["bad id", "no id"]),
        (pa.array([Decimal(2**63), Decimal(5)], pa.decimal128(38, 0)), [5], ["bad id"]),
        (pa.array(["1", " 2 ", "x", None]), [1, 2], ["bad id", "no id"]),
        (pa.array(["1", "2", "1"]).dictionary_encode(), [1, 2, 1], []),
        (pa.array([3, 4, None, 3]).dictionary_encode(), [3, 4, 3], ["no id"]),
        (pa.array([True]), [], ["bad id"]),
    ],
    ids=str,
)
def test_ids_are_exact(values: Any, kept: list[int], reasons: list[str]) -> None:
    found, why = values_of("id", values)
    assert found == kept
    assert sorted(why) == sorted(reasons)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (pa.array([1, None, -3]), ["1", None, "-3"]),
        (pa.array([1.0, None, 0.1], pa.float64()), ["1.0", None, "0.1"]),
        (pa.array([0.1, None], pa.float32()), ["0.1", None]),
        (pa.array([1.5, None], pa.float16()) if hasattr(pa, "float16") else pa.array([1.5, None]), ["1.5", None]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array([b"\xc3\xa9", None], pa.binary()), ["é", None]),
        (pa.array([Decimal("1.50"), None]), ["1.50", None]),
        (pa.array([None, None]), [None, None]),
        (pa.array(["NA", "NaN", "x"]), [None, None, "x"]),
    ],
    ids=str,
)
def test_labels_are_those_of_csv(values: Any, kept: list[str | None]) -> None:
    assert values_of("label", values) == (kept, [])


NOON = datetime(2021, 6, 1, 12, tzinfo=UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (pa.array([NOON, None], pa.timestamp("s")), ["2021-06-01T12:00:00+00:00", None]),
        (pa.array([NOON], pa.timestamp("ms")), ["2021-06-01T12:00:00+00:00"]),
        (pa.array([NOON], pa.timestamp("ns")), ["2021-06-01T12:00:00+00:00"]),
        (pa.array([NOON], pa.timestamp("us", tz="Europe/Berlin")), ["2021-06-01T12:00:00+00:00"]),
        (pa.array([NOON], pa.timestamp("ms", tz="+02:00")), ["2021-06-01T12:00:00+00:00"]),
        (pa.array([NOON + timedelta(microseconds=1)], pa.timestamp("us")), ["2021-06-01T12:00:00.000001+00:00"]),
        (pa.array([1622548800123456789], pa.timestamp("ns")), ["2021-06-01T12:00:00.123456+00:00"]),
        (pa.array([date(2021, 6, 1)], pa.date32()), ["2021-06-01T00:00:00+00:00"]),
        (pa.array([date(2021, 6, 1)], pa.date64()), ["2021-06-01T00:00:00+00:00"]),
        (pa.array([1622548800, None]), ["2021-06-01T12:00:00+00:00", None]),
        (pa.array([1622548800.0]), ["2021-06-01T12:00:00+00:00"]),
        (pa.array(["2021-06-01 12:00", None]), ["2021-06-01T12:00:00+00:00", None]),
    ],
    ids=str,
)
def test_times_are_instants(values: Any, kept: list[str | None]) -> None:
    assert values_of("created_at", values) == (kept, [])


def test_times_beyond_all_years_are_none_and_counted() -> None:
    rows = read(written({"id": [1, 2], "title": ["a", "b"], "created_at": pa.array([2**62, 0], pa.timestamp("us"))}))
    assert [row[4] for row in rows.questions] == [None, "1970-01-01T00:00:00+00:00"]
    assert rows.unread == {"created_at": 1}


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (pa.array([["a", "b"], [], None, ["a", None, "c"], ["b c"]]), ["a\x1fb", "", "", "a\x1fc", "b c"]),
        (pa.array([["a"], None], pa.large_list(pa.large_string())), ["a", ""]),
        (pa.array([["a", "b"]], pa.list_(pa.string(), 2)), ["a\x1fb"]),
        (pa.array([["a"]], pa.list_(pa.dictionary(pa.int32(), pa.string()))), ["a"]),
        (pa.array(["<a><b>", None, "a b", '["c", "d"]']), ["a\x1fb", "", "a\x1fb", "c\x1fd"]),
    ],
    ids=str,
)
def test_tags_are_lists_or_texts(values: Any, kept: list[str]) -> None:
    assert values_of("tags", values) == (kept, [])
    if pa.types.is_nested(values.type):
        assert values_of("tags", values, reading=Reading(tags_separator=";")) == (kept, [])


def test_slices_of_lists_are_those_of_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    tags = [None if number % 7 == 0 else [f"t{number}"] * (number % 3) for number in range(500)]
    content = written({"id": range(500), "tags": tags, "title": ["x" * (number % 50) for number in range(500)]})
    expected = read(content)
    monkeypatch.setattr(parquetfile, "_BATCH_BYTES", 300)
    assert read(content) == expected
    assert tags_by_question(expected) == {number: of[:1] for number, of in enumerate(tags) if of}


@pytest.mark.parametrize(
    ("value", "reason"),
    [(b"a\xffb", "invalid UTF-8"), (b"\xed\xa0\x80", "invalid UTF-8"), (b"a\0b", "NUL byte")],
)
@pytest.mark.parametrize("part", ["title", "label", "tags"])
def test_a_text_that_postgresql_cannot_hold_is_a_bad_row(part: str, value: bytes, reason: str) -> None:
    texts: Any = pa.array([b"x", value, b"y"], pa.binary())
    text_type = texts.cast(pa.binary()).view(pa.string())
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), text_type)
    for column in (texts, lists) if part == "tags" else (texts, text_type):
        rows = read(written({"id": [1, 2, 3], "title": ["t"] * 3} | {part: column}, use_dictionary=False))
        assert bad(rows) == [(2, reason)]
        assert ids(rows) == [1, 3]
        assert rows.bad[0].excerpt.isprintable()


def test_bad_rows_name_their_row_across_row_groups() -> None:
    content = written({"id": ["1", "x", "3", "4", "y"], "tags": ["a"] * 5}, row_group_size=2)
    rows = read(content)
    assert bad(rows) == [(2, "bad id"), (5, "bad id")]
    assert [row.excerpt for row in rows.bad] == ["x, , a", "y, , a"]


def test_columns_are_chosen_by_name() -> None:
    content = written({"no": [5], "text": ["t"], "a.b": [["x"]], "id": [1]})
    rows = read(content, columns=Columns(id="no", title="text", tags="a.b"))
    assert (ids(rows), rows.tag_lists) == ([5], ["x"])
    assert ids(read(content, columns=Columns(id=ROW_NUMBER, title="text"))) == [1]
    assert "has no column 'nothing'" in refusal(content, columns=Columns(title="nothing"))
    assert "lists in its column 'a.b', and a label is a text" in refusal(content, columns=Columns(label="a.b"))
    assert "is Parquet, not csv" in refusal(content, format="csv")
    assert "is not Parquet" in refusal("id,tags\n", format="parquet")


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("tags", [[1, 2]]),
        ("tags", [[{"name": "c"}]]),
        ("tags", [{"a": 1}]),
        ("label", [{"a": 1}]),
        ("created_at", [timedelta(1)]),
    ],
)
def test_a_column_of_other_things_is_not_left_out_in_silence(part: str, values: list[Any]) -> None:
    content = written({"id": [1], "title": ["t"], part: values})
    message = refusal(content)
    assert f"in its column '{part}'" in message
    assert f"--{part.removesuffix('_at')}-column NAME, or none" in message
    assert ids(read(content, columns=Columns(**{part: "none"}))) == [1]


def test_one_tag_a_row_and_tables_that_hold_no_questions() -> None:
    assert tags_by_question(read(written({"Id": [1, 1], "Tag": ["a", "b"]}))) == {1: ["a", "b"]}
    assert "a dump's Tags table" in refusal(written({"Id": [1], "TagName": ["c#"], "Count": [5], "WikiPostId": [1]}))
    assert "known columns" in refusal(written({"x": [1], "nested": [{"id": 1}]}))
    assert "known columns" in refusal(written({"nested": [{"id": 1}]}))


def test_an_empty_table_has_no_rows() -> None:
    assert read(written({"id": pa.array([], pa.int64()), "tags": pa.array([], pa.string())})).read == 0


class TestDamage:
    """Whatever is wrong with a file, what comes is rows, bad rows, or a refusal."""

    SMALL = written({"id": [1, 2], "title": ["a", "b"], "tags": [["x"], ["y"]]}, row_group_size=1, compression="none")

    def test_a_file_cut_anywhere_is_refused(self) -> None:
        for length in range(4, len(self.SMALL)):
            assert "cut short" in refusal(self.SMALL[:length]) or "damaged" in refusal(self.SMALL[:length])

    def test_a_flipped_byte_raises_nothing_of_other_libraries(self) -> None:
        for place in range(len(self.SMALL)):
            damaged = bytearray(self.SMALL)
            damaged[place] ^= 0x41
            read_or_refused(bytes(damaged))

    def test_a_damaged_row_group_costs_itself(self) -> None:
        titles = [f"title {number * 7919}" for number in range(3000)]
        content = bytearray(
            written(
                {"id": range(3000), "title": titles},
                row_group_size=1000,
                use_dictionary=False,
                write_page_checksum=True,
            )
        )
        second = parquet.read_metadata(io.BytesIO(content)).row_group(1).column(1)
        content[second.data_page_offset + second.total_compressed_size // 2] ^= 0xFF
        rows = read(bytes(content))
        assert bad(rows) == [(1001, "damaged data")]
        assert rows.bad[0].excerpt == "1,000 rows from row 1,001 on"
        assert ids(rows) == [*range(1000), *range(2000, 3000)]

    def test_an_encrypted_footer_is_said(self) -> None:
        assert "encrypted" in refusal(b"PARE" + self.SMALL[4:-4] + b"PARE")


class TestLimits:
    """Sizes that nobody's table has are refused before they take memory."""

    def test_a_dictionary_that_repeats_a_long_text_takes_little(self) -> None:
        titles = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), pa.array(["x" * 1_000_000]))
        content = written({"id": range(5_000), "title": titles}, store_schema=False)
        assert len(content) < 1_000_000
        pa.default_memory_pool().release_unused()
        before = pa.total_allocated_bytes()
        with open_source("-", stdin=io.BytesIO(content)) as source:
            batches = iter(recognise(source))
            for _ in range(3):
                batch = next(batches)
                assert sum(len(row[2] or "") for row in batch.questions) < 40_000_000
                assert pa.total_allocated_bytes() - before < 100_000_000

    def test_a_text_over_the_limit_is_a_bad_row(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from tagdb.formats import parquettexts

        monkeypatch.setattr(parquettexts, "RECORD_LIMIT", 100)
        rows = read(written({"id": [1, 2, 3], "title": ["a", "x" * 101, "c"]}))
        assert bad(rows) == [(2, "record over 16 MiB")]

    def test_pages_that_take_too_much_memory_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        random = Random(5)
        titles = [random.randbytes(50_000).hex() for _ in range(100)]
        content = written({"id": range(100), "title": titles}, compression="zstd", use_dictionary=False)
        monkeypatch.setattr(parquetfile, "MEMORY_LIMIT", 2_000_000)
        assert "takes more than 2 GiB of memory to read | write it in smaller row groups" in refusal(content)

    def test_a_huge_description_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parquetfile, "FOOTER_LIMIT", 100)
        assert "more than 64 MiB of description" in refusal(written(QUESTIONS))

    def test_memory_does_not_grow_with_the_file(self) -> None:
        def peak(rows: int) -> int:
            return peak_of_reading(written({"id": range(rows), "title": ["some title"] * rows}, row_group_size=10_000))

        assert peak(60_000) < 1.5 * peak(20_000)

    def test_a_pipe_is_copied_up_to_a_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from tagdb.formats import spooling

        monkeypatch.setattr(spooling, "SPOOL_LIMIT", 100)
        assert "a Parquet file of more than 1 GiB, which is read only from a file" in refusal(written(QUESTIONS))

    def test_the_copy_is_gone_afterwards(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        read(written(QUESTIONS))
        with pytest.raises(InputRefused), open_source("-", stdin=io.BytesIO(written(QUESTIONS)[:-1])) as source:
            recognise(source)
        assert list(tmp_path.iterdir()) == []
