"""A question's tags stand in one field, and every source writes them its own way: this reads them all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from tagdb.formats.rows import Reason, Unfit
from tagdb.formats.values import without_entities

MAX_TAG_LENGTH: Final = 200
MAX_TAGS: Final = 1000
_MAX_LENGTH = 2 * MAX_TAGS * MAX_TAG_LENGTH

_CONTROLS = r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff"
_FORBIDDEN = rf"""<>|,;"\\\[\]{{}}{_CONTROLS}"""
_FOREIGN_SEPARATORS: Final = "、，；｜،؛"
"""Commas and their like of other scripts, which no tag has."""

_DOUBTFUL: Final = "&/:~=*^$%@!?·•"
"""What others separate tags by: a field without a blank in which several of them stand between words is no tag."""

_LONE_SIGN = re.compile(r"\s[–—/&:~=*·•]\s")
"""What others write between tags, with blanks around it."""

_BEYOND_TAGS_AND_BLANKS = re.compile(rf"[{_FORBIDDEN}{_FOREIGN_SEPARATORS}'()&/:~=*^$%@!?·•]|{_LONE_SIGN.pattern}")
"""What has to be looked at: other styles, quotes and signs that may stand between tags."""

_NOT_IN_A_TAG = re.compile(rf"[\s{_FORBIDDEN}]")
_ITEM = re.compile(
    r"""\s*(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'\\,{}()\[\]][^\s"\\,{}()\[\]]*))\s*"""
)
_BARE = r"""[^\s"'\\,{}()\[\]]"""
_LISTED = re.compile(
    rf"""\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>{_BARE}(?:[^"\\,{{}}()\[\]]*{_BARE})?))\s*"""
)
_QUOTED = re.compile(r"""\s*(?:"([^"\\]*)"|'([^'\\]*)')(?=\s|\Z)""")
_EMPTY_SETS: Final = ("set()", "frozenset()")
_NO_WORD = re.compile(r"[-+]?[\d.]+(?:e[-+]?\d+)?|None|null|nan|NaN|true|false|True|False")
"""What a list of Python, JSON or NumPy has without quotes, and means no text by."""
_BRACKETS: Final = {"[": "]", "{": "}", "(": ")"}
_ENTITY_LAYERS = 3


class TagStyle(StrEnum):
    """How a field lists tags; the value completes the sentence "tags ..."."""

    BLANKS = "separated by blanks"
    COMMAS = "separated by commas"
    SEMICOLONS = "separated by semicolons"
    PIPES = "written |a|b|"
    ANGLES = "written <a><b>"
    LIST = "written as a Python list"
    BRACES = "written as an array {a,b}"


_BRACKETED: Final = (TagStyle.ANGLES, TagStyle.LIST, TagStyle.BRACES)


def style_of(text: str) -> TagStyle:
    """How a field that is stripped, without entities and not empty lists its tags."""
    if text[0] == "<":
        return TagStyle.ANGLES
    if text[0] in "[(":
        return TagStyle.LIST
    if text[0] == "{":
        return TagStyle.BRACES
    if "|" in text:
        return TagStyle.PIPES
    if ";" in text:
        return TagStyle.SEMICOLONS
    return TagStyle.COMMAS if "," in text else TagStyle.BLANKS


def tag_list(text: str) -> list[str]:
    """The tags of one field in their order, each once; an empty field has none.

    A tag has at most 200 characters, none of them a control character, a backslash or one of ``< > | , ; " [ ] { }``,
    and a list at most 1,000 tags. White space a tag may have only in quotes, and it has it as single blanks: elsewhere
    nobody can tell where such a tag ends.

    Raises:
        Unfit: the field is not such a list in any of the styles.
    """
    if len(text) <= MAX_TAG_LENGTH and _BEYOND_TAGS_AND_BLANKS.search(text) is None:
        return list(dict.fromkeys(text.split()))
    text = _bounded(plain_list(text))
    return _checked(_SPLIT[style_of(text)](text)) if text else []


def plain_list(text: str) -> str:
    """A field of tags in one line, without the entities of an HTML page, however often, and with single blanks."""
    for _ in range(_ENTITY_LAYERS):
        if (plain := without_entities(text)) == text:
            break
        text = plain
    text = " ".join(text.split())
    return "" if text in _EMPTY_SETS else text


def tags_between(separator: str) -> Callable[[str], list[str]]:
    """What reads lists by the separator that is named: tags may then hold blanks, also without quotes.

    Blanks as a separator are white space of any kind and length. Lists in brackets are read as ever.
    """
    pattern = re.compile(re.escape(separator.strip()) or r"\s+")

    def split(text: str) -> list[str]:
        text = _bounded(plain_list(text))
        if text and style_of(text) in _BRACKETED:
            return tag_list(text)
        return _checked(_nonempty(pattern.split(text)))

    return split


def as_field(tags: Sequence[str], *, between_blanks: bool = True) -> str:
    """The field that `tag_list` reads as these texts, be they tags or not; `between_blanks` where it is read by that.

    What `tags_between` gives reads the field too, unless it is `between_blanks`.
    """
    field = " ".join(tags)
    may_mean_missing = len(tags) == 1 and not (field.isalpha() and field.islower())
    is_plain = _BEYOND_TAGS_AND_BLANKS.search(field) is None and field.split() == tags
    if between_blanks and is_plain and not may_mean_missing:
        return field
    return json.dumps(tags, ensure_ascii=False)


