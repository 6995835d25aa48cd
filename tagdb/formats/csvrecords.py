"""Records out of CSV: the csv module splits the fields, this keeps line numbers and survives what is broken.

A record that breaks the rules of CSV (RFC 4180, with any delimiter) costs as little as can be: reading goes
on at the line after the one where it began, so that a quote which is never closed takes one line with it
and not the rest of the file.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import TypeAlias

from tagdb.formats.rows import RECORD_LIMIT, Reason
from tagdb.formats.source import Source

_BLOCK_SIZE = 64 * 1024
_REREAD_ALLOWANCE = 4 * RECORD_LIMIT

_CsvRecord: TypeAlias = tuple[int, bytes, list[str] | Reason]


def csv_records(source: Source, delimiter: str, columns: int) -> Iterator[_CsvRecord]:
    """Yield for each record its first line's number, that line, and its fields or what is wrong with it.

    The header is a record like any other; blank lines are none. A record is wrong that is not CSV, has
    another number of fields than `columns`, more than 16 MiB, a NUL byte, or bytes that are not UTF-8.
    Compressed data that ends early ends with a record that says so.
    """
    csv.field_size_limit(max(csv.field_size_limit(), RECORD_LIMIT))
    lines = _Lines(source)
    while block := lines.read_block():
        records = _parse_at_once(block, delimiter)
        if records is None:
            lines.ahead.extend(block)
            yield from _parse_one_by_one(lines, delimiter, columns)
            continue
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

    def __init__(self, source: Source) -> None:
        self.number = 0
        self.held: list[bytes] = []
        self.damage: Reason | None = None
        self.ahead: deque[bytes] = deque()
        self._held_bytes = 0
        self._source = source
        self._allowance = _REREAD_ALLOWANCE

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
            self.damage = self.damage or Reason.INVALID_UTF8
            return raw.decode(errors="replace")

    def begin_record(self) -> None:
        self.held.clear()
        self._held_bytes = 0
        self.damage = None

    def go_back(self) -> None:
        """Return to the line after the first of the record at hand."""
        again = self._held_bytes - len(self.held[0])
        if again <= self._allowance:
            self._allowance -= again
            self.ahead.extendleft(reversed(self.held[1:]))
            self.number -= len(self.held) - 1

    def _skip_rest_of_line(self) -> None:
        while (part := self._source.stream.readline(RECORD_LIMIT)) and not part.endswith(b"\n"):
            pass


def _parse_at_once(block: list[bytes], delimiter: str) -> list[list[str]] | None:
    """The fields of every line, or None unless each line is sound and a record of its own."""
    if len(block[-1]) > RECORD_LIMIT or any(b"\0" in line for line in block):
        return None
    try:
        records = list(csv.reader(map(bytes.decode, block), delimiter=delimiter, strict=True))
    except (csv.Error, UnicodeDecodeError):
        return None
    return records if len(records) == len(block) else None


def _parse_one_by_one(lines: _Lines, delimiter: str, columns: int) -> Iterator[_CsvRecord]:
    """Parse the lines ahead, and those that their last record goes on to, with care."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while lines.ahead:
        lines.begin_record()
        content = _next_record(reader)
        if not content:
            continue
        number, first = lines.number - len(lines.held) + 1, lines.held[0]
        if isinstance(content, list) and len(content) == columns:
            yield number, first, lines.damage or content
        else:
            wrong = content if isinstance(content, Reason) else lines.damage or Reason.WRONG_COLUMN_COUNT
            lines.go_back()
            yield number, first, wrong


def _next_record(reader: Iterator[list[str]]) -> list[str] | Reason:
    try:
        return next(reader)
    except csv.Error:
        return Reason.BROKEN_CSV
    except _RecordTooLong:
        return Reason.RECORD_TOO_LONG
