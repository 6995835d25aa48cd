"""Records whose fields have names, as objects of JSON and rows of Parquet do, and what they turn out to hold."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from tagdb.formats.layout import Layout, find_parts, layout_of
from tagdb.formats.meaning import Meaning
from tagdb.formats.rows import (
    NO_COLUMN,
    PARTS,
    QUESTION_POST_TYPE,
    ROW_NUMBER,
    Columns,
    Fields,
    Reason,
    Recognised,
    Unfit,
)
from tagdb.formats.source import Source
from tagdb.formats.tablehead import part_phrases
from tagdb.formats.taglists import as_field, style_of

SAMPLE_SIZE: Final = 1000

_NAME_THEM = "name the columns: --id-column and --title-column or --tags-column"
_KNOWN_NAMES = 10_000
_NO_NAMES: Final = (NO_COLUMN, ROW_NUMBER)


def named_layout(
    name: str, header: Sequence[str], columns: Columns, sample: Sequence[Fields], advice: str = _NAME_THEM
) -> Layout:
    """The layout of records with fields of these names, of which `sample` are the first; `advice` if none is known.

    Raises:
        InputRefused: a field is missing that is needed or chosen, or the records are not those of questions.
    """
    parts = find_parts(header, columns)
    places = {place: PARTS.index(part) for part, place in parts.items()}
    in_order = [[record[places[at]] if at in places else "" for at in range(len(header))] for record in sample]
    return layout_of(name, header, columns, in_order, advice=advice)


def recognised_as(
    source: Source, shape: str, kind: str, layout: Layout, sample: Sequence[Fields], meaning: Meaning, *, lists: bool
) -> Recognised:
    """What a file of a shape is, by its first records; `lists` says that its tags are not in one text."""
    provides = layout.provides if meaning.can_read_a_date(sample) else layout.provides - {"created_at"}
    texts = (record[PARTS.index("tags")].strip() for record in sample)
    tags = next((text for text in texts if text and text not in meaning.missing["tags"]), "")
    written = "as lists" if lists else style_of(tags).value if tags else ""
    phrases = [source.packed(kind), *part_phrases(layout, meaning, written)]
    return Recognised(shape, source.compressed, f"{source.name}: {', '.join(phrases)}", provides)


class ObjectFields:
    """Picks the texts of an object's parts; numbers are texts already, as they are written in the file.

    Fields that play no part are ignored, but not a field of a part that the header, made of the first objects' fields,
    lacks: leaving it out of some objects only would be a loss that nobody sees.
    """

    def __init__(self, header: Sequence[str], columns: Columns, *, between_blanks: bool, undecodable: Reason) -> None:
        self._columns = columns
        self._parts = find_parts(header, columns)
        self._known = set(header)
        self._between_blanks = between_blanks
        self._undecodable = undecodable
        readings = {"id": _id, "tags": self._tags, "created_at": _time}
        self._readings = [
            (PARTS.index(part), header[place], readings.get(part, _text)) for part, place in self._parts.items()
        ]
        self._absent = ["", "", "", "", "", "" if "post_type" in self._parts else QUESTION_POST_TYPE]

    def __call__(self, record: dict[str, Any], number: int) -> Fields | Reason:
        """The texts of one object, or what is wrong with it; `number` counts the objects from 1."""
        if not self._known.issuperset(record) and self._has_late_part(record):
            return Reason.LATE_COLUMN
        fields = self._absent.copy()
        if "id" not in self._parts:
            fields[0] = str(number)
        try:
            for at, name, text_of in self._readings:
                value = record.get(name)
                fields[at] = value if type(value) is str else text_of(value)
        except Unfit as unfit:
            return unfit.reason
        text = "".join(fields)
        if not text.isascii() and not _is_sound(text):
            return self._undecodable
        if "\0" in text:
            return Reason.NUL_BYTE
        question, title, tags, label, created, post_type = fields
        return question, title, tags, label, created, post_type

    def _tags(self, value: Any) -> str:
        if not isinstance(value, list):
            return _text(value, Reason.NOT_A_TAG_LIST)
        try:
            return as_field(value, between_blanks=self._between_blanks)
        except TypeError:
            tags = [tag for tag in value if tag is not None]
        if not all(isinstance(tag, str) for tag in tags):
            raise Unfit(Reason.NOT_A_TAG_LIST)
        return as_field(tags, between_blanks=self._between_blanks)

    def _has_late_part(self, names: Collection[str]) -> bool:
        late = [name for name in names if name not in self._known]
        decided = self._parts.keys() | {part for part, chosen in vars(self._columns).items() if chosen}
        if find_parts(late, Columns()).keys() - decided:
            return True
        if len(self._known) < _KNOWN_NAMES:
            self._known.update(late)
        return False


def with_chosen(header: Sequence[str], columns: Columns) -> list[str]:
    """A header made of the first records' fields, and those that the user names: only later records may have them."""
    known = {name.strip().casefold() for name in header}
    chosen = [name for name in vars(columns).values() if name and name.casefold() not in known]
    return [*header, *(name for name in dict.fromkeys(chosen) if name not in _NO_NAMES)]


def _text(value: Any, otherwise: Reason = Reason.NOT_A_TEXT) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    raise Unfit(otherwise)


def _id(value: Any) -> str:
    return _text(value, Reason.BAD_ID)


def _time(value: Any) -> str:
    """A time; what is none shows as it is written, and is counted as unread."""
    return json.dumps(value) if isinstance(value, dict | list) else _text(value)


def _is_sound(text: str) -> bool:
    """Whether a text has no halves of characters: bytes that are not UTF-8, or escapes of one half only."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
