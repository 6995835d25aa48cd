"""A table's records with their fields in the one order that all formats share."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from tagdb.formats.csvrecords import csv_records
from tagdb.formats.layout import Layout
from tagdb.formats.rows import PARTS, QUESTION_POST_TYPE, Reason, Record
from tagdb.formats.source import Source


def table_records(source: Source, layout: Layout) -> Iterator[Record]:
    """Yield every record below the header.

    Where the layout numbers the rows, a bad record takes a number too: correcting a line renumbers nothing.
    """
    width = len(layout.header)
    absent, question, number = range(width, width + 3)
    instead = {"id": number if layout.rows_numbered else absent, "post_type": question}
    pick = itemgetter(*(layout.parts.get(part, instead.get(part, absent)) for part in PARTS))
    records = csv_records(source, layout.delimiter, width)
    next(records, None)
    for row_number, (line, raw, content) in enumerate(records, 1):
        if isinstance(content, Reason):
            yield line, raw, content
        else:
            yield line, raw, pick([*content, "", QUESTION_POST_TYPE, str(row_number)])
