"""The texts of single fields become values that PostgreSQL takes as they are, or the record is unfit."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from tagdb.formats.rows import Reason, Unfit

_INTEGER = re.compile(r"([+-]?[0-9]{1,19})(?:\.0+)?", re.ASCII)
_UNIX_SECONDS = re.compile(r"[0-9]{9,10}", re.ASCII)
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


def instant(text: str) -> str | None:
    """An instant as ISO 8601 text in UTC; None for an empty field.

    Taken are ISO 8601 dates and times, and Unix seconds (as the Stack Exchange API writes them). Without an
    offset they are UTC, as in everything Stack Exchange publishes: the server's time zone must not shift
    them.

    Raises:
        Unfit: the text is none of these.
    """
    text = text.strip()
    if not text:
        return None
    try:
        if _UNIX_SECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC).isoformat()
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC).isoformat()
        return moment.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise Unfit(Reason.BAD_DATE) from None
