"""What a table's header says: how fields are separated, which column plays which part, whose shape it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from tagdb.errors import InputRefused
from tagdb.formats.rows import NO_COLUMN, ROW_NUMBER, Columns, excerpt
from tagdb.formats.source import Source
from tagdb.formats.taglists import style_of

TABLE_FORMATS: Final = ("tagdataset", "csv", "tsv", "stacklite", "sede")
KNOWN_SHAPES: Final = (
    "known are CSV and TSV with columns for id and tags (or name them: --id-column, --tags-column), "
    "StackLite's files, Data Explorer exports and a data dump's Posts.xml"
)

_DELIMITERS: Final = {",": "", "\t": "", ";": " separated by semicolons"}
_KINDS: Final = {
    "tagdataset": "CSV",
    "csv": "CSV",
    "tsv": "TSV",
    "stacklite": "StackLite CSV",
    "sede": "Data Explorer export",
}
_FORCED_DELIMITERS: Final = {"csv": ",;", "tsv": "\t", "tagdataset": ",", "stacklite": ",", "sede": ","}
_UNNAMED = ("", "unnamed0")
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("id", "questionid", "postid", "qid", *_UNNAMED),
    "title": ("title", "questiontitle"),
    "tags": ("tags", "taglist", "tagnames", "tag", "tagname"),
    "label": ("label", "target", "class"),
    "created_at": ("createdat", "creationdate", "created", "createddate", "date", "timestamp"),
    "post_type": ("posttypeid",),
}
_DATA_EXPLORER = frozenset(
    {"score", "viewcount", "answercount", "commentcount", "favoritecount", "owneruserid", "body"}
)
_SAMPLE_SIZE = 100


@dataclass(frozen=True)
class Layout:
    """A table's columns: `parts` maps those of `PARTS` that the table has to the numbers of their columns.

    With `rows_numbered` the ids are not in the file: they are the numbers of its records.
    """

    header: tuple[str, ...]
    delimiter: str
    parts: dict[str, int]
    rows_numbered: bool

    @property
    def one_tag_per_row(self) -> bool:
        """Whether a record is a tag of a question, and not a question."""
        return set(self.parts) == {"id", "tags"} and self.plain_name("tags") in ("tag", "tagname")

    @property
    def provides(self) -> frozenset[str]:
        """What the table carries, in the words of `Recognised.provides`."""
        carried = frozenset(self.parts) & {"title", "tags", "label", "created_at"}
        return carried if self.one_tag_per_row else carried | {"question"}

    @property
    def shape(self) -> str:
        """The name of the format that such a header belongs to."""
        names = set(map(_plain, self.header))
        if self.one_tag_per_row or ("closeddate" in names and "tags" not in self.parts):
            return "stacklite"
        if "post_type" in self.parts or ("tags" in self.parts and names & _DATA_EXPLORER):
            return "sede"
        if self.plain_name("id") in _UNNAMED and "tags" in self.parts:
            return "tagdataset"
        return "tsv" if self.delimiter == "\t" else "csv"

    def plain_name(self, part: str) -> str | None:
        """The name of a part's column without case and punctuation, None where the table lacks the part."""
        return _plain(self.header[self.parts[part]]) if part in self.parts else None


def read_layout(source: Source, forced: str | None, columns: Columns) -> Layout:
    """The layout of a table, by the delimiter that makes most sense of its header.

    Raises:
        InputRefused: there is no header, it lacks a column that is needed or named in `columns`, or it is
        not of
            the `forced` format.
    """
    layouts = [
        Layout(header, delimiter, _parts(header, columns), columns.id == ROW_NUMBER)
        for delimiter in _FORCED_DELIMITERS.get(forced or "", "".join(_DELIMITERS))
        for header in islice(_head_records(source, delimiter), 1)
    ]
    if not layouts:
        raise InputRefused(
            f"{source.name} does not begin with a line of CSV: {excerpt(source.head)}", hint=KNOWN_SHAPES
        )
    layout = max(layouts, key=lambda candidate: (len(candidate.parts), len(candidate.header)))
    _check_choice(layout, source.name, columns)
    _check_parts(layout, source.name)
    if forced and not _can_be(forced, layout):
        raise InputRefused(
            f"{source.name} is not of the format {forced}",
            hint=f"its columns are {_names(layout.header)}: try --format {layout.shape}",
        )
    return layout


