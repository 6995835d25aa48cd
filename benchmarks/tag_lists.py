"""Makes the tag lists that the benchmarks call generated: a `tagdataset.csv` of any size, the same for the same seed.

    python benchmarks/tag_lists.py tag_counts.csv 5518798 tagdataset.csv

`tag_counts.csv` names tags and how often each is used, as the Stack Exchange Data Explorer answers to
`SELECT TagName, Count FROM Tags`. benchmarks/README.md says how the rows are drawn; they tell about speed and size.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LANGUAGES = ("javascript", "java", "python")
LABELLED = LANGUAGES.index("python")
VOCABULARY = 12_000
TOPICS, TOPIC_EXPONENT = 400, 1.05
TAGS_IN_TOPIC, TAG_EXPONENT = 40, 1.3
MORE_TAGS = (0.2256, 0.2112, 0.2552, 0.1848, 0.1232)  # the probabilities of none to four tags beside the language
FROM_TOPIC = 0.8
ROWS_AT_ONCE = 100_000

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def zipf(n: int, exponent: float) -> Floats:
    """Return the probabilities of n ranks."""
    weights: Floats = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    probabilities: Floats = weights / weights.sum()
    return probabilities


@dataclass(frozen=True)
class TagModel:
    """Which tags meet: `names`, most popular first, their `popularity`, and each language's topics.

    `topics`, of shape (n_languages, TOPICS, TAGS_IN_TOPIC), holds places in `names`, a topic's main tag first.
    """

    names: NDArray[np.object_]
    popularity: Floats
    languages: Floats
    topics: Integers

    @classmethod
    def of(cls, counts: dict[str, int], rng: np.random.Generator) -> TagModel:
        """Draw the topics from the tags that are used most."""
        others = sorted(counts.keys() - set(LANGUAGES), key=lambda tag: (-counts[tag], tag))[:VOCABULARY]
        popularity = np.array([counts[tag] for tag in others], dtype=np.float64)
        popularity /= popularity.sum()
        languages = np.array([counts[tag] for tag in LANGUAGES], dtype=np.float64)
        drawn = [
            rng.choice(len(others), TAGS_IN_TOPIC, replace=False, p=popularity) for _ in range(len(LANGUAGES) * TOPICS)
        ]
        topics = np.reshape(drawn, (len(LANGUAGES), TOPICS, TAGS_IN_TOPIC))
        return cls(np.array(others, dtype=object), popularity, languages / languages.sum(), topics)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
        """Draw n rows: the language of each, and places in `names`, ascending, shape (n, 4), -1 for no tag."""
        language = rng.choice(len(LANGUAGES), n, p=self.languages)
        topic = rng.choice(TOPICS, n, p=zipf(TOPICS, TOPIC_EXPONENT))
        shape = (n, len(MORE_TAGS) - 1)
        in_topic = rng.choice(TAGS_IN_TOPIC, shape, p=zipf(TAGS_IN_TOPIC, TAG_EXPONENT))
        near = self.topics[language[:, None], topic[:, None], in_topic]
        anywhere = rng.choice(len(self.names), shape, p=self.popularity)
        tags = np.where(rng.random(shape) < FROM_TOPIC, near, anywhere)
        tags[np.arange(shape[1]) >= rng.choice(len(MORE_TAGS), n, p=MORE_TAGS)[:, None]] = -1
        tags.sort(axis=1)
        tags[:, 1:][tags[:, 1:] == tags[:, :-1]] = -1
        return language, tags


def rows(model: TagModel, n: int, rng: np.random.Generator) -> Iterator[tuple[int, str, int]]:
    """Yield number, tags and label of n rows."""
    for first in range(0, n, ROWS_AT_ONCE):
        language, tags = model.draw(min(ROWS_AT_ONCE, n - first), rng)
        for number, (own, places) in enumerate(zip(language, tags, strict=True), first):
            yield number, " ".join([LANGUAGES[own], *model.names[places[places >= 0]]]), int(own == LABELLED)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=Path, help="CSV with the columns TagName and Count")
    parser.add_argument("rows", type=int)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    with arguments.counts.open(newline="") as file:
        model = TagModel.of({row["TagName"]: int(row["Count"]) for row in csv.DictReader(file)}, rng)
    with arguments.output.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "tags", "label"])
        writer.writerows(rows(model, arguments.rows, rng))


if __name__ == "__main__":
    main()
