"""Questions out of JSON: lines, arrays, and pages as the Stack Exchange API gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from tagdb.errors import InputRefused
from tagdb.formats.jsonlines import json_lines
from tagdb.formats.jsontext import parse
from tagdb.formats.jsonvalues import Taken, Value, json_values
from tagdb.formats.layout import find_parts
from tagdb.formats.meaning import Meaning, meaning_of
from tagdb.formats.named import SAMPLE_SIZE, ObjectFields, named_layout, recognised_as, with_chosen
from tagdb.formats.rows import ROW_NUMBER, Columns, Reading, Reason, Recognised, Record
from tagdb.formats.source import Source

JSON: Final = "json"
JSON_LINES: Final = "jsonl"

_BEGINNING = re.compile(rb"[ \t\r\n]*[\[{]")
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_COLON = re.compile(r"[ \t\r\n]*:[ \t\r\n]*")
_OBJECTS = re.compile(r"\[[ \t\r\n]*\{")
_NOTHING = re.compile(r"\[[ \t\r\n]*\]")
_USUAL_KEYS = ("items", "questions", "posts", "data", "results", "records", "rows")
_LINES_TRIED = 20
_SAMPLE_BYTES = 1024 * 1024
_SHAPES_HINT = (
    "known are objects one a line, an array of objects, and such arrays under one key; bring others to that with "
    "jq -c '.path.to.questions[]', or name the fields: --id-column, --title-column, --tags-column"
)


def is_json(head: bytes) -> bool:
    """Whether a file that begins so can only be JSON."""
    return _BEGINNING.match(head) is not None


def recognise_json(
    source: Source, forced: str | None, columns: Columns, reading: Reading, encoding: str | None
) -> tuple[Recognised, Iterator[Record], Meaning]:
    """How to read a source that is JSON, of the `forced` format or the one that it looks like.

    Raises:
        InputRefused: there are no objects, or not those of questions.
    """
    shape, key = _shape(source.head.decode(errors="surrogateescape").lstrip(), forced, columns)
    taken = Taken(source)
    values = json_lines(taken) if shape == JSON_LINES else json_values(taken, key)
    first = _first_values(values, taken)
    objects = [content for _, _, content in first if isinstance(content, dict)]
    _require_objects(source, first, objects)
    header = with_chosen(list(dict.fromkeys(name for content in objects for name in content)), columns)
    fields_of = ObjectFields(
        header,
        columns,
        between_blanks=reading.tags_separator is None,
        undecodable=Reason.NOT_IN_ENCODING if encoding else Reason.INVALID_UTF8,
    )
    sample = [fields for content in objects if not isinstance(fields := fields_of(content, 1), Reason)]
    layout = named_layout(source.name, header, columns, sample, _SHAPES_HINT)
    parts = {part: header[place] for part, place in layout.parts.items()}
    lists = any(isinstance(content.get(parts.get("tags", "")), list) for content in objects)
    meaning = meaning_of(sample, reading, from_html=lists and parts.get("id") == "question_id")
    kind = "JSON lines" if shape == JSON_LINES else f"JSON in pages of {key!r}" if key else "JSON"
    recognised = recognised_as(source, shape, kind, layout, sample, meaning, lists=lists)
    return recognised, _records(chain(first, values), fields_of), meaning


def _records(values: Iterator[Value], fields_of: ObjectFields) -> Iterator[Record]:
    for number, (line, raw, content) in enumerate(values, 1):
        yield line, raw, content if isinstance(content, Reason) else fields_of(content, number)


def _first_values(values: Iterator[Value], taken: Taken) -> list[Value]:
    first: list[Value] = []
    for value in values:
        first.append(value)
        if len(first) >= SAMPLE_SIZE or taken.count >= _SAMPLE_BYTES:
            break
    return first


def _require_objects(source: Source, first: list[Value], objects: list[dict[str, Any]]) -> None:
    if not objects:
        why = f": line {first[0][0]} is {first[0][2]}" if first and isinstance(first[0][2], Reason) else ""
        raise InputRefused(f"{source.name} is JSON without a record{why}", hint=_SHAPES_HINT)
    if len(first) == 1 and "id" in (parts := find_parts(list(objects[0]), Columns())):
        values = list(objects[0].values())
        if all(isinstance(values[place], dict | list) for place in parts.values()):
            raise InputRefused(
                f"{source.name} is JSON of columns, not of records",
                hint="write it as records: with pandas, to_json(path, orient='records', lines=True)",
            )


def _shape(head: str, forced: str | None, columns: Columns) -> tuple[str, str | None]:
    """The format of a text, and the key that its pages have their records under, if it is in pages."""
    if forced == JSON_LINES:
        return JSON_LINES, None
    if head.startswith("["):
        return JSON, None
    key = _page_key(_outline(head), columns)
    if key is not None or forced == JSON:
        return JSON, key
    lines = head.split("\n")
    if len(lines) == 1 or any(map(_is_object, lines[:_LINES_TRIED])):
        return JSON_LINES, None
    return JSON, None


def _outline(head: str) -> dict[str, re.Pattern[str] | None]:
    """The keys of the first object, as far as the text goes, with what it has there: objects, nothing, or else."""
    found: dict[str, re.Pattern[str] | None] = {}
    place = 1
    try:
        while True:
            name, place = parse(head, _end(_BETWEEN, head, place))
            place = _end(_COLON, head, place)
            found[str(name)] = next((kind for kind in (_OBJECTS, _NOTHING) if kind.match(head, place)), None)
            _, place = parse(head, place)
    except ValueError:
        return found


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.match(text, place)
    if found is None:
        raise ValueError
    return found.end()


def _page_key(outline: dict[str, re.Pattern[str] | None], columns: Columns) -> str | None:
    """The key of an object's array of records, unless the object is a record itself."""
    parts = find_parts([name for name, kind in outline.items() if kind is not _OBJECTS], columns).keys()
    if (parts & {"id"} or columns.id == ROW_NUMBER) and parts & {"title", "tags", "label"}:
        return None
    arrays = [name for name, kind in outline.items() if kind is _OBJECTS]
    arrays = arrays or [name for name, kind in outline.items() if kind is _NOTHING and name in _USUAL_KEYS]
    return next((name for name in _USUAL_KEYS if name in arrays), arrays[0] if arrays else None)


def _is_object(line: str) -> bool:
    try:
        value, end = parse(line)
    except ValueError:
        return False
    return isinstance(value, dict) and not line[end:].strip()
