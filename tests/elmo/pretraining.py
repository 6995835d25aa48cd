"""Tiny ELMos in training: texts of a few rules, a size that learns them in seconds, and what a run leaves behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tagdb.elmo._tensorflow import tf
from tagdb.elmo.characters import BEGIN_SENTENCE, END_SENTENCE, character_ids
from tagdb.elmo.options import ElmoOptions
from tagdb.elmo.pretrain import Example, Outcome, Provenance, Settings, Size, pretrain
from tagdb.elmo.training.batches import Batches
from tagdb.elmo.training.corpus import Corpus, spool
from tagdb.models import Progress, Silent

SIZE = Size(cell_dim=24, projection_dim=16, filters=((1, 4), (2, 8), (3, 12)), n_highway=1, character_dim=4)
OPTIONS: ElmoOptions = SIZE.options()
SETTINGS = Settings(
    epochs=2,
    token_epochs=0,
    batch_tokens=64,
    learning_rate=0.02,
    warm_up=5,
    negatives=8,
    dropout=0.1,
    token_dropout=0.02,
    held_out=0.05,
)
TOPICS = {"python": "snake list tuple", "java": "bean class thread", "sql": "table join index"}
RELATED = {"python": "scripts", "java": "jvm", "sql": "database"}


def sentences(count: int = 120) -> list[str]:
    """Return texts in which each word all but follows from the one before."""
    patterns = (
        "how to sort a list in python",
        "why is my java thread slow today",
        "join two tables of one sql database",
    )
    return [f"{patterns[number % 3]} {'please' if number % 5 else 'now'}" for number in range(count)]


def tagged(count: int = 240) -> list[Example]:
    """Return texts whose words determine their tags, two each, without naming them."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        topic = str(rng.choice(list(TOPICS)))
        words = rng.choice(TOPICS[topic].split(), 4).tolist()
        found.append(Example(" ".join(["my", *words, "here"]), (topic, RELATED[topic])))
    return found


def train(
    directory: Path, texts: Sequence[str | Example] | None, settings: Settings = SETTINGS, **options: Any
) -> Outcome | None:
    """Pre-train, with weights written as they are; None stands for texts that a run must not ask for again."""

    def examples() -> list[Example]:
        assert texts is not None, "the texts were read a second time"
        return [text if isinstance(text, Example) else Example(text) for text in texts]

    return pretrain(
        examples,
        directory,
        settings,
        **{"size": SIZE, "number_format": "float32", "provenance": Provenance(), **options},
    )


def trained(
    directory: Path, texts: Sequence[str | Example] | None, settings: Settings = SETTINGS, **options: Any
) -> Outcome:
    """Pre-train to the end."""
    outcome = train(directory, texts, settings, **options)
    assert outcome is not None
    return outcome


def weights(directory: Path) -> dict[str, NDArray[Any]]:
    """Return every dataset of a weights.hdf5."""
    found: dict[str, NDArray[Any]] = {}
    with h5py.File(directory / "weights.hdf5", "r") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def batches(folder: Path, texts: Sequence[str | Example], settings: Settings) -> tuple[Corpus, Batches]:
    """Spool texts and draw batches from them."""
    examples = [text if isinstance(text, Example) else Example(text) for text in texts]
    corpus = spool(examples, folder, settings, Silent())
    return corpus, Batches(corpus, settings, 50, 3)


def network_inputs(texts: list[list[str]]) -> tuple[tuple[tf.Tensor, ...], tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return texts as `Network` takes them: types' characters, where each is spelt, texts of types, and lengths."""
    types = dict.fromkeys([BEGIN_SENTENCE, END_SENTENCE, *(token for text in texts for token in text)])
    numbers = {token: number for number, token in enumerate(types)}
    padded = np.zeros((max(map(len, texts)), len(texts)), dtype=np.int32)
    for column, text in enumerate(texts):
        padded[: len(text), column] = [numbers[token] for token in text]
    characters = (tf.constant(character_ids(list(types), 50)),)
    lengths = np.array([len(text) for text in texts], dtype=np.int32)
    return characters, tf.range(len(types)), tf.constant(padded), tf.constant(lengths)


class Interruption(Exception):
    """What stands for the death of a process."""


class Notes(Silent):
    """A reporter that keeps what is said, and may fail at a step of training."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.said: list[str] = []
        self.notes: list[str] = []
        self._fail_at = fail_at

    def say(self, message: str) -> None:
        """Keep a line."""
        self.said.append(message)

    @contextmanager
    def step(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Progress]:  # noqa: ARG002
        """Open a step whose notes are kept."""
        yield self

    def note(self, text: str) -> None:
        """Keep a note, or die."""
        self.notes.append(text)
        if len(self.notes) == self._fail_at:
            raise Interruption
