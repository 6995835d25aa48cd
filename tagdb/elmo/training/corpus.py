"""Training texts on disk: read once from wherever they come, then drawn in any order without being held in memory."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagdb.elmo.files import write_text
from tagdb.elmo.tokenizers import tokenize
from tagdb.elmo.training.damage import damage_reported
from tagdb.elmo.training.settings import Settings
from tagdb.errors import InputRefused
from tagdb.models import Progress

BEGIN, END, UNKNOWN = "<S>", "</S>", "<UNK>"
_MOST_WORDS_COUNTED = 2_000_000
_RANKS = 2**64
_TEXTS, _OFFSETS, _FACTS = "texts.tsv", "offsets.i64", "corpus.json"


class Example(NamedTuple):
    """A text and the tags it should be near to, if any."""

    text: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """The words the language model predicts, commonest first after the three reserved ones, and the tags.

    `tag_counts` holds how many texts carry each tag.
    """

    words: tuple[str, ...]
    tag_counts: dict[str, int]


@dataclass(frozen=True)
class Facts:
    """How large a corpus is: counts of texts and of their tokens, and the share of tokens that are known words."""

    texts: int
    tokens: int
    tagged_texts: int
    coverage: float


class Corpus:
    """A spooled corpus: line `i` of texts.tsv is a text and, after tabs, its tags.

    Raises WeightsError when its files are damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _TEXTS
        with damage_reported(folder / _FACTS):
            content: dict[str, Any] = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
            self.facts = Facts(**content["facts"])
            self.vocabulary = Vocabulary(tuple(content["words"]), content["tag_counts"])
            self.held_out = np.array(content["held_out"], dtype=np.int64)
        with damage_reported(folder / _OFFSETS):
            self._offsets: NDArray[np.int64] = np.memmap(folder / _OFFSETS, np.int64, "r", shape=self.facts.texts)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a complete corpus is there."""
        return (folder / _FACTS).exists()

    def learnt(self) -> NDArray[np.int64]:
        """Return the numbers of the texts to learn from, 8 bytes each."""
        kept = np.ones(len(self._offsets), dtype=bool)
        kept[self.held_out] = False
        return np.flatnonzero(kept)

    def read(self, numbers: Sequence[int] | NDArray[np.int64]) -> list[Example]:
        """Return texts by number."""
        examples = []
        with self._path.open("rb") as file:
            for offset in self._offsets[numbers].tolist():
                file.seek(offset)
                text, *tags = file.readline().decode("utf-8").rstrip("\n").split("\t")
                examples.append(Example(text, tuple(tags)))
        return examples


def spool(examples: Iterable[Example], folder: Path, settings: Settings, progress: Progress) -> Corpus:
    """Write a corpus to `folder`, piece by piece, and return it.

    Which texts are held out follows from what they say, so that equal texts stay on one side.

    Raises
    ------
    InputRefused : there are no texts, too few of them, or nothing to predict in them
    """
    folder.mkdir(parents=True, exist_ok=True)
    counting = _Counting(settings)
    with (folder / _TEXTS).open("wb") as texts, (folder / _OFFSETS).open("wb") as offsets:
        for example in _pieces(examples, settings):
            np.array([texts.tell()], dtype=np.int64).tofile(offsets)
            texts.write(("\t".join([example.text, *example.tags]) + "\n").encode("utf-8"))
            counting.add(example)
            progress.advance(1)
    write_text(folder / _FACTS, json.dumps(counting.result(), ensure_ascii=False))
    return Corpus(folder)


def _pieces(examples: Iterable[Example], settings: Settings) -> Iterator[Example]:
    """Write texts as their tokens between single spaces, without what UTF-8 cannot say, and cut long ones."""
    for text, tags in examples:
        tokens = tokenize(_writable(text), settings.tokenizer, lowercase=settings.lowercase)
        names = tuple(dict.fromkeys(name for tag in tags if (name := " ".join(_writable(tag).split()))))
        if not settings.tag_weight:
            names = ()
        for start in range(0, len(tokens), settings.max_tokens):
            yield Example(" ".join(tokens[start : start + settings.max_tokens]), names)


def _writable(text: str) -> str:
    return text.encode("utf-8", "ignore").decode("utf-8")


class _Counting:
    """What is learnt of the texts while they pass."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._words: Counter[str] = Counter()
        self._tags: Counter[str] = Counter()
        self._ranked: dict[int, list[int]] = {}
        self._n_ranked, self._cutoff = 0, _RANKS
        self._texts = self._tokens = self._tagged = self._longest = 0

    def add(self, example: Example) -> None:
        tokens = example.text.split()
        self._words.update(tokens)
        self._tags.update(example.tags)
        if len(self._words) > _MOST_WORDS_COUNTED:
            self._words = Counter({word: count for word, count in self._words.items() if count > 1})
        self._rank(example.text)
        self._texts += 1
        self._tokens += len(tokens)
        self._tagged += bool(example.tags)
        self._longest = max(self._longest, len(tokens))

    def _rank(self, text: str) -> None:
        """Note a text if it is among those of lowest hash, from which the held-out ones are taken."""
        key = hashlib.blake2b(f"{self._settings.seed} {text}".encode(), digest_size=8).digest()
        rank = int.from_bytes(key, "big")
        if rank < self._cutoff:
            self._ranked.setdefault(rank, []).append(self._texts)
            self._n_ranked += 1
            if self._n_ranked > 2 * self._settings.held_out_texts:
                self._keep_lowest()

    def _keep_lowest(self) -> None:
        """Drop the ranks above what may be held out, each with all of its (equal) texts, and let no more of them in."""
        ranks = sorted(self._ranked)
        total = np.cumsum([len(self._ranked[rank]) for rank in ranks])
        n_kept = max(1, int(np.searchsorted(total, self._settings.held_out_texts, side="right")))
        if n_kept < len(ranks):
            self._cutoff = ranks[n_kept]
        self._ranked = {rank: self._ranked[rank] for rank in ranks[:n_kept]}
        self._n_ranked = int(total[n_kept - 1])

    def _held_out(self) -> list[int]:
        """Return the numbers of the texts below the share's rank; of the lowest rank where that is none or all."""
        self._keep_lowest()
        lowest = self._ranked[min(self._ranked)]
        below = [
            number
            for rank, numbers in self._ranked.items()
            if rank < self._settings.held_out * _RANKS
            for number in numbers
        ]
        return sorted(below if 0 < len(below) < self._texts else lowest)

    def result(self) -> dict[str, Any]:
        if not self._texts:
            raise InputRefused(
                "there is no text to learn from: the query or file gave no rows, or only empty ones",
                hint="try the query in: tagdb db psql",
            )
        if self._longest < 2:
            raise InputRefused(
                f"all {self._texts:,} texts are one token long: there is no context to learn from",
                hint="give longer texts, such as titles",
            )
        if len(self._words) < 2:
            raise InputRefused(
                f"the texts hold one word only, {next(iter(self._words))!r}: there is nothing to tell apart",
                hint="give texts of several words",
            )
        held_out = self._held_out()
        if len(held_out) == self._texts:
            raise InputRefused("there is only one text, and one must be held out", hint="give different texts")
        words = [word for word, _ in self._words.most_common(self._settings.vocabulary)]
        facts = {
            "texts": self._texts,
            "tokens": self._tokens,
            "tagged_texts": self._tagged,
            "coverage": sum(self._words[word] for word in words) / self._tokens,
        }
        reserved = [BEGIN, END, UNKNOWN]
        return {
            "facts": facts,
            "held_out": held_out,
            "words": reserved + [word for word in words if word not in reserved],
            "tag_counts": dict(self._tags.most_common()),
        }
