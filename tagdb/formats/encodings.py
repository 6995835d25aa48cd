"""Text in any encoding becomes UTF-8 with line feeds as it streams by, so that all readers know only that."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from typing import Any, Final

from tagdb.errors import InputRefused, UsageError
from tagdb.formats.rows import excerpt
from tagdb.formats.source import Source

_CHUNK_SIZE = 64 * 1024
_BUFFER_SIZE = 128 * 1024
_HEAD_SIZE = 64 * 1024
_MARKED: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_FOR_FILES: Final = ("idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape")
_UNDECODABLE = "tagdb.undecodable"
_FOREIGN_SHARE = 4

codecs.register_error(_UNDECODABLE, lambda error: ("\udcff", getattr(error, "end", 0)))


def decode(source: Source, encoding: str | None) -> str | None:
    """Let a source that nothing is read of yield UTF-8 and line feeds; return its encoding where it is another.

    The encoding is the named one, or UTF-16 or UTF-32 by their byte-order marks. Bytes that it lacks come out as bytes
    that are not UTF-8 either: the record they stand in shows what is wrong, and no other is harmed.

    Raises:
        UsageError: there is no encoding of that name.
    """
    marked = next((name for mark, name in _MARKED if source.head.startswith(mark)), None)
    name = _known(encoding) if encoding else marked
    if marked and name and not name.startswith((marked, "utf-32" if marked == "utf-16" else marked)):
        raise InputRefused(
            f"{source.name} begins as {marked} does, and is not in {encoding}",
            hint="leave --encoding out, or name it for the other files alone",
        )
    if name == "utf-8":
        name = None
    if name:
        unmarked = name in ("utf-16", "utf-32") and marked is None
        order = ("-be" if source.head.startswith(b"\0") else "-le") if unmarked else ""
        _restream(source, _Decoding(source, name + order).read)
    if b"\r" in source.head and b"\n" not in source.head:
        _restream(source, _LineFeeds(source).read)
    return name


def require_text(source: Source, encoding: str | None) -> None:
    """Refuse a file whose beginning is text in another encoding than it is read in.

    A damaged line is a bad record among others; where it is one of four, the lines are not damaged.

    Raises:
        InputRefused: its first line or many of the first lines are not in the encoding.
    """
    first, *others = _whole_lines(source.head)
    said = encoding or "UTF-8"
    if not _is_utf8(first):
        raise InputRefused(
            f"{source.name} does not begin with {said} text, but with: {excerpt(first)}", hint=_advice(encoding)
        )
    foreign = [line for line in others if not _is_utf8(line)]
    sound = sum(1 for line in others if not line.isascii()) - len(foreign)
    if len(foreign) > sound and len(foreign) * _FOREIGN_SHARE >= sum(1 for line in others if line.strip()):
        raise InputRefused(f"{source.name} is not in {said}; a line is: {excerpt(foreign[0])}", hint=_advice(encoding))


def _advice(encoding: str | None) -> str:
    if encoding:
        return "name the encoding it is in, such as --encoding cp1252"
    return "name its encoding, such as --encoding cp1252, or convert it first: iconv -f CP1252 -t UTF-8"


def _whole_lines(head: bytes) -> list[bytes]:
    """The lines of a file's head; the last, which may end within a character, only where it is the only one."""
    lines = head.split(b"\n")
    if len(head) >= _HEAD_SIZE:
        return lines[:-1] if len(lines) > 1 else [head[: -len("\U0010ffff".encode())]]
    return lines


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _known(encoding: str) -> str:
    """Python's own name of the encoding."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # which knows that some codecs are not of text
        codecs.getincrementaldecoder(name)(_UNDECODABLE).decode(b"")
    except (LookupError, ValueError, TypeError):
        name = ""
    if not name or name.replace("-", "_") in _NOT_FOR_FILES:
        raise UsageError(
            f"no encoding of text is called {encoding!r}",
            hint="Python knows utf-8, utf-16, cp1252, latin-1, cp1251, gb18030, shift_jis and many more",
        )
    return name


def _restream(source: Source, read: Callable[[], bytes]) -> None:
    source.stream = io.BufferedReader(_Filled(read), _BUFFER_SIZE)
    source.head = source.stream.peek()[:_HEAD_SIZE]


class _Decoding:
    """A stream's bytes in one encoding, chunk by chunk in UTF-8."""

    def __init__(self, source: Source, encoding: str) -> None:
        self._stream = source.stream
        self._decoder = codecs.getincrementaldecoder(encoding)(_UNDECODABLE)
        self._begun = self._ended = False

    def read(self) -> bytes:
        """Some of the text; nothing at its end."""
        while not self._ended:
            chunk = self._stream.read(_CHUNK_SIZE)
            self._ended = not chunk
            text = self._decoder.decode(chunk, self._ended)
            if text and not self._begun:
                text, self._begun = text.removeprefix("\ufeff"), True
            if text:
                return text.encode("utf-8", "surrogatepass")
        return b""


class _LineFeeds:
    """A stream whose lines end with carriage returns alone, as files of old Macs do."""

    def __init__(self, source: Source) -> None:
        self._stream = source.stream

    def read(self) -> bytes:
        """Some of the text; nothing at its end."""
        return self._stream.read(_CHUNK_SIZE).replace(b"\r", b"\n")


class _Filled(io.RawIOBase):
    """Fills every buffer to the brim, so that one `peek` sees all that there is."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        super().__init__()
        self._read = read
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        filled = 0
        while filled < len(buffer) and (self._rest or self._refill()):
            part, self._rest = self._rest[: len(buffer) - filled], self._rest[len(buffer) - filled :]
            buffer[filled : filled + len(part)] = part
            filled += len(part)
        return filled

    def _refill(self) -> bool:
        self._rest = self._read()
        return bool(self._rest)
