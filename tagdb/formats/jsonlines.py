"""JSON lines: an object a line, and a line that is broken costs no other."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from tagdb.formats.jsontext import EXCERPT_SIZE, parse
from tagdb.formats.jsonvalues import Taken, Value
from tagdb.formats.rows import RECORD_LIMIT, Reason

_BLOCK_SIZE = 64 * 1024
_AROUND = "\ufeff \t\r\n"


def json_lines(source: Taken) -> Iterator[Value]:
    """Yield the object of every line that is not blank.

    A line is wrong that is no object, not sound or over 16 MiB; a file cut short ends with a value that says so.
    """
    number = 0
    while lines := _next_lines(source):
        for line in lines:
            number += 1
            content = _content(line)
            if content is not None:
                yield number, line[:EXCERPT_SIZE], content
    if source.cut_short:
        yield number + 1, b"", Reason.FILE_CUT_SHORT


def _next_lines(source: Taken) -> list[bytes]:
    """Some more lines, whole; only the beginning of one over the limit, nothing of one in damaged compression."""
    block = source.read(_BLOCK_SIZE)
    tail = b"" if block.endswith(b"\n") else source.readline(RECORD_LIMIT + 1)
    lines = io.BytesIO(block + tail).readlines()
    if lines and not lines[-1].endswith(b"\n"):
        if len(tail) > RECORD_LIMIT:
            while (part := source.readline(RECORD_LIMIT)) and not part.endswith(b"\n"):
                pass
        elif source.cut_short:
            lines.pop()
    return lines


def _content(line: bytes) -> dict[str, Any] | Reason | None:
    """The object of a line or what is wrong with it, None for a blank line."""
    if len(line) > RECORD_LIMIT:
        return Reason.RECORD_TOO_LONG
    text = line.decode(errors="surrogateescape")
    try:
        value, end = parse(text)
    except ValueError:
        return _content_with_care(text.strip(_AROUND), is_whole=text.endswith("\n"))
    if text[end:] != "\n" and text[end:].strip(_AROUND):
        return Reason.BROKEN_JSON
    return value if type(value) is dict else Reason.NOT_AN_OBJECT


def _content_with_care(text: str, *, is_whole: bool) -> dict[str, Any] | Reason | None:
    if not text:
        return None
    try:
        value, end = parse(text)
    except ValueError:
        is_cut = text[0] == "{" and not is_whole and not text.endswith("}")
        return Reason.FILE_CUT_SHORT if is_cut else Reason.BROKEN_JSON
    if end != len(text):
        return Reason.BROKEN_JSON
    return value if isinstance(value, dict) else Reason.NOT_AN_OBJECT
