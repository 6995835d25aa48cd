"""A file's records with their fields in the one order that all formats share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Final

from tagdb.formats.csvrecords import csv_records
from tagdb.formats.dialect import Dialect
from tagdb.formats.layout import Layout
from tagdb.formats.rows import PARTS, QUESTION_POST_TYPE, Fields, Record
from tagdb.formats.source import Source

_AFTER_FIELDS: Final = ("", QUESTION_POST_TYPE)


def field_picker(layout: Layout) -> Callable[[list[str], int], Fields]:
    """What turns a record's fields, in the order of the header, and its number into the texts of its parts.

    The list of fields is used up.
    """
    pick = _part_getter(layout)

    def picked(fields: list[str], row_number: int) -> Fields:
        fields.extend(_AFTER_FIELDS)
        fields.append(str(row_number))
        return pick(fields)

    return picked


def table_records(source: Source, layout: Layout, dialect: Dialect) -> Iterator[Record]:
    """Yield every record below the header.

    Where the layout numbers the rows, a bad record takes a number too: correcting a line renumbers nothing.
    """
    pick, is_numbered = _part_getter(layout), layout.rows_numbered
    for row_number, (line, raw, content) in enumerate(csv_records(source, dialect), 1):
        if isinstance(content, list):
            content.extend(_AFTER_FIELDS)
            if is_numbered:
                content.append(str(row_number))
            yield line, raw, pick(content)
        else:
            yield line, raw, content


def _part_getter(layout: Layout) -> Callable[[list[str]], Fields]:
    """What takes the parts out of a record's fields, behind which `_AFTER_FIELDS` and the record's number stand."""
    width = len(layout.header)
    absent, question, number = range(width, width + 3)
    instead = {"id": number if layout.rows_numbered else absent, "post_type": question}
    return itemgetter(*(layout.parts.get(part, instead.get(part, absent)) for part in PARTS))
