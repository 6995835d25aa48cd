"""What the names of a file's columns say: which column plays which part, and whether its records are questions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from tagdb.errors import InputRefused
from tagdb.formats import dumps
from tagdb.formats.rows import NO_COLUMN, ROW_NUMBER, Columns, excerpt

KNOWN_SHAPES: Final = (
    "known are CSV, TSV, JSON and Parquet with columns for id and tags (or name them: --id-column, --tags-column), "
    "StackLite's files, Data Explorer exports and a data dump's Posts.xml"
)
NUMBERED_COLUMNS: Final = "--no-header --id-column 1 --title-column 2 --tags-column 3"

_UNNAMED = ("", "unnamed0")
_NO_NAMES: Final = ("", "#")
_OF_QUESTIONS: Final = ("questionid", "postid")
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("id", "questionid", "postid", "qid", *_UNNAMED),
    "title": ("title", "questiontitle"),
    "tags": ("tags", "taglist", "tagnames", "tag", "tagname"),
    "label": ("label", "target", "class"),
    "created_at": ("createdat", "creationdate", "created", "createddate", "date", "timestamp"),
    "post_type": ("posttypeid", "posttype", "itemtype"),
}
_OWN_NAMES: Final = frozenset({"id", "label", "createdat"})
_DATA_EXPLORER = frozenset(
    {"score", "viewcount", "answercount", "commentcount", "favoritecount", "owneruserid", "body"}
)
_STACKLITE = "closeddate"


@dataclass(frozen=True)
class Layout:
    """A file's columns: `parts` maps those of `PARTS` that it has to the numbers of their columns.

    With `rows_numbered` the ids are not in the file: they are the numbers of its records.
    """

    header: tuple[str, ...]
    parts: dict[str, int]
    rows_numbered: bool

    @property
    def one_tag_per_row(self) -> bool:
        """Whether a record is a tag of a question, and not a question."""
        return set(self.parts) == {"id", "tags"} and self.name_of("tags") in ("tag", "tagname")

    @property
    def provides(self) -> frozenset[str]:
        """What the file carries, in the words of `Recognised.provides`."""
        carried = frozenset(self.parts) & {"title", "tags", "label", "created_at"}
        return carried if self.one_tag_per_row else carried | {"question"}

    @property
    def shape(self) -> str | None:
        """The name of the format of tables that such a header belongs to, None where that is none of the named ones."""
        names = self.plain_names
        if self.one_tag_per_row or (_STACKLITE in names and "tags" not in self.parts):
            return "stacklite"
        if self.name_of("post_type") == "posttypeid" or ("tags" in self.parts and names & _DATA_EXPLORER):
            return "sede"
        if self.name_of("id") in _UNNAMED and "tags" in self.parts:
            return "tagdataset"
        return None

    @property
    def plain_names(self) -> frozenset[str]:
        """The names of the columns without case and punctuation."""
        return frozenset(map(plain_name, self.header))

    def name_of(self, part: str) -> str | None:
        """The name of a part's column without case and punctuation, None where the file lacks the part."""
        return plain_name(self.header[self.parts[part]]) if part in self.parts else None


def find_parts(header: Sequence[str], columns: Columns) -> dict[str, int]:
    """The columns that play a part, by the user's choice or else by their names."""
    known = {
        plain: place
        for place, plain in reversed(list(enumerate(map(plain_name, header))))
        if plain not in _UNNAMED or (place == 0 and (plain or header[0].strip() in _NO_NAMES))
    }
    parts = {}
    if "id" in known and known.keys() & {"tag", "tagname"} and not known.keys() & {"title", "tags"}:
        known["id"] = next((known[name] for name in _OF_QUESTIONS if name in known), known["id"])
    for part, names in _NAMES.items():
        chosen = getattr(columns, part, None)
        place = _chosen_place(chosen, header) if chosen else next((known[n] for n in names if n in known), None)
        if place is not None and not _is_left_out(part, chosen):
            parts[part] = place
    return parts


def layout_of(
    name: str,
    header: Sequence[str],
    columns: Columns,
    sample: Sequence[Sequence[str]] = (),
    *,
    has_names: bool = True,
    advice: str | None = None,
) -> Layout:
    """The layout of a file with these columns.

    Args:
        name: what messages call the file.
        header: the names of its columns, or of the fields of its records, in any order.
        columns: the user's choice of them.
        sample: the fields of its first records, in the order of the header.
        has_names: whether these names are the file's own, and not the numbers of its columns.
        advice: what helps where no name is known, if that is not to name or number the columns of a table.

    Raises:
        InputRefused: a column is missing that is needed or chosen, or the records are not those of questions.
    """
    layout = Layout(tuple(header), find_parts(header, columns), columns.id == ROW_NUMBER)
    _check_choice(layout, name, columns)
    if has_names:
        _check_names(layout, name, advice)
    _check_ids(layout, name)
    _refuse_dumps(layout, name, columns, sample)
    _refuse_two_ids(layout, name, columns)
    _check_questions(layout, name, columns)
    return layout


