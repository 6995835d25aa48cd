"""What a file becomes on its way to the database: batches of rows, and an account of each record left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

ROW_NUMBER: Final = "row-number"
NO_COLUMN: Final = "none"

RECORD_LIMIT: Final = 16 * 1024 * 1024
"""Bytes one record may have, so that a stray quote or a missing `>` cannot pull a whole file into memory."""

TAG_SEPARATOR: Final = "\x1f"
"""Between the tags of a question in `Rows.tag_lists`: no tag has such a character, and some have blanks."""

QUESTION_POST_TYPE: Final = "1"
ANSWER_POST_TYPE: Final = "2"

PARTS: Final = ("id", "title", "tags", "label", "created_at", "post_type")
Fields: TypeAlias = tuple[str, str, str, str, str, str]
"""The texts of one record in the order of `PARTS`; what the file lacks is empty."""

QuestionRow: TypeAlias = tuple[int, int, str | None, str | None, str | None]
TagRow: TypeAlias = tuple[int, int, str]


class Reason(StrEnum):
    """Why a record cannot be taken."""

    NO_ID = "no id"
    BAD_ID = "bad id"
    NO_TAG = "no tag"
    NOT_A_TAG_LIST = "not a tag list"
    WRONG_COLUMN_COUNT = "wrong number of columns"
    BROKEN_CSV = "broken CSV"
    BROKEN_XML = "broken XML"
    BROKEN_JSON = "broken JSON"
    BROKEN_JSON_REST = "broken JSON, and nothing read from here on"
    NOT_AN_OBJECT = "not a JSON object"
    NO_RECORDS = "a page without a list of records"
    NOT_A_TEXT = "a list or an object where a text belongs"
    DAMAGED = "damaged data"
    LATE_COLUMN = "a column that the first records lack"
    RECORD_TOO_LONG = "record over 16 MiB"
    NUL_BYTE = "NUL byte"
    INVALID_UTF8 = "invalid UTF-8"
    NOT_IN_ENCODING = "bytes that the file's encoding lacks"
    STRAY_QUOTE = "a quote that may be text"
    NOT_STORABLE = "a letter that the database's encoding lacks"
    FILE_CUT_SHORT = "file cut short"


Record: TypeAlias = tuple[int, bytes, Fields | Reason]
"""The number of a record's first line, its first bytes, its texts or what is wrong with it."""


class Unfit(Exception):
    """A record cannot be taken; it never leaves this package."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Columns:
    """The user's own choice of columns; None leaves a column to be recognised by its name.

    `id` may be "row-number": the records are then numbered 1, 2, 3 and so on, in the order of the file. The
    others may be "none": the file's column is then left out.
    """

    id: str | None = None
    title: str | None = None
    tags: str | None = None
    label: str | None = None
    created_at: str | None = None


@dataclass(frozen=True)
class Reading:
    """The user's own word on how a file is written; what is None is recognised from the file.

    Attributes:
        delimiter: the one character between the fields of a table; a backslash and a t mean the tab.
        encoding: Python's name of the encoding.
        header: False where the first line is a record already: the columns are then called 1, 2, 3 and so on.
        quotes: whether a quote at the beginning of a field encloses it, or is text like any other.
        tags_separator: what stands between the tags of a field; tags may then hold blanks.
        null_words: the words that say "missing", in place of those known; with none, each is a value.
        html: whether titles are HTML, in which `&amp;` stands for `&`.
        day_first: whether 03/04/2009 is the third of April, or the fourth of March.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True
    quotes: bool | None = None
    tags_separator: str | None = None
    null_words: tuple[str, ...] | None = None
    html: bool | None = None
    day_first: bool | None = None


@dataclass(frozen=True)
class BadRow:
    """A record that could not be taken: `line` counts the file's own lines from 1, `excerpt` is printable."""

    line: int
    reason: Reason
    excerpt: str


@dataclass(frozen=True)
class Unread:
    """A value that was left out because it could not be read: its record's line, its part, its text as it stood."""

    line: int
    part: str
    excerpt: str


@dataclass
class Rows:
    """One batch, in the order of the file.

    A file of questions fills `questions` with (id, place, title, label, created_at) and `tag_lists`, as long, with
    their tags: each once, in order, with `TAG_SEPARATOR` between them. A file with one tag per record fills `tags` with
    (question_id, place, tag). `created_at` is ISO 8601 in UTC. `read` counts the records seen: each became a
    question (or a tag), or was skipped, or is bad.

    `place` is one count through the whole file, the same in every format; only its order means anything. It tells
    repeats of a question apart: the last has the greatest place. It orders a question's tags, also where its rows in
    a tags file lie far apart; such a file may repeat one.

    What an optional column lacks makes no row bad, but is counted by part ("title", "tags", "label", "created_at"):
    `missing` has how often each word for it was met, "" for a label that is empty, and `unread` what was no word for
    it and could not be read either, with a few of them in `unread_examples`.
    """

    questions: list[QuestionRow] = field(default_factory=list)
    tag_lists: list[str] = field(default_factory=list)
    tags: list[TagRow] = field(default_factory=list)
    read: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    bad: list[BadRow] = field(default_factory=list)
    missing: dict[str, dict[str, int]] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)
    unread_examples: list[Unread] = field(default_factory=list)


@dataclass(frozen=True)
class Recognised:
    """What a file turned out to be.

    `description` is one line for a person. `provides` says which of "question", "title", "label", "tags" and
    "created_at" the file carries: an import must leave alone what it does not.
    """

    format: str
    compressed: bool
    description: str
    provides: frozenset[str]


_EXCERPT_LENGTH = 80


def excerpt(raw: bytes) -> str:
    """The beginning of a record in at most 80 printable characters."""
    text = raw[: 4 * _EXCERPT_LENGTH].decode(errors="replace").strip()
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:_EXCERPT_LENGTH])
