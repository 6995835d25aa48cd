"""Whatever the rows, in every shape and compression: what is read is what was written, or is counted as bad."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tests.formats.packing import PACKED
from tests.formats.reading import ids, read, read_or_refused, tags_by_question

ids_of_bigint = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=30)
tags = st.lists(st.text(st.sampled_from("ab#.+-c é,;|<>\"'\\[]{}&"), min_size=1, max_size=6), max_size=4)
numbers = ids_of_bigint | st.integers(2**63, 2**64 - 1)
questions = st.fixed_dictionaries({"id": numbers, "title": st.none() | texts, "tags": tags})
rows_of_any_kind = st.lists(questions, min_size=1, max_size=6)
Records = list[dict[str, Any]]


def _parquet(records: Records) -> bytes:
    file = io.BytesIO()
    types = {"id": pa.string(), "title": pa.string(), "tags": pa.list_(pa.string())}
    columns = {name: pa.array([_storable(record[name]) for record in records], kind) for name, kind in types.items()}
    parquet.write_table(pa.table(columns), file, row_group_size=2)
    return file.getvalue()


def _storable(value: object) -> object:
    return str(value) if isinstance(value, int) else value


SHAPES: dict[str, Callable[[Records], bytes]] = {
    "lines": lambda records: "".join(json.dumps(record) + "\n" for record in records).encode(),
    "lines in UTF-8": lambda records: "\n".join(json.dumps(r, ensure_ascii=False) for r in records).encode(),
    "array": lambda records: json.dumps(records, separators=(",", ":")).encode(),
    "array over lines": lambda records: json.dumps(records, indent=2, ensure_ascii=False).encode(),
    "pages": lambda records: b"".join(json.dumps({"has_more": True, "items": [r]}).encode() for r in records),
    "parquet": _parquet,
}


@pytest.mark.parametrize("shape", SHAPES)
@given(rows_of_any_kind)
def test_what_is_read_is_what_was_written(shape: str, records: Records) -> None:
    rows = read(SHAPES[shape](records))
    assert rows.read == len(records) == len(rows.questions) + len(rows.bad)
    refused = {row.line for row in rows.bad} if shape in ("lines", "lines in UTF-8", "parquet") else set()
    left = [record for number, record in enumerate(records, 1) if number not in refused]
    if refused or not rows.bad:
        assert ids(rows) == [record["id"] for record in left]
        for (_, _, title, *_), record in zip(rows.questions, left, strict=True):
            assert title in ((record["title"] or "").strip() or None, None)
        assert [" ".join(of) for of in _tags(rows)] == [" ".join(dict.fromkeys(map(_plain, r["tags"]))) for r in left]


def _tags(rows: Any) -> list[list[str]]:
    return [of.split("\x1f") if of else [] for of in rows.tag_lists]


def _plain(tag: str) -> str:
    return " ".join(tag.split())


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("shape", SHAPES)
def test_compression_changes_nothing(shape: str, kind: str) -> None:
    records = [{"id": number, "title": f"Größe {number}", "tags": ["c#", "a b"]} for number in range(2000)]
    content = SHAPES[shape](records)
    rows = read(PACKED[kind](content))
    assert rows == read(content)
    assert ids(rows) == list(range(2000))
    assert tags_by_question(rows) != {}


SMALL: Records = [{"id": 1, "title": "one", "tags": ["a"]}, {"id": 2, "title": 'x "y"', "tags": []}]


@pytest.mark.parametrize("shape", SHAPES)
@given(st.data())
def test_damage_raises_nothing_of_other_libraries(shape: str, data: st.DataObject) -> None:
    content = bytearray(SHAPES[shape](SMALL))
    if data.draw(st.booleans(), label="packed"):
        content = bytearray(PACKED[data.draw(st.sampled_from(sorted(PACKED)))](bytes(content)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not content:
            break
    rows = read_or_refused(bytes(content))
    assert rows is None or rows.read == len(rows.questions) + len(rows.tags) + len(rows.bad) + sum(
        rows.skipped.values()
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_cut_anywhere_loses_no_row_in_silence(shape: str) -> None:
    content = SHAPES[shape](SMALL)
    whole = read(content).questions
    for length in range(len(content)):
        rows = read_or_refused(content[:length])
        if rows is not None:
            assert rows.questions == whole[: len(rows.questions)]
            between_records = shape.startswith(("lines", "pages")) and content[:length].rstrip().endswith(b"}")
            assert len(rows.questions) == len(whole) or rows.bad or between_records