def column_names(header: Collection[str]) -> str:
    """The names of columns as a message shows them."""
    return excerpt(", ".join(name or "(unnamed)" for name in header).encode(errors="replace"))


def refuse_dump(table: dumps.DumpTable, name: str, advice: str) -> None:
    """Say which table of a dump a file is.

    Raises:
        InputRefused: always.
    """
    raise InputRefused(
        f"{name} looks like a dump's {table.name} table: its ids are those of {table.ids_of}",
        hint=table.advice or advice,
    )


def plain_name(name: str) -> str:
    """A column's name without case and punctuation: `CreationDate`, `creation_date` and `Creation date` are one."""
    return "".join(filter(str.isalnum, name.casefold()))


def _chosen_place(chosen: str, header: Sequence[str]) -> int | None:
    if chosen in header:
        return header.index(chosen)
    folded = [name.strip().casefold() for name in header]
    return folded.index(chosen.casefold()) if chosen.casefold() in folded else None


def _is_left_out(part: str, chosen: str | None) -> bool:
    return chosen == (ROW_NUMBER if part == "id" else NO_COLUMN)


def _is_named(chosen: str | None) -> bool:
    return chosen not in (None, NO_COLUMN, ROW_NUMBER)


def _check_choice(layout: Layout, name: str, columns: Columns) -> None:
    for part, chosen in vars(columns).items():
        if chosen and part not in layout.parts and not _is_left_out(part, chosen):
            raise InputRefused(
                f"{name} has no column {chosen!r}", hint=f"its columns are {column_names(layout.header)}"
            )


def _check_names(layout: Layout, name: str, advice: str | None) -> None:
    if "id" not in layout.parts and _holds_data(layout.header):
        advice = advice or f"if that is a record, number the columns: {NUMBERED_COLUMNS}"
    elif layout.parts:
        return
    raise InputRefused(
        f"{name} does not begin with a header of known columns, but with: {column_names(layout.header)}",
        hint=advice or KNOWN_SHAPES,
    )


def _check_ids(layout: Layout, name: str) -> None:
    if "id" not in layout.parts and not layout.rows_numbered:
        raise InputRefused(
            f"{name} has no column for the questions' ids; its columns are {column_names(layout.header)}",
            hint=f"name the column with --id-column, or number the rows with --id-column {ROW_NUMBER}",
        )


def _refuse_dumps(layout: Layout, name: str, columns: Columns, sample: Sequence[Sequence[str]]) -> None:
    """Refuse the tables of a dump that hold no questions, unless the user names both ids and texts in them."""
    if _is_named(columns.id) and (_is_named(columns.title) or _is_named(columns.tags)):
        return
    shown = column_names(layout.header)
    table = dumps.table_of(layout.plain_names)
    if table is None and layout.plain_names == {"id", "tagname"} and not _repeats(layout, sample):
        table = dumps.TAGS
    if table:
        text = "--tags-column" if "tags" in layout.parts else "--title-column"
        advice = f"its columns are {shown}; if they are questions' ids, name the columns: --id-column … {text} …"
        refuse_dump(table, name, advice)
    if "parentid" in layout.plain_names and not layout.parts.keys() & {"post_type", "tags", "title"}:
        raise InputRefused(f"{name} holds answers, not questions: its columns are {shown}", hint=KNOWN_SHAPES)


def _refuse_two_ids(layout: Layout, name: str, columns: Columns) -> None:
    """Refuse rows with an id of their own beside the id of a question, unless the user says which counts."""
    others = [column for column in layout.header if plain_name(column) in _OF_QUESTIONS]
    if others and layout.name_of("id") == "id" and not _is_named(columns.id):
        own = layout.header[layout.parts["id"]]
        raise InputRefused(
            f"{name} has ids in {own!r} and in {others[0]!r}",
            hint=f"name the column of the questions' ids: --id-column {own}, or --id-column {others[0]}",
        )


def _repeats(layout: Layout, sample: Sequence[Sequence[str]]) -> bool:
    """Whether an id or a tag comes twice, as they do where they are those of questions and not a list of tags."""
    places = [layout.parts[part] for part in ("id", "tags") if part in layout.parts]
    return any(len({record[place].strip() for record in sample}) < len(sample) for place in places)


def _check_questions(layout: Layout, name: str, columns: Columns) -> None:
    """Questions have titles or tags; what else stands beside ids is theirs only where that is certain."""
    if layout.parts.keys() & {"title", "tags"} or layout.shape == "stacklite":
        return
    values = layout.parts.keys() & {"label", "created_at"}
    if values and (layout.plain_names <= _OWN_NAMES or _is_named(columns.label) or _is_named(columns.created_at)):
        return
    raise InputRefused(
        f"{name} has ids but neither titles nor tags; its columns are {column_names(layout.header)}",
        hint="name the columns with --title-column or --tags-column, "
        "or with --label-column or --created-column what belongs to questions that are there",
    )


def _holds_data(header: Sequence[str]) -> bool:
    return any(name.strip().lstrip("-").isdecimal() for name in header)
