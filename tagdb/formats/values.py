"""The texts of single fields become values that PostgreSQL takes as they are, or the record is unfit."""

from __future__ import annotations

import html
import re

from tagdb.formats.rows import Reason, Unfit

_INTEGER = re.compile(r"([+-]?[0-9]{1,19})(?:\.0+)?", re.ASCII)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_BIGINT_MAX = 2**63 - 1
_BIGINT_DIGITS = len(str(_BIGINT_MAX))


def question_id(text: str) -> int:
    """A question's id, in the range of bigint.

    White space around it is ignored, and so is the `.0` that data frames append to integers in a column
    with gaps.

    Raises:
        Unfit: there is no id, or it is not such a number.
    """
    if len(text) < _BIGINT_DIGITS and text.isascii() and text.isdecimal():
        return int(text)
    match = _INTEGER.fullmatch(text.strip())
    if match is None:
        raise Unfit(Reason.BAD_ID if text.strip() else Reason.NO_ID)
    number = int(match[1])
    if not -_BIGINT_MAX - 1 <= number <= _BIGINT_MAX:
        raise Unfit(Reason.BAD_ID)
    return number


def without_entities(text: str) -> str:
    """HTML text with its entities (`&amp;`, `&#39;`) as the characters they stand for; tags of HTML stay."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def without_escapes(text: str) -> str:
    """Text of PostgreSQL's COPY or MySQL's dumps with its backslash escapes as the characters they stand for."""
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text) if "\\" in text else text


def _character(entity: re.Match[str]) -> str:
    return html.unescape(entity[0])