def describe(layout: Layout, shape: str, source: Source) -> str:
    """One line for a person: what kind of file it is, and which column is what."""
    kind = _KINDS[shape] + _DELIMITERS[layout.delimiter] + ", gzip" * source.compressed
    phrases = ["ids by row number"] if layout.rows_numbered else []
    for part, place in layout.parts.items():
        column = repr(layout.header[place]) if layout.header[place].strip() else "the unnamed first column"
        if part == "post_type":
            phrases.append(f"questions by {column}")
        elif part != "tags":
            phrases.append(f"{part} from {column}")
        elif layout.one_tag_per_row:
            phrases.append(f"one tag a row from {column}")
        else:
            phrases.append(f"tags from {column} {_sample_style(layout, source)}".rstrip())
    return f"{source.name}: {', '.join([kind, *phrases])}"


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _names(header: tuple[str, ...]) -> str:
    return excerpt(", ".join(name or "(unnamed)" for name in header).encode())


def _head_records(source: Source, delimiter: str) -> Iterator[tuple[str, ...]]:
    """The first records that are not blank, as far as the source's head goes and is CSV."""
    lines = (line.decode(errors="replace") for line in io.BytesIO(source.head))
    try:
        yield from (tuple(record) for record in csv.reader(lines, delimiter=delimiter, strict=True) if record)
    except csv.Error:
        return


def _sample_style(layout: Layout, source: Source) -> str:
    """How the first tags of the file are written; nothing where the first records have no tags."""
    place = layout.parts["tags"]
    records = islice(_head_records(source, layout.delimiter), 1, _SAMPLE_SIZE)
    lists = (record[place].strip() for record in records if place < len(record))
    return next((style_of(text).value for text in lists if text), "")


def _parts(header: tuple[str, ...], columns: Columns) -> dict[str, int]:
    known = {
        plain: place
        for place, plain in reversed(list(enumerate(map(_plain, header))))
        if place == 0 or plain not in _UNNAMED
    }
    parts = {}
    for part, names in _NAMES.items():
        chosen = getattr(columns, part, None)
        place = _chosen_place(chosen, header) if chosen else next((known[n] for n in names if n in known), None)
        if place is not None and not _is_left_out(part, chosen):
            parts[part] = place
    return parts


def _chosen_place(chosen: str, header: tuple[str, ...]) -> int | None:
    if chosen in header:
        return header.index(chosen)
    folded = [name.strip().casefold() for name in header]
    return folded.index(chosen.casefold()) if chosen.casefold() in folded else None


def _is_left_out(part: str, chosen: str | None) -> bool:
    return chosen == (ROW_NUMBER if part == "id" else NO_COLUMN)


def _check_choice(layout: Layout, name: str, columns: Columns) -> None:
    for part, chosen in vars(columns).items():
        if chosen and part not in layout.parts and not _is_left_out(part, chosen):
            raise InputRefused(f"{name} has no column {chosen!r}", hint=f"its columns are {_names(layout.header)}")


def _check_parts(layout: Layout, name: str) -> None:
    columns = _names(layout.header)
    if not layout.parts or ("id" not in layout.parts and _holds_data(layout.header)):
        raise InputRefused(
            f"{name} does not begin with a header of known columns, but with: {columns}", hint=KNOWN_SHAPES
        )
    if "id" not in layout.parts and not layout.rows_numbered:
        raise InputRefused(
            f"{name} has no column for the questions' ids; its columns are {columns}",
            hint=f"name the column with --id-column, or number the rows with --id-column {ROW_NUMBER}",
        )
    if layout.provides == {"question"}:
        raise InputRefused(
            f"{name} has ids but neither tags nor titles, labels or dates; its columns are {columns}",
            hint="name the columns with --tags-column, --title-column, --label-column or --created-column",
        )
    if "parentid" in map(_plain, layout.header) and not layout.parts.keys() & {"post_type", "tags", "title"}:
        raise InputRefused(f"{name} holds answers, not questions: its columns are {columns}", hint=KNOWN_SHAPES)


def _holds_data(header: tuple[str, ...]) -> bool:
    return any(name.strip().lstrip("-").isdecimal() for name in header)


def _can_be(shape: str, layout: Layout) -> bool:
    if shape in ("csv", "tsv", layout.shape):
        return True
    if shape == "stacklite":
        return "tags" not in layout.parts
    return "tags" in layout.parts and not layout.one_tag_per_row
