"""Broken CSV: every kind of damage is named with its own line, and the rows around it are all taken."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb.formats import csvrecords
from tagdb.formats.rows import RECORD_LIMIT
from tests.formats.reading import bad, ids, read, tags_by_question

HEADER = "id,title,tags\n"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b",no id,a", "no id"),
        (b"x7,bad id,a", "bad id"),
        (b"9223372036854775808,beyond bigint,a", "bad id"),
        (b'7,"quote "inside" it",a', "broken CSV"),
        (b'7,"never closed,a', "broken CSV"),
        (b"7,a\rb,a", "broken CSV"),
        (b"7,too few", "wrong number of columns"),
        (b"7,too,many,a", "wrong number of columns"),
        (b"7,nul\0,a", "NUL byte"),
        (b"7,latin \xe9,a", "invalid UTF-8"),
        (b"7,half a character \xe2\x82,a", "invalid UTF-8"),
        (b"7,surrogate \xed\xa0\x80,a", "invalid UTF-8"),
        (b'7,json,"{""a"":1}"', "not a tag list"),
        (b"7,unbalanced,<a><b", "not a tag list"),
        (b"7,blank inside,<a b>", "not a tag list"),
        (b"7,very long," + b"x" * 201, "not a tag list"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_bad_row_is_named_and_its_neighbours_are_taken(line: bytes, reason: str, end: bytes) -> None:
    before = end.join([b"id,title,tags", b'1,"two', b'lines",a b', b"", b"2,plain,c"])
    rows = read(before + end + line + end + b'3,"quoted, too",d' + end + b"4,last,e")
    assert bad(rows) == [(6, reason)]
    assert ids(rows) == [1, 2, 3, 4]
    assert tags_by_question(rows) == {1: ["a", "b"], 2: ["c"], 3: ["d"], 4: ["e"]}
    assert rows.bad[0].excerpt.startswith(line[:1].decode())
    assert rows.bad[0].excerpt.isprintable()
    assert len(rows.bad[0].excerpt) <= 80


def test_a_quote_left_open_takes_one_line_and_not_the_file() -> None:
    good = "".join(f"{number},title {number},t{number}\n" for number in range(2, 5000))
    rows = read(f'{HEADER}1,"open,a\n{good}')
    assert bad(rows) == [(2, "broken CSV")]
    assert ids(rows) == list(range(2, 5000))


def test_lines_swallowed_between_two_stray_quotes_are_read_after_all() -> None:
    rows = read(f'{HEADER}1,"open,a\n2,plain,b\n3,c,"\n4,plain,d\n')
    assert bad(rows) == [(2, "wrong number of columns"), (4, "broken CSV")]
    assert ids(rows) == [2, 4]


def test_line_numbers_count_blank_lines_and_lines_within_quotes() -> None:
    rows = read(f'{HEADER}\n1,"a\n\n\nb",x\n\nbad,,\n2,"c\r\nd",y\nworse,,\n')
    assert bad(rows) == [(8, "bad id"), (11, "bad id")]
    assert [title for _, _, title, _, _ in rows.questions] == ["a\n\n\nb", "c\r\nd"]


def test_fields_beyond_the_csv_modules_own_limit_are_read() -> None:
    body = "word " * 100_000
    rows = read(f'Id,Title,Body,Tags\n1,t,"{body}",<a>\n2,"{body}",b,<b>\n')
    assert not rows.bad
    assert rows.questions[1][2] == body.strip()
    assert csv.field_size_limit() >= RECORD_LIMIT


def test_reading_never_lowers_the_limit_another_library_has_set() -> None:
    before = csv.field_size_limit(4 * RECORD_LIMIT)
    try:
        read(f"{HEADER}1,t,a\n")
        assert csv.field_size_limit() == 4 * RECORD_LIMIT
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("limit", [1000, RECORD_LIMIT])
def test_a_line_over_the_limit_is_a_bad_row(quote: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvrecords, "RECORD_LIMIT", limit)
    monkeypatch.setattr(csvrecords, "_BLOCK_SIZE", 100)
    rows = read(f"{HEADER}1,t,a\n2,{quote}{'x' * 2 * limit}{quote},b\n3,t,c\nbad,t,d\n")
    assert bad(rows) == [(3, "record over 16 MiB"), (5, "bad id")]
    assert ids(rows) == [1, 3]


def test_a_record_over_the_limit_costs_its_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvrecords, "RECORD_LIMIT", 1000)
    good = "".join(f"{number},title {number},t\n" for number in range(2, 300))
    rows = read(f'{HEADER}1,"open,a\n{good}')
    assert bad(rows) == [(2, "record over 16 MiB")]
    assert ids(rows) == list(range(2, 300))


def test_a_hostile_file_is_read_about_twice_and_not_once_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvrecords, "_REREAD_ALLOWANCE", 0)
    lines = 30_000
    handed_out = 0
    step = csvrecords._Lines.__next__

    def counting(self: csvrecords._Lines) -> str:
        nonlocal handed_out
        handed_out += 1
        return step(self)

    monkeypatch.setattr(csvrecords._Lines, "__next__", counting)
    rows = read(HEADER + 'x","\n' * lines)
    assert rows.bad
    assert handed_out < 3 * lines


@pytest.mark.parametrize("length", range(40_000, 40_010))
def test_compressed_data_that_ends_early_gives_its_whole_lines_and_says_so(length: int) -> None:
    whole = HEADER + "".join(f"{number},title {number * 7919},tag-{number}\n" for number in range(20_000))
    rows = read(gzip.compress(whole.encode(), compresslevel=1)[:length])
    assert bad(rows)[-1] == (len(rows.questions) + 2, "file cut short")
    assert len(rows.bad) == 1
    assert ids(rows) == list(range(len(rows.questions)))
    assert len(rows.questions) > 1000
    assert tags_by_question(rows)[ids(rows)[-1]] == [f"tag-{ids(rows)[-1]}"]


def test_damaged_compression_is_reported_like_an_early_end() -> None:
    packed = bytearray(gzip.compress(f"{HEADER}1,t,a\n2,t,b\n".encode()))
    packed[-5] ^= 0xFF  # in the check sum
    rows = read(bytes(packed))
    assert ids(rows) == [1, 2]
    assert bad(rows) == [(4, "file cut short")]


records = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "", "x", '"', "3\0"]),
        st.text(st.sampled_from('ab," \r\n;é'), max_size=12),
        st.sampled_from(["a", "a b", "<a", '"', ""]),
    ),
    max_size=12,
)


@given(records, st.integers(1, 40), st.booleans())
def test_where_blocks_end_makes_no_difference(table: list[tuple[str, str, str]], block_size: int, quoted: bool) -> None:
    text = io.StringIO(newline="")
    text.write(HEADER)
    if quoted:
        csv.writer(text).writerows(table)
    else:
        text.write("\n".join(map(",".join, table)))
    at_once = read(text.getvalue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvrecords, "_BLOCK_SIZE", block_size)
        in_blocks = read(text.getvalue())
    assert in_blocks == at_once
