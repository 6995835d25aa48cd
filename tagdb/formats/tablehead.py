"""The beginning of a table: by its header and its first lines it is known how to cut it and what it holds."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from tagdb.errors import InputRefused
from tagdb.formats.csvrecords import csv_records
from tagdb.formats.dialect import (
    ONE_COLUMN,
    Dialect,
    Quotes,
    excels_delimiter,
    has_copys_nulls,
    named_delimiter,
    quotes_of,
)
from tagdb.formats.layout import KNOWN_SHAPES, NUMBERED_COLUMNS, Layout, column_names, find_parts, layout_of
from tagdb.formats.meaning import Meaning
from tagdb.formats.rows import ROW_NUMBER, Columns, Fields, Reading, Reason, excerpt
from tagdb.formats.source import Source
from tagdb.formats.taglists import plain_list, style_of

TABLE_FORMATS: Final = ("tagdataset", "csv", "tsv", "stacklite", "sede")

_DELIMITERS: Final = {
    ",": "",
    "\t": "",
    ";": " separated by semicolons",
    "|": " separated by |",
    ONE_COLUMN: " of one column",
}
_KINDS: Final = {
    "tagdataset": "CSV",
    "csv": "CSV",
    "tsv": "TSV",
    "stacklite": "StackLite CSV",
    "sede": "Data Explorer export",
}
_FORCED_DELIMITERS: Final = {"csv": ",;|", "tsv": "\t", "tagdataset": ",", "stacklite": ",", "sede": ","}
_ONE_COLUMN_ADVICE = (
    "name what separates its columns: --delimiter '^'; without a header, number them: "
    f"{NUMBERED_COLUMNS}; a file of titles alone: --id-column row-number --title-column …"
)
_HEAD_SIZE = 64 * 1024
_SAMPLE_SIZE = 100
_LEAST_SHARE = 0.75


@dataclass(frozen=True)
class TableHead:
    """What a table's beginning says: its layout, its dialect, and the fields of its first records."""

    layout: Layout
    dialect: Dialect
    sample: list[list[str]]

    @property
    def shape(self) -> str:
        """The name of the format that the table belongs to."""
        return self.layout.shape or ("tsv" if self.dialect.delimiter == "\t" else "csv")


@dataclass(frozen=True)
class _Candidate:
    """One way to cut a table: the names of the columns, and how many lines stand before the first record."""

    delimiter: str
    header: tuple[str, ...]
    lines_before: int


def read_head(
    source: Source, forced: str | None, columns: Columns, reading: Reading, encoding: str | None
) -> TableHead:
    """The head of a table, by the delimiter that makes most sense of its header.

    Raises:
        InputRefused: there is no header, it lacks a column that is needed or named in `columns`, its records are no
            questions, or it is not of the `forced` format.
    """
    said, skipped = excels_delimiter(source.head)
    delimiter = named_delimiter(reading.delimiter) or said
    text = source.head[skipped:]
    find = _headers if reading.header else _numbers
    candidates = list(find(text, delimiter or _FORCED_DELIMITERS.get(forced or "", "".join(_DELIMITERS)), columns))
    if not candidates:
        raise InputRefused(
            f"{source.name} does not begin with a line of CSV: {excerpt(source.head)}",
            hint=f"--delimiter names what separates its columns, --no-quotes says that quotes are text; {KNOWN_SHAPES}",
        )
    best = candidates[0]
    if len(best.header) == 1 and delimiter is None:
        best = replace(best, delimiter=ONE_COLUMN)
    best = replace(best, lines_before=best.lines_before + source.head[:skipped].count(b"\n"))
    dialect = _dialect(source.head, best, columns, reading, encoding)
    sample = _sample(source.head, dialect)
    advice = _ONE_COLUMN_ADVICE if len(best.header) == 1 else None
    layout = layout_of(source.name, best.header, columns, sample, has_names=reading.header, advice=advice)
    if forced and not _can_be(forced, layout):
        raise InputRefused(
            f"{source.name} is not of the format {forced}",
            hint=f"its columns are {column_names(layout.header)}: try --format {TableHead(layout, dialect, []).shape}",
        )
    return TableHead(layout, dialect, sample)


def describe(source: Source, head: TableHead, shape: str, meaning: Meaning, encoding: str | None) -> str:
    """One line for a person: what kind of file it is, and which column is what."""
    dialect = head.dialect
    kind = _KINDS[shape] + _DELIMITERS.get(dialect.delimiter, f" separated by {dialect.delimiter!r}")
    phrases = [source.packed(kind)]
    phrases += [f"in {encoding}"] if encoding else []
    phrases += ["escaped as by COPY"] if dialect.escapes else []
    phrases += ["its quotes are text"] if dialect.quotes is Quotes.TEXT and not dialect.escapes else []
    tags = _sample_style(head, meaning) if "tags" in head.layout.parts else ""
    return f"{source.name}: {', '.join([*phrases, *part_phrases(head.layout, meaning, tags)])}"


