"""Whatever is written as a table, in any dialect, is read as it was or is a bad row; whatever is damaged is said."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tagdb.errors import TagdbError
from tagdb.formats import ROW_NUMBER, Columns, Notes, Reading
from tests.examples import examples
from tests.formats.reading import read, tags_by_question

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gb18030", "cp1251", "latin-1", "ascii"]
BY_NUMBER = Columns(id="1", title="2", tags="3", label="4")

letters = st.characters(exclude_categories=["Cs", "Cc"])
texts = st.text(st.one_of(st.sampled_from("\"',;|\t^ \r\n<>&\\7"), letters), max_size=12)
plain_texts = st.text("\"' abcж,;|&", max_size=8)
tag_names = st.sampled_from(["c#", "c++", ".net", "node.js", "null", "한국어"])
STYLES: dict[str, Callable[[list[str]], str]] = {
    "blanks": " ".join,
    "commas": ",".join,
    "semicolons": ";".join,
    "pipes": "|".join,
    "angles": lambda tags: "".join(f"<{tag}>" for tag in tags),
    "html": lambda tags: "".join(f"&lt;{tag}&gt;" for tag in tags),
    "list": repr,
    "array": lambda tags: "{" + ",".join(tags) + "}",
}
tables = st.lists(
    st.tuples(texts, st.lists(tag_names, min_size=1, max_size=3, unique=True), texts), min_size=1, max_size=6
)


@given(
    tables,
    st.sampled_from(",\t;|^¦"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(ENCODINGS),
    st.sampled_from(sorted(STYLES)),
    st.booleans(),
)
def test_what_is_written_is_read_or_is_a_bad_row(
    table: list[tuple[str, list[str], str]],
    delimiter: str,
    line_end: str,
    quoting: int,
    encoding: str,
    style: str,
    has_header: bool,
) -> None:
    assume(delimiter.encode(encoding, "replace").decode(encoding) == delimiter)
    if quoting == csv.QUOTE_MINIMAL:  # by which Python encloses no carriage return
        table = [(title.replace("\r", ""), tags, label.replace("\r", "")) for title, tags, label in table]
    if line_end == "\r":  # among which a line feed would be another end, and a carriage return too early a one
        ends = {10: " ", 13: " "}
        table = [(title.translate(ends), tags, label.translate(ends)) for title, tags, label in table]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)  # type: ignore[arg-type]
    if has_header:
        writer.writerow(["id", "title", "tags", "label"])
    for number, (title, tags, label) in enumerate(table):
        writer.writerow([number, title, STYLES[style](tags), label])
    written = text.getvalue().encode(encoding, "replace")
    reading = Reading(delimiter=delimiter, encoding=encoding, header=has_header, null_words=(), html=False)
    rows = read(written, reading=reading, columns=None if has_header else BY_NUMBER)
    assert rows.read == len(table)
    assert rows.unread == {}
    taken = tags_by_question(rows)

    def as_encoded(text: str) -> str:
        return text.encode(encoding, "replace").decode(encoding).strip()

    for number, _, read_title, read_label, _ in rows.questions:
        title, tags, label = table[number]
        assert (read_title or "", (read_label or "").strip()) == (as_encoded(title), as_encoded(label))
        assert taken[number] == list(dict.fromkeys(map(as_encoded, tags)))
    assert not rows.bad or text.getvalue().count(line_end) > len(table) + has_header


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@given(st.lists(st.tuples(plain_texts, plain_texts), min_size=1, max_size=12), st.sampled_from([None, False]))
def test_of_lines_written_without_quoting_none_is_lost(
    delimiter: str, table: list[tuple[str, str]], quotes: bool | None
) -> None:
    lines = [
        delimiter.join((str(number), title.replace(delimiter, " "), label.replace(delimiter, " ")))
        for number, (title, label) in enumerate(table)
    ]
    text = delimiter.join(("id", "title", "label")) + "\n" + "\n".join(lines)
    rows = read(text, reading=Reading(delimiter=delimiter, quotes=quotes, null_words=(), html=False))
    assert rows.read == len(table)
    read_ids = {number for number, *_ in rows.questions}
    assert read_ids | {row.line - 2 for row in rows.bad} == set(range(len(table)))
    if quotes is False:
        assert not rows.bad
        assert [title for _, _, title, _, _ in rows.questions] == [
            title.replace(delimiter, " ").strip() or None for title, _ in table
        ]
    for number, _, title, _, _ in rows.questions:
        written = table[number][0].replace(delimiter, " ")
        assert (title or "").replace('"', "").split() == written.replace('"', "").split()


def _sound() -> dict[str, bytes]:
    table = (
        "id,title,tags,label,created_at\n1,Größe?,c# .net,web,2020-01-01\n"
        '2,"two\nlines, ""quoted""",<a><b>,NA,17/11/2009\n3,R &amp; D,"[\'a\', \'b\']",,1217540572\n'
    )
    return {
        "csv": table.encode(),
        "tsv": b'id\ttitle\ttags\n1\t"open\tc#\n2\tclose"\t{a,b}\n3\t\\N\ta;b\n',
        "copy": b"id\ttitle\ttags\n1\ta\\tb\tc#\n2\t\\N\t\\N\n",
        "utf-16": table.encode("utf-16"),
        "excel": b"sep=;\r\nid;title;tags\r\n1;A;python\r\n",
        "one": b'title\nWhat is a, b?\n"C" or C++\n',
        "tags": b"Id,Tag\n1,a\n1,b\n2,c d\n",
        "mac": b"id,title\r1,a\r2,b\r",
        "posts": (
            b'<?xml version="1.0" encoding="utf-8"?>\n<posts>\n'
            b'<row Id="1" PostTypeId="1" Title="A" Tags="|a|" />\n</posts>\n'
        ),
    }


