"""Files of no known shape are refused with what they are, and the batches of the others hold together."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
import tracemalloc
from pathlib import Path

import pytest

from tagdb.errors import InputRefused
from tagdb.formats import Reading, open_source, reader, recognise
from tagdb.formats.rows import TAG_SEPARATOR
from tests.formats.reading import bad, ids, merged, read, read_or_refused, refusal


def _tar() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as file:
        file.add(__file__, "a.csv")
    return archive.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n \n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        ("id,tags\n".encode("utf-16-be"), "UTF-16 text"),
        ("<posts/>".encode("utf-16-le"), "UTF-16 text"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7-Zip archive"),
        (_tar(), "a tar archive"),
        (gzip.compress(gzip.compress(b"id,tags\n", mtime=0), mtime=0), "gzip inside gzip"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"PAR1\x15\x04", "a Parquet file that is cut short"),
        (b"SQLite format 3\0", "an SQLite database"),
        (json.dumps([1, 2]).encode(), "JSON without a record"),
        (b'\n {"items": []}', "JSON without a record"),
        (b"<!DOCTYPE html><html></html>", "an HTML page"),
        (b"<!-- saved -->\n<HTML lang=en>", "an HTML page"),
        (b"\x7fELF\x02\x01\x01\0", "binary data"),
        (b"\x89PNG\r\n\x1a\n\0", "does not begin with UTF-8 text, but with: \N{REPLACEMENT CHARACTER}PNG"),
        ("id,Größe\n".encode("latin-1"), "does not begin with UTF-8 text"),
        (b"id,tags\0\n", "binary data"),
    ],
)
def test_foreign_files_are_refused_by_name(content: bytes, said: str) -> None:
    assert said in refusal(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,title\n1,x\n".encode("utf-32-le"), "--encoding utf-32-le"),
        ("id,title\n1,\u65e5\n".encode("iso2022_jp"), "--encoding iso2022_jp"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n", "git lfs pull"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save the sheet as CSV"),
        (b"ARROW1\0\0\xff", "Parquet"),
        (b"INSERT INTO questions VALUES (1, 'a');\n", "is an SQL script"),
        (b"--\n-- dump\n--\n\n/* a */;/* b */\nSET statement_timeout = 0;\n", "is an SQL script"),
    ],
)
def test_what_is_known_by_its_beginning_is_named(content: bytes, said: str) -> None:
    assert said in refusal(content)


@pytest.mark.parametrize("beginning", ["/* a */ " * 8000, "-- a\n" * 12000, " " * 60000, "<posts><row " + "a" * 60000])
def test_no_beginning_takes_long_to_look_at(beginning: str) -> None:
    begun = time.process_time()
    read_or_refused(beginning)
    assert time.process_time() - begun < 2


def test_a_control_character_may_separate_columns_where_it_is_named() -> None:
    for name in ("\x01", "\\x01"):
        rows = read("id\x01title\n1\x01Foo, bar\n", reading=Reading(delimiter=name))
        assert [title for _, _, title, *_ in rows.questions] == ["Foo, bar"]
    assert "binary data" in refusal("id\x01title\n1\x01Foo, bar\n")


def test_control_characters_beyond_the_first_line_make_no_binary_file() -> None:
    assert bad(read(b"id,tags\n1,a\n2,\0\n")) == [(3, "NUL byte")]


def test_a_text_that_is_no_table_is_refused_with_its_beginning() -> None:
    assert "Dear all" in refusal("Dear all, hello\n")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20_000])
def test_batches_keep_the_order_and_the_count_of_the_file(size: int) -> None:
    table = "id,tags\n" + "".join(f"{number % 5},a b\n{'bad' * (number % 2)},c\n" for number in range(10))
    with open_source("-", stdin=io.BytesIO(table.encode())) as source:
        batches = list(recognise(source, batch_records=size))
    assert all(batch.read == size for batch in batches[:-1])
    assert 0 < batches[-1].read <= size
    assert merged(batches) == read(table)
    assert ids(merged(batches)) == [number % 5 for number in range(10)]


def test_places_tell_which_tags_are_those_of_the_last_repeat() -> None:
    rows = read("id,tags\n1,a b\n2,c\n1,\n2,d a\n", batch_records=1)
    last = {question: place for question, place, *_ in rows.questions}
    listed = zip(rows.questions, rows.tag_lists, strict=True)
    assert [(number, tags) for (number, place, *_), tags in listed if place == last[number]] == [
        (1, ""),
        (2, f"d{TAG_SEPARATOR}a"),
    ]
    places = [place for _, place, *_ in rows.questions]
    assert places == sorted(set(places))


def test_long_texts_end_a_batch_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BATCH_CHARACTERS", 1000)
    table = "id,title\n" + "".join(f"{number},{'x' * 400}\n" for number in range(9))
    with open_source("-", stdin=io.BytesIO(table.encode())) as source:
        assert [batch.read for batch in recognise(source)] == [3, 3, 3]


@pytest.mark.parametrize("table_end", ["", '1,"a\nb"\n'])
def test_memory_does_not_grow_with_the_file(table_end: str) -> None:
    def peak(repeats: int) -> int:
        content = gzip.compress(b"id,tags\n" + (b"1,a b c\n" * 8_000 + table_end.encode()) * repeats)
        tracemalloc.start()
        try:
            with open_source("-", stdin=io.BytesIO(content)) as source:
                for _ in recognise(source, batch_records=100):
                    pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(8) < 1.2 * peak(3)


def test_strict_refuses_the_file_at_its_first_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "questions.csv"
    path.write_text("id,tags\n1,a\n2,<a\n3,<b\n")
    with open_source(path) as source, pytest.raises(InputRefused) as refused:
        list(recognise(source, strict=True))
    assert str(refused.value) == "questions.csv, line 3: not a tag list: 2,<a"
    assert refused.value.hint
    path.write_text("id,tags\n1,a\n")
    with open_source(path) as source:
        assert ids(merged(recognise(source, strict=True))) == [1]
