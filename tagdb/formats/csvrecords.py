"""Records out of CSV: the csv module splits the fields, this keeps line numbers and survives what is broken.

A record that breaks the rules of CSV (RFC 4180, with any delimiter) costs as little as can be: reading goes
on at the line after the one where it began, so that a quote which is never closed takes one line with it
and not the rest of the file. Where quotes may be text, two of them do not swallow the lines between.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import TypeAlias

from tagdb.formats.dialect import Dialect, Quotes
from tagdb.formats.rows import RECORD_LIMIT, Reason
from tagdb.formats.source import Source

_BLOCK_SIZE = 64 * 1024
_REREAD_ALLOWANCE = 4 * RECORD_LIMIT

_CsvRecord: TypeAlias = tuple[int, bytes, list[str] | Reason]


def csv_records(source: Source, dialect: Dialect) -> Iterator[_CsvRecord]:
    """Yield for each record its first line's number, that line, and its fields or what is wrong with it.

    Blank lines are no records. A record is wrong that is not CSV, has another number of fields than the dialect's,
    more than 16 MiB, a NUL byte, or bytes that are not UTF-8. Compressed data that ends early ends with a record
    that says so.
    """
    csv.field_size_limit(max(csv.field_size_limit(), RECORD_LIMIT))
    lines = _Lines(source, dialect)
    while block := lines.read_block():
        records = _parse_at_once(block, dialect)
        if records is None:
            lines.ahead.extend(block)
            yield from _parse_one_by_one(lines, dialect)
            continue
        columns = dialect.columns
        for number, (line, fields) in enumerate(zip(block, records, strict=True), lines.number + 1):
            if fields:
                yield number, line, fields if len(fields) == columns else Reason.WRONG_COLUMN_COUNT
        lines.number += len(block)
    if source.cut_short:
        yield lines.number + 1, b"", Reason.FILE_CUT_SHORT


class _RecordTooLong(Exception):
    pass


class _Lines:
    """The file's lines: in blocks, or decoded one by one for the csv module, with a way back.

    `number` is that of the last line handed out, `held` are the lines of the record at hand, `ahead` those
    that come next. Going back is paid from an allowance that grows with every new byte, so that even a
    hostile file is read about twice, and not once more for each of its lines.
    """

    def __init__(self, source: Source, dialect: Dialect) -> None:
        self.number = dialect.lines_before
        self.held: list[bytes] = []
        self.damage: Reason | None = None
        self.ahead: deque[bytes] = deque()
        self._held_bytes = 0
        self._source = source
        self._undecodable = dialect.undecodable
        self._allowance = _REREAD_ALLOWANCE
        for _ in range(dialect.lines_before):
            self._skip_rest_of_line()

    def read_block(self) -> list[bytes]:
        """Some more lines, whole; only the beginning of one over the limit, nothing of one cut short."""
        stream = self._source.stream
        block = stream.read(_BLOCK_SIZE)
        tail = b"" if block.endswith(b"\n") else stream.readline(RECORD_LIMIT + 1)
        lines = io.BytesIO(block + tail).readlines()
        self._allowance += len(block) + len(tail)
        if lines and not lines[-1].endswith(b"\n"):
            if len(tail) > RECORD_LIMIT:
                self._skip_rest_of_line()
            elif self._source.cut_short:
                lines.pop()
        return lines

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self.ahead:
            self.ahead.extend(self.read_block())
            if not self.ahead:
                raise StopIteration
        raw = self.ahead.popleft()
        self.number += 1
        self.held.append(raw)
        self._held_bytes += len(raw)
        if self._held_bytes > RECORD_LIMIT:
            raise _RecordTooLong
        if b"\0" in raw:
            self.damage = Reason.NUL_BYTE
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.damage = self.damage or self._undecodable
            return raw.decode(errors="replace")

    def begin_record(self) -> None:
        self.held.clear()
        self._held_bytes = 0
        self.damage = None

    def go_back(self) -> bool:
        """Return to the line after the first of the record at hand; whether the allowance was enough for that."""
        again = self._held_bytes - len(self.held[0])
        if again > self._allowance:
            return False
        self._allowance -= again
        self.ahead.extendleft(reversed(self.held[1:]))
        self.number -= len(self.held) - 1
        return True

    def next_line(self) -> bytes:
        """The next line that is not blank, which stays to be read; empty at the end."""
        if not any(map(bytes.strip, self.ahead)):
            self.ahead.extend(self.read_block())
        return next(filter(bytes.strip, self.ahead), b"")

    def _skip_rest_of_line(self) -> None:
        while (part := self._source.stream.readline(RECORD_LIMIT)) and not part.endswith(b"\n"):
            pass


def _parse_at_once(block: list[bytes], dialect: Dialect) -> list[list[str]] | None:
    """The fields of every line, or None unless each line is sound and a record of its own."""
    if len(block[-1]) > RECORD_LIMIT or any(b"\0" in line for line in block):
        return None
    try:
        records = list(_csv_reader(map(bytes.decode, block), dialect))
    except (csv.Error, UnicodeDecodeError):
        return None
    return records if len(records) == len(block) else None


def _csv_reader(lines: Iterator[str], dialect: Dialect) -> Iterator[list[str]]:
    if dialect.quotes is Quotes.TEXT:
        return csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE, strict=True)
    return csv.reader(lines, delimiter=dialect.delimiter, strict=True)


def _parse_one_by_one(lines: _Lines, dialect: Dialect) -> Iterator[_CsvRecord]:
    """Parse the lines ahead, and those that their last record goes on to, with care."""
    reader = _csv_reader(lines, dialect)
    while lines.ahead:
        lines.begin_record()
        if content := _next_record(reader):
            number, first = lines.number - len(lines.held) + 1, lines.held[0]
            yield number, first, _judged(lines, dialect, content)


def _next_record(reader: Iterator[list[str]]) -> list[str] | Reason:
    try:
        return next(reader)
    except csv.Error:
        return Reason.BROKEN_CSV
    except _RecordTooLong:
        return Reason.RECORD_TOO_LONG


def _judged(lines: _Lines, dialect: Dialect, content: list[str] | Reason) -> list[str] | Reason:
    """The record at hand, or what is wrong with it: then reading goes on at the line after its first."""
    is_whole = isinstance(content, list) and len(content) == dialect.columns
    holds_records = dialect.holds_records(lines.held) if is_whole else False
    if isinstance(content, list) and is_whole and holds_records is False:
        return lines.damage or content
    if holds_records is None:
        return Reason.STRAY_QUOTE
    first = lines.held[0]
    if holds_records:
        wrong = Reason.STRAY_QUOTE
    else:
        wrong = content if isinstance(content, Reason) else lines.damage or Reason.WRONG_COLUMN_COUNT
    if lines.go_back() and dialect.quotes is Quotes.DOUBTFUL:
        following = b"" if holds_records else lines.next_line()
        if not following or dialect.literal_fields(following):
            return _literal(first, dialect) or wrong
    return wrong


def _literal(line: bytes, dialect: Dialect) -> list[str] | Reason | None:
    """The fields of a line in which quotes are text, None where they are not the right number."""
    fields = dialect.literal_fields(line)
    if fields is None or b"\r" in line.rstrip(b"\r\n"):
        return None
    if b"\0" in line:
        return Reason.NUL_BYTE
    try:
        line.decode()
    except UnicodeDecodeError:
        return dialect.undecodable
    return fields
