"""Write the sample anew from the phrases in areas.toml: `python -m tagdb.sample.generate OUT.csv.gz`.

The same seed gives the same rows on every machine and Python: only `Random.random` is drawn from, the one
method whose sequence Python promises to keep.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

ROWS = 6_000
# No question of any real site has such a number, so the sample never meets a user's own rows.
FIRST_ID = 9_000_000_001
SEED = 20
UNLABELLED_SHARE = 0.15
COMPANION_COUNTS = (0.42, 0.34, 0.18, 0.06)
MOST_TAGS = 5
HEADER = ("id", "title", "tags", "label", "created_at")

_SLOT = re.compile(r"\{(\w+)\}")
_ARTICLE_BEFORE_VOWEL = re.compile(r"\b([Aa])(?= [aeio](?!ne\b))")
_LAST_MOMENT = datetime(2023, 11, 30, tzinfo=UTC)

Item = TypeVar("Item")


class Question(NamedTuple):
    """One row before it has an id; `label` is empty where it is not known."""

    created_at: datetime
    title: str
    tags: tuple[str, ...]
    label: str


class Generator:
    """Draws questions from the subject areas of a phrase book, no two with the same title."""

    def __init__(self, book: Mapping[str, Any], seed: int) -> None:
        self._book = book
        self._random = Random(seed)  # noqa: S311
        self._titles: set[str] = set()

    def questions(self, count: int) -> list[Question]:
        """Draw `count` questions in the order of their time."""
        return sorted(self._question() for _ in range(count))

    def _question(self) -> Question:
        areas = self._book["area"]
        area = self._pick(areas, [area["weight"] for area in areas])
        language = area["language"] if isinstance(area["language"], str) else self._pick(area["language"])
        labelled = self._random.random() >= UNLABELLED_SHARE
        return Question(
            self._moment(*area["years"]),
            self._new_title(area, language),
            self._tags(area, language),
            language if labelled else "",
        )

    def _moment(self, first_year: int, last_year: int) -> datetime:
        start = datetime(first_year, 1, 1, tzinfo=UTC)
        end = min(datetime(last_year + 1, 1, 1, tzinfo=UTC), _LAST_MOMENT)
        return start + timedelta(seconds=int(self._random.random() * (end - start).total_seconds()))

    def _new_title(self, area: Mapping[str, Any], language: str) -> str:
        shapes = self._book["titles"]
        phrases = {"tool": [self._book["languages"][language]]} | self._book["words"] | area | area.get("words", {})
        while True:
            title = self._expand(self._pick(shapes["shapes"], shapes["weights"]), phrases)
            if title not in self._titles:
                self._titles.add(title)
                return title

    def _expand(self, phrase: str, phrases: Mapping[str, Sequence[str]]) -> str:
        """Fill every slot, and the slots of what fills it; one phrase never names the same thing twice."""
        used: set[str] = set()

        def fill(slot: re.Match[str]) -> str:
            choices = [choice for choice in phrases[slot[1]] if choice not in used]
            used.add(choice := self._pick(choices))
            return _SLOT.sub(fill, choice)

        return _ARTICLE_BEFORE_VOWEL.sub(r"\1n", _SLOT.sub(fill, phrase))

    def _tags(self, area: Mapping[str, Any], language: str) -> tuple[str, ...]:
        own = [language] if self._random.random() < area["named"] else []
        tags = [*own, *area["tags"]]
        companions = list(area["companions"])
        for _ in range(self._pick(range(len(COMPANION_COUNTS)), COMPANION_COUNTS)):
            popularity = [1 / rank for rank in range(1, len(companions) + 1)]
            companion = self._pick(companions, popularity)
            companions.remove(companion)
            tags.append(companion)
        return tuple(tags[:MOST_TAGS])

    def _pick(self, items: Sequence[Item], weights: Sequence[float] | None = None) -> Item:
        sums = list(accumulate(weights or [1] * len(items)))
        point = self._random.random() * sums[-1]
        return next(item for item, upto in zip(items, sums, strict=True) if point < upto)


def render(count: int = ROWS, seed: int = SEED) -> str:
    """Give the sample as CSV text."""
    book = tomllib.loads(resources.files(__package__).joinpath("areas.toml").read_text("utf-8"))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(_rows(Generator(book, seed).questions(count)))
    return text.getvalue()


def _rows(questions: Sequence[Question]) -> Iterator[tuple[int, str, str, str, str]]:
    for number, question in enumerate(questions, start=FIRST_ID):
        moment = question.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        yield number, question.title, " ".join(question.tags), question.label, moment


def main(out: str) -> None:
    """Write the sample to a gzip file that holds no time of its own."""
    Path(out).write_bytes(gzip.compress(render().encode("utf-8"), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