SOUND = _sound()
READINGS = [
    Reading(),
    Reading(header=False),
    Reading(encoding="utf-16"),
    Reading(encoding="cp1252", tags_separator=";", quotes=False, html=True),
    Reading(delimiter="\t", quotes=True, null_words=("a",), day_first=True),
]


def survives(content: bytes, reading: Reading, columns: Columns | None = None) -> None:
    """A file may be refused, but by nothing but tagdb's own errors, with a hint; or else its rows add up."""
    refused = None
    try:
        rows = read(content, reading=reading, columns=columns)
    except TagdbError as error:
        refused = error
    if refused:
        assert refused.hint
        assert str(refused).isprintable()
    else:
        notes = Notes()
        notes.add(rows)
        assert all(line.isprintable() for line in notes.lines())


@pytest.mark.parametrize("name", SOUND)
def test_a_file_cut_anywhere_is_read_as_far_as_it_goes(name: str) -> None:
    for end in range(len(SOUND[name])):
        survives(SOUND[name][:end], READINGS[end % len(READINGS)])
        survives(SOUND[name][:end], Reading())
        survives(SOUND[name][:end], Reading(header=False), BY_NUMBER)
        survives(SOUND[name][:end], Reading(), Columns(id=ROW_NUMBER))


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_a_flipped_byte_anywhere_harms_no_more_than_the_file(name: str, flip: int) -> None:
    for place in range(len(SOUND[name])):
        damaged = bytearray(SOUND[name])
        damaged[place] ^= flip
        survives(bytes(damaged), Reading())


@settings(max_examples=examples(300))
@given(
    st.lists(
        st.one_of(
            st.sampled_from([line for content in SOUND.values() for line in content.splitlines(keepends=True)]),
            st.binary(max_size=20),
            st.sampled_from([b'"', b"\0", b"\r", b"\n\n", b",,,", b"\t\t", b"\xff\xfe", b"\xed\xa0\x80", b"sep=,\n"]),
        ),
        max_size=12,
    ).map(b"".join),
    st.sampled_from(READINGS),
    st.sampled_from([None, BY_NUMBER, Columns(id=ROW_NUMBER)]),
)
def test_any_bytes_are_read_or_refused(content: bytes, reading: Reading, columns: Columns | None) -> None:
    survives(content, reading, columns)
