"""How a table is written as text: what separates its fields, where its records begin, and what its quotes are."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Final

from tagdb.errors import UsageError
from tagdb.formats.rows import Reason, Unfit
from tagdb.formats.values import question_id

ONE_COLUMN: Final = "\x1f"
"""The delimiter of lines that are one field each: a character that no text has."""

_SPELT: Final = {"\\t": "\t", "tab": "\t", "TAB": "\t"}
_HEXADECIMAL = re.compile(r"\\x[0-9a-fA-F]{2}")
_NO_DELIMITERS: Final = '"\r\n\0'
_EXCELS_LINE = re.compile(rb"""\s*"?sep=(?P<delimiter>[^"\r\n]|\\t)"?\r?(?:\n|\Z)""", re.IGNORECASE)
_NULL_FIELD = re.compile(rb"(?:^|\t)\\N(?=\t|\r?$)", re.MULTILINE)


class Quotes(Enum):
    """What a quote at the beginning of a field is.

    ENCLOSING: the beginning of a field that goes on to the next quote. GUARDED: the same, except where that makes one
    record of several lines which each look like a record. DOUBTFUL: the same, but text where it cannot be that. TEXT:
    a letter like any other.
    """

    ENCLOSING = "enclosing"
    GUARDED = "guarded"
    DOUBTFUL = "doubtful"
    TEXT = "text"


@dataclass(frozen=True)
class Dialect:
    """How records are written.

    Attributes:
        delimiter: what stands between two fields.
        columns: how many fields a record has.
        quotes: what quotes are.
        lines_before: how many lines stand before the first record.
        id_column: the number of the column with the ids, None where the file has none.
        escapes: whether texts have the backslash escapes of COPY.
        undecodable: what is wrong with a record that is not UTF-8.
    """

    delimiter: str
    columns: int
    quotes: Quotes = Quotes.GUARDED
    lines_before: int = 0
    id_column: int | None = None
    escapes: bool = False
    undecodable: Reason = Reason.INVALID_UTF8

    def literal_fields(self, line: bytes) -> list[str] | None:
        """The fields of a line in which quotes are text, None where it is no record."""
        fields = line.decode(errors="replace").rstrip("\r\n").split(self.delimiter)
        if len(fields) != self.columns:
            return None
        if self.id_column is not None:
            try:
                question_id(fields[self.id_column].strip(' "'))
            except Unfit:
                return None
        return fields

    def holds_records(self, lines: list[bytes]) -> bool | None:
        """Whether the lines that quotes make one record are several; None where nobody can tell.

        A text of several lines hardly ever has just the delimiters that make its first and its last line look like
        records, with ids where ids belong.
        """
        if self.quotes not in (Quotes.GUARDED, Quotes.DOUBTFUL) or len(lines) < 2:
            return False
        if self.literal_fields(lines[0]) is None or self.literal_fields(lines[-1]) is None:
            return False
        if self.quotes is Quotes.DOUBTFUL:
            return self.columns > 1 or b'""' not in b"".join(lines)
        whole = all(self.literal_fields(line) is not None for line in lines[1:-1] if line.strip())
        if self.id_column is None:
            return None if whole and (self.columns > 2 or len(lines) > 2) else False
        return whole or None


def named_delimiter(name: str | None) -> str | None:
    r"""The delimiter of that name: one character as it is, the tab, or one such as `\x01`.

    Raises:
        UsageError: it is no character that can be one.
    """
    if name is None:
        return None
    delimiter = chr(int(name[2:], 16)) if _HEXADECIMAL.fullmatch(name) else _SPELT.get(name, name)
    if len(delimiter) != 1 or delimiter in _NO_DELIMITERS:
        raise UsageError(
            f"{name!r} cannot separate fields", hint="name one character: --delimiter ';', or '\\t' for the tab"
        )
    return delimiter


def excels_delimiter(head: bytes) -> tuple[str | None, int]:
    """What Excel's line `sep=;` says before the header, and how many bytes it takes."""
    found = _EXCELS_LINE.match(head)
    if found is None:
        return None, 0
    said = found["delimiter"].decode(errors="replace")
    return (_SPELT.get(said, said), found.end()) if said not in _NO_DELIMITERS else (None, 0)


def has_copys_nulls(lines: list[bytes]) -> bool:
    r"""Whether fields are `\N`, as PostgreSQL's COPY and MySQL write NULL, and no field is in quotes."""
    return _NULL_FIELD.search(b"".join(lines)) is not None and not any(
        _is_quoted(line, "\t") for line in lines if b'"' in line
    )


def quotes_of(lines: list[bytes], dialect: Dialect) -> Quotes:
    """What the quotes in a table's first lines are, below its header.

    Where commas separate the fields, a text with quotes in it was put in quotes; where tabs do, as a rule it was not.
    """
    one_column = dialect.delimiter == ONE_COLUMN
    if dialect.delimiter != "\t" and not (one_column and any(_has_bare_commas(line) for line in lines)):
        return Quotes.GUARDED
    stray = False
    for line, next_line in pairwise(filter(bytes.strip, lines)):
        if b'"' not in line or not _opens_quote(line, dialect.delimiter):
            continue
        if _is_quoted(line, dialect.delimiter, dialect.columns):
            return Quotes.DOUBTFUL
        if dialect.literal_fields(line) is None:
            return Quotes.DOUBTFUL  # the first line of a text of several
        stray = stray or dialect.literal_fields(next_line) is not None
    return Quotes.TEXT if stray else Quotes.DOUBTFUL


def _has_bare_commas(line: bytes) -> bool:
    return not line.startswith(b'"') and any(sign in line for sign in b",;\t|")


def _opens_quote(line: bytes, delimiter: str) -> bool:
    return any(field.startswith('"') for field in line.decode(errors="replace").split(delimiter))


def _is_quoted(line: bytes, delimiter: str, columns: int | None = None) -> bool:
    """Whether a line is a record with a field in quotes."""
    if not _opens_quote(line, delimiter):
        return False
    try:
        fields = next(csv.reader([line.decode(errors="replace")], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return False
    return columns is None or len(fields) == columns
