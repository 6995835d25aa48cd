"""Tells by a file's first bytes which of the known formats it is in, or else what it is instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tagdb.errors import InputRefused, UsageError
from tagdb.formats import dumps
from tagdb.formats.compression import argument, compression_of
from tagdb.formats.dialect import named_delimiter
from tagdb.formats.encodings import decode, require_text
from tagdb.formats.jsonrecords import JSON, JSON_LINES, is_json, recognise_json
from tagdb.formats.layout import KNOWN_SHAPES, plain_name, refuse_dump
from tagdb.formats.meaning import Meaning, as_written, meaning_of
from tagdb.formats.parquetsigns import PARQUET, is_parquet
from tagdb.formats.postsxml import ROOT, post_records
from tagdb.formats.reader import BATCH_RECORDS, Reader
from tagdb.formats.rows import Columns, Reading, Recognised, Record, excerpt
from tagdb.formats.source import Source
from tagdb.formats.tablehead import TABLE_FORMATS, describe, read_head, sample_of_parts
from tagdb.formats.tables import field_picker, table_records

POSTS_XML: Final = "posts-xml"
FORMATS: Final = (*TABLE_FORMATS, POSTS_XML, JSON, JSON_LINES, PARQUET)

_NO_TABLES: Final = {POSTS_XML: "XML", JSON: "JSON", JSON_LINES: "JSON", PARQUET: "Parquet"}
_WITHOUT_FORMAT = "leave --format out to have the file recognised"
_SQL_COMMENTS: Final = rb"(?:--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/;?|\s)*"
_FOREIGN: Final[tuple[tuple[re.Pattern[bytes], str, str], ...]] = tuple(
    (re.compile(pattern, re.DOTALL), what, hint)
    for pattern, what, hint in (
        (rb"\s*\Z", "empty", KNOWN_SHAPES),
        (rb".\0\0\0.\0\0\0|\0\0\0.\0\0\0.", "UTF-32 text", "name its encoding: --encoding utf-32-le, or utf-32-be"),
        (rb".\0.\0|\0.\0.", "UTF-16 text", "name its encoding: --encoding utf-16-le, or utf-16-be"),
        (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it: 7z e -so {file} Posts.xml | tagdb import -"),
        (rb".{257}ustar", "a tar archive", "unpack it: tar -xOf {file} MEMBER | tagdb import -"),
        (rb"[^\0]*\x1b\$[@B]", "ISO-2022-JP text", "name its encoding: --encoding iso2022_jp"),
        (rb"%PDF", "a PDF", KNOWN_SHAPES),
        (rb"version https://git-lfs", "a pointer of Git LFS, not the file", "fetch the file itself: git lfs pull"),
        (rb"\xd0\xcf\x11\xe0", "an office document, not a table", "save the sheet as CSV, and import that"),
        (rb"ARROW1\0\0|FEA1", "an Arrow file", "write it as Parquet, and import that"),
        (
            _SQL_COMMENTS + rb"(?i:insert\s+into|create\s+table|drop\s+table|copy\s+\S+\s*\(|set\s+\w+\s*=)",
            "an SQL script",
            "run it in a database, and import what that database's client writes as CSV or JSON",
        ),
        (rb"SQLite format 3\0", "an SQLite database", KNOWN_SHAPES),
        (rb"\s*(?:<!--.*?-->\s*)?<(?i:!doctype html|html|head|body)", "an HTML page", KNOWN_SHAPES),
        (rb"[^\n]*[\0-\x08\x0e-\x1f]", "binary data", KNOWN_SHAPES),
    )
)
_ROOT_ELEMENT = re.compile(rb"<([A-Za-z_][\w.:-]*)")
_FIRST_ROW = re.compile(rb"<row\s([^<]*)")
_ATTRIBUTE = re.compile(rb"""(?<!\w)([A-Za-z_]\w*)\s*=\s*(?:"[^"]*"|'[^']*')""")
_ENCODING = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']""")
_UTF8_NAMES = (b"utf-8", b"utf8", b"us-ascii", b"ascii")


def recognise(
    source: Source,
    *,
    format: str | None = None,  # noqa: A002
    columns: Columns | None = None,
    reading: Reading | None = None,
    strict: bool = False,
    codec: str | None = None,
    batch_records: int = BATCH_RECORDS,
) -> Reader:
    """Find out what a source holds, and how to read it.

    Args:
        source: an open source of which nothing is read yet.
        format: one of `FORMATS`, to take the source for that and nothing else; None to recognise it.
        columns: the user's choice of columns, for tables.
        reading: the user's word on how the source is written; what it leaves open is recognised.
        strict: refuse the file at its first bad record, instead of reporting the record and reading on.
        codec: Python's name of the encoding that all texts have to fit into; None where any does.
        batch_records: how many records make a batch.

    Raises:
        UsageError: no format is called so.
        InputRefused: the source is of no known shape, or not of the one asked for; the message says what was
            found.
    """
    if format is not None and format not in FORMATS:
        raise UsageError(f"no format is called {format!r}", hint=f"the formats are {', '.join(FORMATS)}")
    recognised, records, meaning = _recognise(source, format, columns or Columns(), reading or Reading())
    return Reader(
        source.name,
        recognised,
        records,
        meaning=meaning,
        strict=strict,
        codec=codec,
        batch_records=batch_records,
    )


