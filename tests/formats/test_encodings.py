"""Text in other encodings is read, by its mark or by name, as it streams; what is not in one is said."""

from __future__ import annotations

import gzip
import io
import tracemalloc

import pytest

from tagdb.errors import UsageError
from tagdb.formats import Columns, Reading, open_source, recognise
from tests.formats.reading import bad, ids, read, recognised, refusal

TEXT = 'id,title,tags\n1,Größe,c#\n2,"a\r\nb",java\n3,ж €,sql\n'


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_tells_the_encoding(encoding: str, packed: bool) -> None:
    content = TEXT.encode(encoding)
    assert read(gzip.compress(content) if packed else content) == read(TEXT)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-be", "gb18030", "utf-7", "UTF8"])
def test_any_encoding_may_be_named(encoding: str, mark: str) -> None:
    content = (mark + TEXT).encode(encoding)
    assert read(content, reading=Reading(encoding=encoding)) == read(TEXT)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_the_order_of_bytes_is_seen_where_no_mark_says_it(encoding: str) -> None:
    assert read(TEXT.encode(encoding), reading=Reading(encoding=encoding[:6])) == read(TEXT)


def test_the_encoding_is_part_of_the_description() -> None:
    assert (
        "CSV, in cp1251, id"
        in recognised("id,title\n1,ж\n".encode("cp1251"), reading=Reading(encoding="1251")).description
    )
    assert "CSV, in utf-16, id" in recognised(TEXT.encode("utf-16")).description
    assert ", in" not in recognised(TEXT, reading=Reading(encoding="utf8")).description


@pytest.mark.parametrize("name", ["nope", "rot13", "base64", "zlib", "idna", "punycode", "unicode_escape", "a\0b"])
def test_what_is_no_encoding_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no encoding of text is called") as refused:
        read(TEXT, reading=Reading(encoding=name))
    assert refused.value.hint


@pytest.mark.parametrize("text", ["id,title\n1,Привет\n", "id,title\n1,Привет\n2,как\n3,x\n", "id,название\n1,a\n"])
def test_text_in_another_encoding_is_refused_with_what_reads_it(text: str) -> None:
    message = refusal(text.encode("cp1251"))
    assert "UTF-8" in message
    assert "--encoding cp1252" in message
    assert "iconv -f CP1252 -t UTF-8" in message
    named = Columns() if "title" in text else Columns(title="название")
    assert read(text.encode("cp1251"), reading=Reading(encoding="cp1251"), columns=named) == read(text, columns=named)


def test_a_damaged_line_among_sound_ones_is_a_bad_row() -> None:
    rows = read("id,title\n1,Größe\n2,ü\n3,ä\n".encode() + b"4,\xff\n5,a\n")
    assert bad(rows) == [(5, "invalid UTF-8")]
    assert ids(rows) == [1, 2, 3, 5]


def test_bytes_that_the_named_encoding_lacks_are_bad_rows() -> None:
    rows = read(b"id,title\n1,a\n2,\x81\n3,b\n4,c\n5,d\n", reading=Reading(encoding="cp1252"))
    assert bad(rows) == [(3, "bytes that the file's encoding lacks")]
    assert ids(rows) == [1, 3, 4, 5]
    cut = read("id,title\n1,a\n2,b\n3,c\n4,d\n5,e".encode("utf-16")[:-1])
    assert ids(cut) == [1, 2, 3, 4]
    assert bad(cut) == [(6, "bytes that the file's encoding lacks")]


def test_utf16_without_a_mark_is_named_with_the_option() -> None:
    assert "--encoding utf-16-le" in refusal("id,tags\n1,a\n".encode("utf-16-le"))


@pytest.mark.parametrize(("mark", "named"), [("utf-16", "cp1252"), ("utf-16", "utf-8"), ("utf-32", "utf-16-le")])
def test_an_encoding_that_the_first_bytes_contradict_is_refused(mark: str, named: str) -> None:
    message = refusal("id,title\n1,x\n".encode(mark), reading=Reading(encoding=named))
    assert f"begins as {mark} does" in message
    assert "leave --encoding out" in message
    assert ids(read("id,title\n1,x\n".encode(mark), reading=Reading(encoding=f"{mark}-le"))) == [1]


def test_old_macs_end_lines_with_carriage_returns() -> None:
    rows = read("id,title\r1,a\r2,b\rx,c\r")
    assert ids(rows) == [1, 2]
    assert bad(rows) == [(4, "bad id")]


def test_posts_xml_may_be_in_another_encoding() -> None:
    xml = '<?xml version="1.0" encoding="utf-16"?>\n<posts>\n<row Id="1" PostTypeId="1" Title="Größe" />\n</posts>\n'
    assert ids(read(xml.encode("utf-16"))) == [1]
    latin = xml.replace("utf-16", "latin-1").encode("latin-1")
    assert "--encoding latin-1" in refusal(latin)
    assert read(latin, reading=Reading(encoding="latin-1")).questions[0][2] == "Größe"


def test_decoding_takes_the_same_memory_whatever_the_size() -> None:
    def peak(repeats: int) -> int:
        content = gzip.compress("id,title\n".encode("utf-16") + "1,Größe und Länge\n".encode("utf-16-le") * repeats)
        tracemalloc.start()
        try:
            with open_source("-", stdin=io.BytesIO(content)) as source:
                assert sum(rows.read for rows in recognise(source, batch_records=100)) == repeats
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(60_000) < 1.2 * peak(20_000)
