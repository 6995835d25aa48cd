"""What a person is told of values and rows that were left out, and what to type to have them otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final

from tagdb.formats.rows import Reason, Rows, Unread

_SHOWN = 5
_COLUMN_OPTIONS: Final = {"created_at": "--created-column none"}
_IDS = "--id-column names the column of ids, which are integers; --id-column row-number counts the rows instead"
_ADVICE: Final = {
    Reason.NO_ID: _IDS,
    Reason.NOT_A_TEXT: "--label-column none leaves the labels out, --title-column none the titles",
    Reason.BAD_ID: _IDS,
    Reason.LATE_COLUMN: "--title-column, --tags-column and so on name a column that only later records have",
    Reason.NOT_A_TAG_LIST: "--tags-separator names what stands between tags; tags may then hold blanks",
    Reason.STRAY_QUOTE: "--no-quotes takes quotes as text, --quotes as what encloses a field",
    Reason.BROKEN_CSV: "--no-quotes takes quotes as text",
    Reason.INVALID_UTF8: "--encoding names another encoding, such as cp1252",
    Reason.NOT_IN_ENCODING: "--encoding names another encoding, such as cp1252",
    Reason.WRONG_COLUMN_COUNT: "--delimiter names what stands between columns",
}


class Notes:
    """Sums up what the batches of a file say about optional columns: words for "missing", and values not read."""

    def __init__(self) -> None:
        self.missing: dict[str, Counter[str]] = {}
        self.unread: Counter[str] = Counter()
        self._examples: list[Unread] = []

    def add(self, rows: Rows) -> None:
        """Take a batch into account."""
        for part, words in rows.missing.items():
            self.missing.setdefault(part, Counter()).update(words)
        self.unread.update(rows.unread)
        self._examples += rows.unread_examples[: _SHOWN - len(self._examples)]

    def lines(self) -> list[str]:
        """A line about each column that lacks values, such as `label: 4 words for missing (NA, nan), 1 empty`."""
        return [*map(self._missing_line, sorted(self.missing)), *map(self._unread_line, sorted(self.unread))]

    def _missing_line(self, part: str) -> str:
        words = self.missing[part]
        named = [word for word, _ in words.most_common() if word]
        count = words.total() - words[""]
        phrases = []
        if count:
            shown = ", ".join(named[:_SHOWN]) + ", …" * (len(named) > _SHOWN)
            phrases.append(f"{count:,} {'word' if count == 1 else 'words'} for missing ({shown})")
        if words[""]:
            phrases.append(f"{words['']:,} empty")
        return f"{part}: {', '.join(phrases)}" + "; --null-words names others, or none" * bool(count)

    def _unread_line(self, part: str) -> str:
        examples = [f"{one.excerpt!r} in line {one.line:,}" for one in self._examples if one.part == part]
        option = _COLUMN_OPTIONS.get(part)
        return (
            f"{part}: {self.unread[part]:,} not read and left empty, as {', '.join(examples)}"
            "; --day-first or --month-first where numbers leave that open"
            f"{f', {option} to leave the column out' if option else ''}"
        )


def advice(reasons: Collection[Reason]) -> list[str]:
    """What may turn bad rows of these kinds into good ones, in the order of the reasons."""
    return list(dict.fromkeys(_ADVICE[reason] for reason in Reason if reason in reasons and reason in _ADVICE))
