"""Times as people and programs write them become ISO 8601 in UTC, where what they mean is beyond doubt."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COMPACT_TIMES: Final = {8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}
_DIGITS_AFTER_SECONDS: Final = {9: 0, 10: 0, 12: 3, 13: 3, 15: 6, 16: 6, 18: 9, 19: 9}
_NUMBER = re.compile(r"([0-9]+)(?:\.([0-9]{1,9}))?", re.ASCII)
_SCIENTIFIC = re.compile(r"([0-9])\.([0-9]{9,18})[eE]\+?([0-9]{1,2})", re.ASCII)
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january"),
            ("feb", "february"),
            ("mar", "march"),
            ("apr", "april"),
            ("may",),
            ("jun", "june"),
            ("jul", "july"),
            ("aug", "august"),
            ("sep", "sept", "september"),
            ("oct", "october"),
            ("nov", "november"),
            ("dec", "december"),
        ),
        1,
    )
    for name in names
}
_LARGEST_OFFSET = 23
_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
_CLOCK = rf"(?:{_TIME}(?:\s?(?P<half>[ap])\.?m\.?)?)"
_ZONE = r"(?P<zone>\s?(?:z|utc|gmt|ut)?(?:\s?(?P<sign>[+-])(?P<zone_hour>\d{2}):?(?P<zone_minute>\d{2})?)?)"
_COMMENT = r"(?:\s?[(\[][^()\[\]]*[)\]])?"
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s)?"
_SEPARATED = rf"(?:(?:,?\s|t)(?:at\s)?{_CLOCK}{_ZONE})?{_COMMENT}"
_WRITTEN: Final = tuple(
    re.compile(pattern, re.ASCII | re.IGNORECASE)
    for pattern in (
        rf"(?P<year>\d{{4}})([-/.])(?P<month>\d{{1,2}})\2(?P<day>\d{{1,2}}){_SEPARATED}",
        rf"(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?(?P<year>\d{{4}}){_SEPARATED}",
        rf"(?P<first>\d{{1,2}})([-/])(?P<next>\d{{1,2}})\2(?P<year>\d{{4}}){_SEPARATED}",
        rf"{_WEEKDAY}(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s-](?P<name>[a-z]+)\.?,?[\s-](?P<year>\d{{4}}){_SEPARATED}",
        rf"{_WEEKDAY}(?P<name>[a-z]+)\.?\s(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<year>\d{{4}}){_SEPARATED}",
        rf"{_WEEKDAY}(?P<name>[a-z]+)\s(?P<day>\d{{1,2}})\s{_TIME}{_ZONE}\s(?P<year>\d{{4}})",
    )
)
_EITHER_ORDER = re.compile(r"\s*(\d{1,2})([-/])(\d{1,2})\2\d{4}(?!\d)", re.ASCII)


def instant(text: str, *, day_first: bool | None = None) -> str | None:
    """An instant as ISO 8601 text in UTC; None for a text that is none, or that may mean several.

    Taken are ISO 8601 and its relatives, RFC 2822, Unix time in seconds or smaller units, day.month.year, months by
    their English names, and day and month as numbers where it is certain which is which: by the numbers, or by
    `day_first`. Without an offset they are UTC, as in everything Stack Exchange publishes: the server's time zone must
    not shift them.
    """
    text = text.strip()
    try:
        moment = _moment(text, day_first)
        return None if moment is None else moment.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None


def order_in(texts: Iterable[str]) -> bool | None:
    """Whether the day stands before the month in numbers such as 11/17/2009; None where the texts leave it open."""
    orders = {
        first > 12
        for found in map(_EITHER_ORDER.match, texts)
        if found and ((first := int(found[1])) > 12) != (int(found[3]) > 12)
    }
    return orders.pop() if len(orders) == 1 else None


def _moment(text: str, day_first: bool | None) -> datetime | None:
    if text[:1].isdigit():
        if number := _NUMBER.fullmatch(text) or _whole(text):
            return _counted(number[1], number[2] or "")
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    text = " ".join(text.split())
    return next((_assembled(found, day_first) for form in _WRITTEN if (found := form.fullmatch(text))), None)


def _whole(text: str) -> re.Match[str] | None:
    """A number of ten and more digits that was written with an exponent, without it: fewer would be a rounded time."""
    found = _SCIENTIFIC.fullmatch(text)
    if found is None:
        return None
    digits, length = found[1] + found[2], int(found[3]) + 1
    return _NUMBER.fullmatch(f"{digits[:length].ljust(length, '0')}.{digits[length:] or '0'}")


def _counted(digits: str, fraction: str) -> datetime | None:
    """A time that is all digits: by their number a date, or a count of seconds or of a smaller unit since 1970."""
    if len(digits) in _COMPACT_TIMES and not fraction:
        return datetime.strptime(digits, _COMPACT_TIMES[len(digits)]).replace(tzinfo=UTC)
    scale = _DIGITS_AFTER_SECONDS.get(len(digits))
    if scale is None or _is_minute_of_a_calendar(digits):
        return None
    nanoseconds = int((digits + fraction).ljust(len(digits) + 9, "0")[: len(digits) + 9 - scale])
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _is_minute_of_a_calendar(digits: str) -> bool:
    """Whether twelve digits may be 200911171343 as well: they are milliseconds otherwise."""
    if len(digits) != 12 or not digits.startswith(("19", "20")):
        return False
    try:
        datetime.strptime(digits, "%Y%m%d%H%M")  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True


def _assembled(found: re.Match[str], day_first: bool | None) -> datetime | None:
    parts = found.groupdict()
    day, month = _day_and_month(parts, day_first)
    if day is None or month is None:
        return None
    hour = int(parts["hour"] or 0)
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (half.lower() == "p")
    moment = datetime(
        int(parts["year"]),
        month,
        day,
        hour,
        int(parts["minute"] or 0),
        int(parts["second"] or 0),
        int((parts["fraction"] or "0")[:6].ljust(6, "0")),
        tzinfo=UTC,
    )
    if not parts["sign"]:
        return moment
    if int(parts["zone_hour"]) > _LARGEST_OFFSET or int(parts["zone_minute"] or 0) > 59:
        return None
    offset = timedelta(hours=int(parts["zone_hour"]), minutes=int(parts["zone_minute"] or 0))
    return moment - offset if parts["sign"] == "+" else moment + offset


def _day_and_month(parts: dict[str, str | None], day_first: bool | None) -> tuple[int | None, int | None]:
    if parts.get("name"):
        return int(parts["day"] or 0), _MONTHS.get((parts["name"] or "").lower())
    if parts.get("month"):
        return int(parts["day"] or 0), int(parts["month"] or 0)
    first, other = int(parts["first"] or 0), int(parts["next"] or 0)
    if day_first is None and first != other:
        day_first = True if first > 12 else False if other > 12 else None
        if day_first is None:
            return None, None
    return (first, other) if day_first else (other, first)
