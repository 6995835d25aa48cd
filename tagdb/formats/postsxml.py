"""Posts out of a data dump's Posts.xml, one `<row .../>` at a time.

The file is never one XML document here. It is cut into its row elements, and each is parsed alone: a
damaged row harms no other, and as no document type declaration is ever parsed, no entity is defined, let
alone expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from xml.parsers import expat

from tagdb.formats.rows import RECORD_LIMIT, Fields, Reason, Record
from tagdb.formats.source import Source

ROOT: Final = "posts"

_CHUNK_SIZE = 256 * 1024
_ROW = re.compile(rb"row[\s/>]")
_END = re.compile(rb"/posts\s*>|posts\s*/>")


def post_records(source: Source) -> Iterator[Record]:
    """Yield every row, whatever the type of its post; a file cut short ends with a record that says so.

    The attributes are those of the data dump's schema (https://meta.stackexchange.com/questions/2677): Id,
    Title, Tags, CreationDate and PostTypeId. A row is wrong that is not well-formed or over 16 MiB.
    """
    in_comment = ended = False
    line, element = 1, b""
    for line, piece, is_last in _pieces(source):
        element = b"<" + piece
        if in_comment or piece.startswith(b"!--"):
            in_comment = b"-->" not in piece
        elif _ROW.match(piece):
            content = _fields(element)
            if not (is_last and isinstance(content, Reason)):
                yield line, element, content
        else:
            ended = ended or _END.match(piece) is not None
    if source.cut_short or not ended:
        yield line, element, Reason.FILE_CUT_SHORT


def _pieces(source: Source) -> Iterator[tuple[int, bytes, bool]]:
    """(line number, bytes, whether it is the last) of what lies between one `<` and the next.

    An attribute may hold a `>` but never a `<`: this never cuts a well-formed row, and always ends a broken
    one.
    """
    line, rest = 1, b""
    while chunk := source.stream.read(_CHUNK_SIZE):
        *pieces, rest = (rest + chunk).split(b"<")
        if len(rest) > RECORD_LIMIT:
            pieces.append(rest)
            rest = b" "
        for piece in pieces:
            yield line, piece, False
            line += piece.count(b"\n")
    yield line, rest, True


def _fields(element: bytes) -> Fields | Reason:
    if len(element) > RECORD_LIMIT:
        return Reason.RECORD_TOO_LONG
    attributes: dict[str, str] = {}
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = lambda _, found: attributes.update(found)
    try:
        parser.Parse(element if element.rstrip().endswith(b"/>") else element + b"</row>", True)
    except expat.ExpatError:
        return _fault(element)
    get = attributes.get
    return (
        get("Id", ""),
        get("Title", ""),
        get("Tags", ""),
        "",
        get("CreationDate", ""),
        get("PostTypeId", ""),
    )


def _fault(element: bytes) -> Reason:
    if b"\0" in element:
        return Reason.NUL_BYTE
    try:
        element.decode()
    except UnicodeDecodeError:
        return Reason.INVALID_UTF8
    return Reason.BROKEN_XML