def part_phrases(layout: Layout, meaning: Meaning, tags_written: str) -> list[str]:
    """For a person: which column is what, and how tags are written where it is known."""
    phrases = ["ids by row number"] if layout.rows_numbered else []
    for part, place in layout.parts.items():
        column = repr(layout.header[place]) if layout.header[place].strip() else "the unnamed first column"
        if part == "post_type":
            phrases.append(f"questions by {column}")
        elif part == "title" and meaning.html:
            phrases.append(f"title from {column} without the entities of HTML")
        elif part != "tags":
            phrases.append(f"{part} from {column}")
        elif layout.one_tag_per_row:
            phrases.append(f"one tag a row from {column}")
        else:
            phrases.append(f"tags from {column} {tags_written}".rstrip())
    return phrases


def sample_of_parts(head: TableHead, pick: Callable[[list[str], int], Fields]) -> list[Fields]:
    """The texts of the first records by their parts."""
    return [pick(list(fields), number) for number, fields in enumerate(head.sample, 1)]


def _headers(text: bytes, delimiters: str, columns: Columns) -> Iterator[_Candidate]:
    """The header by each of the delimiters, the one that makes most sense first."""
    found = [
        _Candidate(delimiter, tuple(header), lines)
        for delimiter in delimiters
        for lines, header in islice(_records(text, delimiter), 1)
    ]
    yield from sorted(found, key=lambda one: (len(find_parts(one.header, columns)), len(one.header)), reverse=True)


def _numbers(text: bytes, delimiters: str, columns: Columns) -> Iterator[_Candidate]:
    """Numbers for a header where there is none, as many as most of the first records have fields."""
    numbers = (int(chosen) for chosen in vars(columns).values() if chosen and re.fullmatch("[0-9]{1,6}", chosen))
    needed = max(numbers, default=1)

    def rank(delimiter: str) -> tuple[bool, bool, float, int]:
        width, share = widths[delimiter]
        return width >= needed, width > 1 and share > _LEAST_SHARE, share, width

    widths = {}
    for delimiter in delimiters:
        counts = Counter(len(fields) for _, fields in islice(_records(text, delimiter), _SAMPLE_SIZE))
        if counts:
            width, times = counts.most_common(1)[0]
            widths[delimiter] = width, times / counts.total()
    for delimiter in sorted(widths, key=rank, reverse=True):
        yield _Candidate(delimiter, tuple(str(number + 1) for number in range(widths[delimiter][0])), 0)


def _records(text: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The records that are not blank, as far as the text goes and is CSV, each with the number of its last line."""
    lines = (line.decode(errors="replace") for line in io.BytesIO(text))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        yield from ((reader.line_num, record) for record in reader if record)
    except csv.Error:
        return


def _dialect(head: bytes, best: _Candidate, columns: Columns, reading: Reading, encoding: str | None) -> Dialect:
    parts = find_parts(best.header, columns)
    dialect = Dialect(
        best.delimiter,
        len(best.header),
        lines_before=best.lines_before,
        id_column=None if columns.id == ROW_NUMBER else parts.get("id"),
        undecodable=Reason.NOT_IN_ENCODING if encoding else Reason.INVALID_UTF8,
    )
    if reading.quotes is not None:
        return replace(dialect, quotes=Quotes.ENCLOSING if reading.quotes else Quotes.TEXT)
    lines = _whole_lines(head)[best.lines_before :]
    if best.delimiter == "\t" and has_copys_nulls(lines):
        return replace(dialect, quotes=Quotes.TEXT, escapes=True)
    return replace(dialect, quotes=quotes_of(lines, dialect))


def _whole_lines(head: bytes) -> list[bytes]:
    lines = io.BytesIO(head).readlines()
    return lines[:-1] if len(head) >= _HEAD_SIZE else lines


def _sample(head: bytes, dialect: Dialect) -> list[list[str]]:
    """The fields of the first sound records."""
    source = Source(io.BytesIO(b"".join(_whole_lines(head))), "", None)
    return [content for _, _, content in csv_records(source, dialect) if isinstance(content, list)]


def _sample_style(head: TableHead, meaning: Meaning) -> str:
    """How the first tags of the file are written; nothing where the first records have no tags."""
    place = head.layout.parts["tags"]
    lists = (plain_list(fields[place]) for fields in head.sample[:_SAMPLE_SIZE])
    given = (text for text in lists if text and text not in meaning.missing["tags"])
    return next((style_of(text).value for text in given), "")


def _can_be(shape: str, layout: Layout) -> bool:
    if shape in ("csv", "tsv", layout.shape):
        return True
    if shape == "stacklite":
        return "tags" not in layout.parts
    return "tags" in layout.parts and not layout.one_tag_per_row
