"""What the texts of a file's records mean, by the user's word or by what the first records show."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tagdb.formats.dates import instant, order_in
from tagdb.formats.rows import PARTS, Fields, Reading
from tagdb.formats.taglists import tag_list, tags_between

_WRITTEN_BY_PROGRAMS: Final = frozenset(
    (
        *("\\N", "NULL", "Null", "null", "NA", "N/A", "n/a", "<NA>", "None", "NaT"),
        *("NaN", "NAN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
        *("#N/A", "#N/A N/A", "#NA", "#NULL!", "#VALUE!"),
    )
)
_SIGNS: Final = frozenset({"-", "--", "?"})
_NO_DATES: Final = frozenset({"0000-00-00", "0000-00-00 00:00:00", "0000-00-00T00:00:00"})

_RAW_IN_HTML = re.compile(r"""[<>"]|&(?!#?\w{1,32};)""")
_HTML = re.compile(r"""&(?:quot|apos|#0*39|#0*34|#[xX]27|#[xX]22);|(?<=\s)&amp;(?=\s)""")
_ENTITY_FOR_ANGLE = re.compile(r"\s*&(?:lt|#0*60|#[xX]0*3[cC]);")


def _missing(null_words: tuple[str, ...] | None) -> dict[str, frozenset[str]]:
    """For each optional part the words that say "missing"; of tags, none in small letters, for those are tags."""
    own = None if null_words is None else frozenset(word.strip() for word in null_words) - {""}
    words = _WRITTEN_BY_PROGRAMS if own is None else own
    signs = _SIGNS if own is None else frozenset()
    return {
        "title": words,
        "tags": frozenset(word for word in words | signs if not (word.isalpha() and word.islower())),
        "label": words | signs,
        "created_at": words | signs | (_NO_DATES if own is None else frozenset()),
    }


@dataclass(frozen=True)
class Meaning:
    """How the texts of records become values.

    Attributes:
        tags_of: reads a field of tags.
        missing: for each optional part the words that stand for nothing.
        html: whether titles are HTML, in which `&amp;` stands for `&`.
        escapes: whether titles and labels have the backslash escapes of COPY.
        day_first: whether the day stands before the month where both are numbers, None where that is not known.
    """

    tags_of: Callable[[str], list[str]] = tag_list
    missing: Mapping[str, frozenset[str]] = field(default_factory=lambda: _missing(None))
    html: bool = False
    escapes: bool = False
    day_first: bool | None = None

    def can_read_a_date(self, sample: Sequence[Fields]) -> bool:
        """Whether any of the times of these records can be read, or none is given: a column of others is no times."""
        place = PARTS.index("created_at")
        texts = {record[place].strip() for record in sample} - self.missing["created_at"] - {""}
        return not texts or any(instant(text, day_first=self.day_first) for text in texts)


def meaning_of(
    sample: Sequence[Fields], reading: Reading, *, escapes: bool = False, from_html: bool = False
) -> Meaning:
    """What the texts of a file mean whose first records are these.

    With `from_html` titles are known to come as HTML, unless they show that somebody has changed that.
    """
    _, titles, tags, _, created, _ = zip(*sample, strict=True) if sample else [()] * len(PARTS)
    return Meaning(
        tags_of=tags_between(reading.tags_separator) if reading.tags_separator else tag_list,
        missing=_missing(reading.null_words),
        html=_are_html(titles, tags, from_html) if reading.html is None else reading.html,
        escapes=escapes,
        day_first=order_in(created) if reading.day_first is None else reading.day_first,
    )


def as_written(reading: Reading) -> Meaning:
    """The meaning of texts whose format says by itself what is missing and what is markup."""
    return Meaning(
        tags_of=tags_between(reading.tags_separator) if reading.tags_separator else tag_list,
        missing=_missing(reading.null_words or ()),
        html=bool(reading.html),
        day_first=reading.day_first,
    )


def _are_html(titles: Sequence[str], tags: Sequence[str], expected: bool) -> bool:
    """Whether titles have the entities of an HTML page, and nothing that would have been made one."""
    if any(map(_RAW_IN_HTML.search, titles)):
        return False
    if expected or any(map(_HTML.search, titles)):
        return True
    return any("&" in title for title in titles) and any(map(_ENTITY_FOR_ANGLE.match, tags))
