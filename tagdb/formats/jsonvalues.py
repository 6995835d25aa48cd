"""Objects out of JSON: the elements of an array, of the arrays in pages, or objects one after the other.

A value that is not sound costs itself, where it can be told where the next one begins: values that each begin a
line are found by that, others by brackets and quotes. Where it cannot, the last bad row says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from tagdb.formats.jsontext import JsonText, Marker, parse
from tagdb.formats.rows import Reason
from tagdb.formats.source import Source

Value: TypeAlias = tuple[int, bytes, dict[str, Any] | Reason]
"""The number of a value's first line, its first bytes, and the object or what is wrong with it."""

_AFTER_ELEMENT = ("", ",", "]")
_AFTER_VALUE = ("", "[", "{")


class _Unsound(Exception):
    """A value in line `line` that begins with `raw` cannot be gone past."""

    def __init__(self, line: int, raw: bytes) -> None:
        super().__init__()
        self.line = line
        self.raw = raw


class _Broken(_Unsound):
    """It cannot be told where the next value begins."""


class _CutShort(_Unsound):
    """The text ends within the value."""


class Taken:
    """A source's bytes, counted as they are taken."""

    def __init__(self, source: Source) -> None:
        self.count = 0
        self._source = source

    @property
    def cut_short(self) -> bool:
        """Whether the source was, as far as it is read."""
        return self._source.cut_short

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end."""
        chunk = self._source.stream.read(size)
        self.count += len(chunk)
        return chunk

    def readline(self, limit: int) -> bytes:
        """The rest of a line, or the first `limit` bytes of it."""
        line = self._source.stream.readline(limit)
        self.count += len(line)
        return line


def json_values(source: Taken, key: str | None) -> Iterator[Value]:
    """Yield every object of a file: each element of an array, and of the array that pages have under `key`.

    Without a key, objects outside of arrays are yielded themselves. Any number of arrays, pages or objects may
    follow each other. What is no object, not sound or over 16 MiB is wrong, and so is a page without such an array; a
    file cut short ends with a value that says so.
    """
    text = JsonText(source)
    marker = None
    while sign := text.next_sign():
        marker = marker or text.outer_marker()
        try:
            if sign == "[":
                yield from _elements(text)
            elif sign == "{" and key is not None:
                yield from _page(text, key)
            else:
                yield _next_object(text, marker, _AFTER_VALUE)
        except _CutShort as unsound:
            ended = text.text.rstrip().endswith("]" if sign == "[" else "}") and not source.cut_short
            yield unsound.line, unsound.raw, Reason.BROKEN_JSON_REST if ended else Reason.FILE_CUT_SHORT
            return
        except _Broken as unsound:
            if marker is None or not text.go_to_next(marker):
                yield unsound.line, unsound.raw, Reason.BROKEN_JSON_REST
                return
            yield unsound.line, unsound.raw, Reason.BROKEN_JSON
    if source.cut_short:
        yield text.line, b"", Reason.FILE_CUT_SHORT


def _elements(text: JsonText) -> Iterator[Value]:
    """The elements of the array that begins at the text's place."""
    text.go_to(text.place + 1)
    marker, is_first = None, True
    while _sign(text, past_commas=True) != "]":
        if is_first:
            marker, is_first = text.marker(), False
        yield _next_object(text, marker, _AFTER_ELEMENT)
    text.go_to(text.place + 1)


def _page(text: JsonText, key: str) -> Iterator[Value]:
    """The elements of the array that the object at the text's place has under a key."""
    line, raw = text.line, text.raw()
    has_records = False
    text.go_to(text.place + 1)
    while _sign(text, past_commas=True) != "}":
        name = _go_past_key(text)
        if _sign(text) == "[" and name == key:
            has_records = True
            yield from _elements(text)
        else:
            _go_past_value(text)
    text.go_to(text.place + 1)
    if not has_records:
        yield line, raw, Reason.NO_RECORDS


def _sign(text: JsonText, *, past_commas: bool = False) -> str:
    """The next character that is no white space, where the text may not end."""
    sign = text.next_sign(past_commas=past_commas)
    if not sign:
        raise _CutShort(text.line, b"")
    return sign


def _go_past_key(text: JsonText) -> str:
    line, raw = text.line, text.raw()
    if _sign(text) != '"':
        raise _Broken(line, raw)
    end = text.find_end()
    if end is None:
        raise (_CutShort if text.at_end else _Broken)(line, raw)
    try:
        name, _ = parse(text.text, text.place)
    except ValueError:
        raise _Broken(line, raw) from None
    text.go_to(end)
    if _sign(text) != ":":
        raise _Broken(line, raw)
    text.go_to(text.place + 1)
    return str(name)


def _go_past_value(text: JsonText) -> None:
    line, raw = text.line, text.raw()
    end = text.find_end()
    if end == text.place:
        raise _Broken(line, raw)
    if end is not None:
        text.go_to(end)
    elif not text.skip():
        raise _CutShort(line, raw)


def _next_object(text: JsonText, marker: Marker | None, followers: tuple[str, ...]) -> Value:
    """Go past the value at the text's place, sound or not, and return it."""
    line = text.line
    try:
        value, end = text.value()
    except ValueError:
        return _doubtful_object(text, marker, followers)
    raw = text.raw(end)
    text.go_to(end)
    return line, raw, value if isinstance(value, dict) else Reason.NOT_AN_OBJECT


def _doubtful_object(text: JsonText, marker: Marker | None, followers: tuple[str, ...]) -> Value:
    """Go past a value that is large, or broken.

    Where the values begin lines of their own, the next of them bounds the search for this one's end: so no text is
    searched more than about twice, be it ever so broken.
    """
    line = text.line
    following = text.find(marker) if marker else None
    end = text.find_end(following)
    raw = text.raw(end)
    if end is None and following is None:
        if text.at_end or not text.skip():
            raise _CutShort(line, raw)
        return line, raw, Reason.RECORD_TOO_LONG
    value = _sound_value(text, end)
    if value is not Reason.BROKEN_JSON:
        assert end is not None
        text.go_to(end)
        return line, raw, value
    if following is not None:
        text.go_to(following)
    else:
        if end is None or end == text.place:
            raise _Broken(line, raw)
        text.go_to(end)
        if text.next_sign() not in followers:
            raise _Broken(line, raw)
    return line, raw, Reason.BROKEN_JSON


def _sound_value(text: JsonText, end: int | None) -> dict[str, Any] | Reason:
    if end is None:
        return Reason.BROKEN_JSON
    try:
        value, found = parse(text.text, text.place)
    except ValueError:
        return Reason.BROKEN_JSON
    if found != end:
        return Reason.BROKEN_JSON
    return value if isinstance(value, dict) else Reason.NOT_AN_OBJECT
