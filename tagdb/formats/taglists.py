"""A question's tags stand in one field, and every source writes them its own way: this reads them all."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from tagdb.formats.rows import Reason, Unfit

MAX_TAG_LENGTH: Final = 200
MAX_TAGS: Final = 1000

_FORBIDDEN = r"""<>|,"\\\[\]{}\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff"""
_NOT_IN_TAGS_AND_BLANKS = re.compile(f"[{_FORBIDDEN}]")
_NOT_IN_A_TAG = re.compile(rf"[\s{_FORBIDDEN}]")


class TagStyle(StrEnum):
    """How a field lists tags; the value completes the sentence "tags ..."."""

    BLANKS = "separated by blanks"
    COMMAS = "separated by commas"
    PIPES = "written |a|b|"
    ANGLES = "written <a><b>"
    LIST = "written as a Python list"


def style_of(text: str) -> TagStyle:
    """How a field that is stripped and not empty lists its tags."""
    if text[0] == "<":
        return TagStyle.ANGLES
    if text[0] == "[":
        return TagStyle.LIST
    if "|" in text:
        return TagStyle.PIPES
    return TagStyle.COMMAS if "," in text else TagStyle.BLANKS


def tag_list(text: str) -> list[str]:
    """The tags of one field in their order, each once; an empty field has none.

    A tag has at most 200 characters, none of them white space, a control character, a backslash or one of
    ``< > | , " [ ] { }``; a list has at most 1,000 tags.

    Raises:
        Unfit: the field is not such a list in any of the five styles.
    """
    if len(text) <= MAX_TAG_LENGTH and _NOT_IN_TAGS_AND_BLANKS.search(text) is None:
        return list(dict.fromkeys(text.split()))
    text = text.strip()
    tags = list(dict.fromkeys(_SPLIT[style_of(text)](text)))
    if len(tags) > MAX_TAGS or not all(map(_is_tag, tags)):
        raise Unfit(Reason.NOT_A_TAG_LIST)
    return tags


def single_tag(text: str) -> str:
    """The tag of a field that holds one.

    Raises:
        Unfit: the field is empty or not a tag.
    """
    tag = text.strip()
    if not tag:
        raise Unfit(Reason.NO_TAG)
    if not _is_tag(tag):
        raise Unfit(Reason.NOT_A_TAG_LIST)
    return tag


def _is_tag(text: str) -> bool:
    return 0 < len(text) <= MAX_TAG_LENGTH and _NOT_IN_A_TAG.search(text) is None


def _split_angles(text: str) -> list[str]:
    if not text.endswith(">"):
        raise Unfit(Reason.NOT_A_TAG_LIST)
    return text[1:-1].split("><")


def _split_at(separator: str) -> Callable[[str], list[str]]:
    def split(text: str) -> list[str]:
        return [tag for part in text.split(separator) if (tag := part.strip())]

    return split


def _split_list(text: str) -> list[str]:
    """The strings in a list literal of Python or JSON, not evaluated: tags need no escapes and no commas."""
    items = [item.strip() for item in text[1:-1].split(",")]
    if not items[-1]:
        items.pop()
    if not text.endswith("]") or not all(map(_is_quoted, items)):
        raise Unfit(Reason.NOT_A_TAG_LIST)
    return [item[1:-1] for item in items]


def _is_quoted(item: str) -> bool:
    return len(item) > 1 and item[0] in "'\"" and item[-1] == item[0] and item[0] not in item[1:-1]


_SPLIT: Final[dict[TagStyle, Callable[[str], list[str]]]] = {
    TagStyle.BLANKS: str.split,
    TagStyle.COMMAS: _split_at(","),
    TagStyle.PIPES: _split_at("|"),
    TagStyle.ANGLES: _split_angles,
    TagStyle.LIST: _split_list,
}