def _recognise(
    source: Source, forced: str | None, columns: Columns, reading: Reading
) -> tuple[Recognised, Iterator[Record], Meaning]:
    _refuse_packed(source)
    if is_parquet(source.head):
        from tagdb.formats.parquetrecords import recognise_parquet

        _require_format(source, forced, "Parquet", PARQUET)
        return recognise_parquet(source, columns, reading)
    encoding = decode(source, reading.encoding)
    if is_json(source.head):
        _require_format(source, forced, "JSON", JSON, JSON_LINES)
        return recognise_json(source, forced, columns, reading, encoding)
    _refuse_foreign(source, named_delimiter(reading.delimiter))
    if source.head.lstrip().startswith(b"<"):
        return *_recognise_posts(source, forced, columns, encoding), as_written(reading)
    if forced in _NO_TABLES:
        raise InputRefused(
            f"{source.name} is not {_NO_TABLES[forced]}; it begins with: {excerpt(source.head)}", hint=_WITHOUT_FORMAT
        )
    return _recognise_table(source, forced, columns, reading, encoding)


def _require_format(source: Source, forced: str | None, what: str, *formats: str) -> None:
    if forced not in (None, *formats):
        raise InputRefused(f"{source.name} is {what}, not {forced}", hint=_WITHOUT_FORMAT)


def _refuse_packed(source: Source) -> None:
    """Refuse what is damaged before its first byte, or packed more than once."""
    if source.compression is None:
        return
    name = source.compression.name
    if source.cut_short and not source.head:
        raise InputRefused(
            f"{source.name} is a file of {name} that is damaged or cut short", hint="fetch or write it again"
        )
    inner = compression_of(source.head)
    if inner is not None:
        raise InputRefused(
            f"{source.name} is {inner.name} inside {name}",
            hint=f"unpack it once: {source.compression.command} {argument(source.name)} | tagdb import -",
        )


def _refuse_foreign(source: Source, delimiter: str | None) -> None:
    """Refuse what is no text of records; a `delimiter` that is named may be a control character."""
    head = source.head.replace(delimiter.encode(), b",") if delimiter else source.head
    for pattern, what, hint in _FOREIGN:
        if pattern.match(head):
            raise InputRefused(f"{source.name} is {what}", hint=hint.replace("{file}", argument(source.name)))


def _recognise_table(
    source: Source, forced: str | None, columns: Columns, reading: Reading, encoding: str | None
) -> tuple[Recognised, Iterator[Record], Meaning]:
    require_text(source, encoding)
    head = read_head(source, forced, columns, reading, encoding)
    shape = forced or head.shape
    sample = sample_of_parts(head, field_picker(head.layout))
    meaning = meaning_of(sample, reading, escapes=head.dialect.escapes)
    provides = head.layout.provides
    if not meaning.can_read_a_date(sample):
        provides -= {"created_at"}
    description = describe(source, head, shape, meaning, encoding)
    recognised = Recognised(shape, source.compressed, description, provides)
    return recognised, table_records(source, head.layout, head.dialect), meaning


def _recognise_posts(
    source: Source, forced: str | None, columns: Columns, encoding: str | None
) -> tuple[Recognised, Iterator[Record]]:
    root = _ROOT_ELEMENT.search(source.head)
    _refuse_other_tables(source, root)
    if root is None or root[1].decode() != ROOT:
        found = f"<{root[1].decode()}>" if root else excerpt(source.head)
        raise InputRefused(f"{source.name} is XML of {found}, not a data dump's <{ROOT}>", hint=KNOWN_SHAPES)
    if forced not in (None, POSTS_XML):
        raise InputRefused(f"{source.name} is a data dump's Posts.xml, not {forced}", hint=_WITHOUT_FORMAT)
    if columns != Columns():
        raise InputRefused(f"{source.name} is XML, and XML has no columns", hint="leave the --…-column options out")
    if encoding is None:
        _refuse_encoding(source)
    kind = source.packed("data dump's Posts.xml")
    description = f"{source.name}: {kind}, id, title, tags and created_at of its questions (PostTypeId 1)"
    provides = frozenset({"question", "title", "tags", "created_at"})
    return Recognised(POSTS_XML, source.compressed, description, provides), post_records(source)


def _refuse_other_tables(source: Source, root: re.Match[bytes] | None) -> None:
    """Refuse the other tables of a dump, by their root element or by the attributes of their first row."""
    table = dumps.table_of_root(root[1].decode()) if root else None
    row = _FIRST_ROW.search(source.head)
    if table is None and row:
        names = [plain_name(name.decode()) for name in _ATTRIBUTE.findall(row[1])]
        table = None if "posttypeid" in names else dumps.table_of(names)
    if table:
        refuse_dump(table, source.name, "the questions and their tags are in the dump's Posts.xml")


def _refuse_encoding(source: Source) -> None:
    declared = _ENCODING.match(source.head)
    if declared and declared[1].lower() not in _UTF8_NAMES:
        name = excerpt(declared[1])
        raise InputRefused(
            f"{source.name} is encoded in {name}, not in UTF-8",
            hint=f"name its encoding: --encoding {name}, or convert it first: iconv -f {name} -t UTF-8",
        )
