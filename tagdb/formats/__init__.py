"""Recognises the files that questions and tags come in, and reads them in batches; it knows no database."""

from __future__ import annotations

from tagdb.formats.notes import Notes, advice
from tagdb.formats.reader import Reader
from tagdb.formats.recognise import FORMATS, recognise
from tagdb.formats.rows import NO_COLUMN, ROW_NUMBER, BadRow, Columns, Reading, Reason, Recognised, Rows, Unread
from tagdb.formats.source import STANDARD_INPUT, Source, open_source

__all__ = [
    "FORMATS",
    "NO_COLUMN",
    "ROW_NUMBER",
    "STANDARD_INPUT",
    "BadRow",
    "Columns",
    "Notes",
    "Reader",
    "Reading",
    "Reason",
    "Recognised",
    "Rows",
    "Source",
    "Unread",
    "advice",
    "open_source",
    "recognise",
]
