"""JSON as it comes off a stream: a window of text that moves on value by value, whatever the size of the file."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tagdb.formats.rows import RECORD_LIMIT

EXCERPT_SIZE: Final = 320
ENCLOSING: Final = '{["'

_CHUNK_SIZE = 256 * 1024
_LARGEST_STEP = 4 * 1024 * 1024
_LOOKBACK = 200
_KEPT = 16 * 1024
_BLANKS = re.compile(r"[ \t\r\n]*")
_BLANKS_AND_COMMAS = re.compile(r"[ \t\r\n,]*")
_SCALAR = re.compile(r"[^ \t\r\n,\[\]{}]*")
_BRACKET_OR_QUOTE = re.compile(r'["\[\]{}]')
_QUOTE_OR_ESCAPE = re.compile(r'["\\]')
_FIRST_KEY = re.compile(r'\{[ \t\r\n]*"(?:[^"\\\n]|\\.)*"')


def _constant(text: str) -> str:
    """A number that is missing, as data frames write it, is nothing; those beyond all others stay as they are."""
    return "" if text == "NaN" else text


_decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_constant, strict=False)


def parse(text: str, place: int = 0) -> tuple[Any, int]:
    """The JSON value at a place, with its numbers as texts, and where it ends.

    Raises:
        ValueError: no whole value stands there, or one that lies too deep in others.
    """
    try:
        return _decoder.raw_decode(text, place)
    except RecursionError as error:
        raise ValueError from error


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Marker:
    """How the values of a list begin that each begin a line of their own: `text`, from the `offset` on their own."""

    text: str
    offset: int


class _Brackets:
    """Looks for the end of a value by brackets and quotes alone, through as many windows as it takes."""

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = self._escaped = False

    def end_in(self, text: str, at: int, stop: int) -> int | None:
        """Where the value ends that goes on at `at`, if that is before `stop`."""
        while at < stop:
            if self._escaped:
                self._escaped = False
                at += 1
                continue
            found = (_QUOTE_OR_ESCAPE if self._quoted else _BRACKET_OR_QUOTE).search(text, at, stop)
            if found is None:
                return None
            at, sign = found.end(), found[0]
            self._take(sign)
            if self._depth <= 0 and not self._quoted:
                return at
        return None

    def _take(self, sign: str) -> None:
        if sign == "\\":
            self._escaped = True
        elif sign == '"':
            self._quoted = not self._quoted
        else:
            self._depth += 1 if sign in "[{" else -1


class JsonText:
    """The text of a stream from `place` on, which is in line `line`. Bytes that are not UTF-8 become surrogates."""

    def __init__(self, stream: _Stream) -> None:
        self.text = ""
        self.place = 0
        self.line = 1
        self.at_end = False
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._brackets = _Brackets()

    def grow(self) -> bool:
        """Read on and forget what lies well before `place`; False, and no change, when there is no more."""
        size = min(max(_CHUNK_SIZE, len(self.text) - self.place), _LARGEST_STEP)
        more = ""
        while not (more or self.at_end):
            chunk = self._stream.read(size)
            self.at_end = not chunk
            more = self._decoder.decode(chunk, final=self.at_end)
        if more:
            self._forget()
            self.text += more
        return bool(more)

    def go_to(self, place: int) -> None:
        """Leave behind what lies before a place."""
        self.line += self.text.count("\n", self.place, place)
        self.place = place

    def next_sign(self, *, past_commas: bool = False) -> str:
        """Go past white space, and commas; the character there, or nothing at the end."""
        pattern = _BLANKS_AND_COMMAS if past_commas else _BLANKS
        while True:
            found = pattern.match(self.text, self.place)
            assert found is not None
            self.go_to(found.end())
            if self.place < len(self.text):
                return self.text[self.place]
            if not self.grow():
                return ""

    def raw(self, end: int | None = None) -> bytes:
        """The first bytes from `place` on, as they stood in the file."""
        last = self.place + EXCERPT_SIZE
        return self.text[self.place : last if end is None else min(end, last)].encode(errors="surrogateescape")

    def value(self) -> tuple[Any, int]:
        """The value at `place`, and where it ends; in `place` stands no white space.

        Raises:
            ValueError: it is not sound, or does not end within about 256 KiB.
        """
        if self.text[self.place] not in ENCLOSING:
            self._end_of_scalar()
            return parse(self.text, self.place)
        if self.place > _KEPT:  # to say where a value is wrong, the decoder counts the lines before it
            self._forget()
        try:
            return parse(self.text, self.place)
        except ValueError:
            if len(self.text) - self.place > _CHUNK_SIZE or not self.grow():
                raise
            return parse(self.text, self.place)

    def find_end(self, before: int | None = None) -> int | None:
        """Where the value at `place` ends, be it sound or not; None if that is not found.

        It is not looked for beyond a place `before`, if that is given (the window then stays as it is), nor beyond
        what a record may have. In the latter case `skip` goes on with the search.
        """
        if self.text[self.place] not in ENCLOSING:
            return self._end_of_scalar()
        self._brackets = _Brackets()
        if before is not None:
            return self._brackets.end_in(self.text, self.place, before)
        searched = 0
        while (end := self._brackets.end_in(self.text, self.place + searched, len(self.text))) is None:
            searched = len(self.text) - self.place
            if searched > RECORD_LIMIT or not self.grow():
                break
        return end

    def skip(self) -> bool:
        """Go past the value whose end `find_end` did not find; False if the text ends first."""
        self.go_to(len(self.text))
        while self.grow():
            end = self._brackets.end_in(self.text, self.place, len(self.text))
            if end is not None:
                self.go_to(end)
                return True
            self.go_to(len(self.text))
        return False

    def marker(self) -> Marker | None:
        """How the object at `place` begins, if it begins a line."""
        self._look_ahead()
        found = _FIRST_KEY.match(self.text, self.place, self.place + _LOOKBACK)
        line_end = self.text.rfind("\n", max(0, self.place - _LOOKBACK), self.place)
        if found is None or line_end < 0 or self.text[line_end : self.place].strip():
            return None
        return Marker(self.text[line_end : self.place] + found[0], self.place - line_end)

    def outer_marker(self) -> Marker | None:
        """How further values would begin a line that begin as the array or object at `place`."""
        self._look_ahead()
        found = _FIRST_KEY.match(self.text, self.place, self.place + _LOOKBACK)
        beginning = found[0] if found else "["
        return Marker("\n" + beginning, 1) if self.text.startswith(beginning, self.place) else None

    def find(self, marker: Marker) -> int | None:
        """Where the next value after `place` begins like others, no further away than a record may be long."""
        searched = 1
        while (at := self.text.find(marker.text, self.place + searched)) < 0:
            searched = max(1, len(self.text) - self.place - len(marker.text))
            if searched > RECORD_LIMIT or not self.grow():
                return None
        return at + marker.offset

    def go_to_next(self, marker: Marker) -> bool:
        """Go to the next value that begins like others, however far away; False if there is none."""
        while (at := self.text.find(marker.text, self.place + 1)) < 0:
            self.go_to(max(self.place, len(self.text) - len(marker.text)))
            if not self.grow():
                return False
        self.go_to(at + marker.offset)
        return True

    def _forget(self) -> None:
        """Drop what lies well before `place`."""
        start = max(0, self.place - _LOOKBACK)
        self.text = self.text[start:]
        self.place -= start

    def _look_ahead(self) -> None:
        while len(self.text) - self.place < _LOOKBACK and self.grow():
            pass

    def _end_of_scalar(self) -> int:
        while True:
            found = _SCALAR.match(self.text, self.place)
            assert found is not None
            too_long = found.end() - self.place > RECORD_LIMIT
            if found.end() < len(self.text) or too_long or not self.grow():
                return found.end()