def single_tag(text: str, tags_of: Callable[[str], list[str]] = tag_list) -> str:
    """The tag of a field that holds one.

    Raises:
        Unfit: the field is empty or not a tag.
    """
    tag = text.strip()
    if tag and len(tag) <= MAX_TAG_LENGTH and _NOT_IN_A_TAG.search(tag) is None:
        return tag
    tags = tags_of(text)
    if not tags:
        raise Unfit(Reason.NO_TAG)
    if len(tags) > 1:
        raise Unfit(Reason.NOT_A_TAG_LIST)
    return tags[0]


def _bounded(text: str) -> str:
    """The text, unless it is longer than any list, and not worth the time to split it."""
    if len(text) > _MAX_LENGTH:
        raise Unfit(Reason.NOT_A_TAG_LIST)
    return text


def _checked(tags: list[str]) -> list[str]:
    tags = list(dict.fromkeys(" ".join(tag.split()) for tag in tags))
    if len(tags) > MAX_TAGS or not all(map(_is_tag, tags)):
        raise Unfit(Reason.NOT_A_TAG_LIST)
    return tags


def _is_tag(text: str) -> bool:
    return 0 < len(text) <= MAX_TAG_LENGTH and _NOT_IN_A_TAG.search(text.replace(" ", "")) is None


def _unmarked(tags: list[str]) -> list[str]:
    """Tags that no quotes enclose: none of them can have a blank."""
    if any(len(tag.split()) != 1 for tag in tags):
        raise Unfit(Reason.NOT_A_TAG_LIST)
    return tags


def _split_blanks(text: str) -> list[str]:
    if len(quoted := _all_quoted(text) or []) > 1:
        return quoted
    tags = text.split()
    if any(sign in text for sign in _FOREIGN_SEPARATORS) or _LONE_SIGN.search(text):
        raise Unfit(Reason.NOT_A_TAG_LIST)
    if len(tags) == 1 and any(_separates(sign, text) for sign in _DOUBTFUL):
        raise Unfit(Reason.NOT_A_TAG_LIST)
    return tags


def _separates(sign: str, text: str) -> bool:
    """Whether a sign stands between words, and more than once."""
    return len(words := text.split(sign)) > 2 and all(words)


def _all_quoted(text: str) -> list[str] | None:
    """The texts between blanks, where all of them are in quotes."""
    if text[0] not in "\"'" or _QUOTED.sub("", text):
        return None
    return [double or single for double, single in _QUOTED.findall(text)]


def _split_angles(text: str) -> list[str]:
    if not text.endswith(">"):
        raise Unfit(Reason.NOT_A_TAG_LIST)
    return _unmarked(text[1:-1].split("><"))


def _split_at(separator: str) -> Callable[[str], list[str]]:
    def split(text: str) -> list[str]:
        if '"' in text and "\\" not in text:
            return _items(text.strip(separator + " \t"), separator)
        tags = _nonempty(text.split(separator))
        if all(len(tag) > 1 and tag[0] == tag[-1] == "'" for tag in tags):
            return [tag[1:-1] for tag in tags]
        return _unmarked(tags)

    return split


def _nonempty(parts: list[str]) -> list[str]:
    return [tag for part in parts if (tag := part.strip())]


def _split_list(text: str) -> list[str]:
    """The strings in a list literal of Python or JSON, or as NumPy or DuckDB write one; nothing is evaluated."""
    if "\\" in text:
        return _parsed(text)
    if not text.endswith(_BRACKETS[text[0]]):
        raise Unfit(Reason.NOT_A_TAG_LIST)
    if text[0] != "[":
        return _items(text[1:-1], ",", bare=False)
    inside = text[1:-1].strip()
    quoted = _all_quoted(inside) if inside else []
    return _items(inside, ",", _LISTED) if quoted is None else quoted


def _split_braces(text: str) -> list[str]:
    """The elements of PostgreSQL's array, or of a Python set: quoted or not; NULL is none."""
    if not text.endswith("}"):
        raise Unfit(Reason.NOT_A_TAG_LIST)
    return _items(text[1:-1], ",")


def _items(text: str, separator: str, item: re.Pattern[str] = _ITEM, *, bare: bool = True) -> list[str]:
    """Items between separators, in quotes or, with `bare`, without; a separator may also end the list."""
    items: list[str] = []
    place = 0
    while place < len(text.rstrip()):
        found = item.match(text, place)
        if found is None or (found.end() < len(text) and text[found.end()] != separator):
            raise Unfit(Reason.NOT_A_TAG_LIST)
        if found["bare"] is None:
            items.append(found["single"] if found["double"] is None else re.sub(r"\\(.)", r"\1", found["double"]))
        elif not bare or (item is _LISTED and _NO_WORD.fullmatch(found["bare"])):
            raise Unfit(Reason.NOT_A_TAG_LIST)
        elif found["bare"] != "NULL":
            items.append(found["bare"])
        place = found.end() + 1
    return items


def _parsed(text: str) -> list[str]:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit(Reason.NOT_A_TAG_LIST) from None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise Unfit(Reason.NOT_A_TAG_LIST)
    return items


_SPLIT: Final[dict[TagStyle, Callable[[str], list[str]]]] = {
    TagStyle.BLANKS: _split_blanks,
    TagStyle.COMMAS: _split_at(","),
    TagStyle.SEMICOLONS: _split_at(";"),
    TagStyle.PIPES: _split_at("|"),
    TagStyle.ANGLES: _split_angles,
    TagStyle.LIST: _split_list,
    TagStyle.BRACES: _split_braces,
}
