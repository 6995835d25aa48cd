"""A file's records with their fields in the one order that all formats share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter

from tagdb.formats.csvrecords import csv_records
from tagdb.formats.dialect import Dialect
from tagdb.formats.layout import Layout
from tagdb.formats.rows import PARTS, QUESTION_POST_TYPE, Fields, Reason, Record
from tagdb.formats.source import Source


def field_picker(layout: Layout) -> Callable[[list[str], int], Fields]:
    """What turns a record's fields, in the order of the header, and its number into the texts of its parts.

    The list of fields is used up.
    """
    width = len(layout.header)
    absent, question, number = range(width, width + 3)
    instead = {"id": number if layout.rows_numbered else absent, "post_type": question}
    pick = itemgetter(*(layout.parts.get(part, instead.get(part, absent)) for part in PARTS))
    after = ["", QUESTION_POST_TYPE]

    def picked(fields: list[str], _: int) -> Fields:
        fields += after
        return pick(fields)

    def picked_and_numbered(fields: list[str], row_number: int) -> Fields:
        fields += after
        fields.append(str(row_number))
        return pick(fields)

    return picked_and_numbered if layout.rows_numbered else picked


def table_records(source: Source, layout: Layout, dialect: Dialect) -> Iterator[Record]:
    """Yield every record below the header.

    Where the layout numbers the rows, a bad record takes a number too: correcting a line renumbers nothing.
    """
    pick = field_picker(layout)
    for row_number, (line, raw, content) in enumerate(csv_records(source, dialect), 1):
        yield line, raw, content if isinstance(content, Reason) else pick(content, row_number)
