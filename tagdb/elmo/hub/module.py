"""Modules that are no ELMo as embedders: taken when a vector depends on its text alone, and run as they are."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tagdb.elmo.files import write_text
from tagdb.elmo.hub.model import ModuleFacts, TextModel
from tagdb.elmo.hub.spec import (
    MODULE_FOLDER,
    ModuleDescription,
    module_files,
    read_module_description,
    read_module_spec,
)
from tagdb.elmo.independence import TOLERANCE, differences, unfit
from tagdb.elmo.spec import DESCRIPTION_FILE
from tagdb.elmo.weights import FloatArray
from tagdb.errors import InputRefused
from tagdb.models import EmbedderSpec

MAX_TOKENS = 512
# Bounds of a batch. Modules pad it to its longest text, so the product is what counts.
TEXTS_AT_ONCE = 256
CHARACTERS_AT_ONCE = 65_536
_TOKEN = re.compile(r"\s*\S+")


class ModuleEmbedder:
    """A text-embedding module as an embedder; an instance serves one thread at a time.

    The module splits texts in its own way. The tokens here are words, each with the white space before it: they
    make it possible to count and to cut texts, and joined they are the text again (less white space at its end).
    """

    def __init__(self, spec: EmbedderSpec, model: TextModel) -> None:
        self._spec, self._model = spec, model

    @classmethod
    def load(cls, directory: Path | str, *, spec: EmbedderSpec | None = None) -> ModuleEmbedder:
        """Load the module in a folder that `prepare_module` made.

        `spec`, where it was read just before, saves hashing the files again.

        Raises EmbedderUnavailable when a file is missing or the module cannot be run, WeightsError when embedder.json
        is damaged.
        """
        directory = Path(directory)
        described = read_module_description(directory)
        facts = ModuleFacts(described.signature, described.output, described.dim)
        return cls(spec or read_module_spec(directory), TextModel(directory / MODULE_FOLDER, facts))

    @property
    def spec(self) -> EmbedderSpec:
        """What identifies this embedder."""
        return self._spec

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._spec.dim

    def tokenize(self, texts: Sequence[str]) -> list[list[str]]:
        """Split texts before white space; lone surrogates, which no module could read, are dropped."""
        # Without white space at the end, the pattern fits wherever it is tried, and never looks back.
        return [_TOKEN.findall(text.encode("utf-8", "ignore").decode().rstrip()) for text in texts]

    def embed(self, texts: Sequence[str], *, max_tokens: int = MAX_TOKENS) -> FloatArray:
        """Return the vectors of texts, shape (n_texts, dim), in the order of the texts.

        Only the first `max_tokens` tokens of a text count. Raises InputRefused when a text holds no token, or the
        module gives it no vector.
        """
        if max_tokens < 1:
            raise InputRefused(f"max_tokens is {max_tokens}", hint="let at least 1 token of a text count")
        return self.embed_tokens([tokens[:max_tokens] for tokens in self.tokenize(texts)])

    def embed_tokens(self, tokenized: Sequence[Sequence[str]]) -> FloatArray:
        """Return the vectors of texts that are split already, shape (n_texts, dim); see `embed`."""
        for index, tokens in enumerate(tokenized):
            if not tokens:
                raise InputRefused(f"text {index} holds no token", hint="leave out texts of nothing but white space")
        texts = ["".join(tokens) for tokens in tokenized]
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for batch in _batches([len(text) for text in texts]):
            vectors[batch] = self._model.vectors([texts[index] for index in batch])
        if not np.isfinite(vectors).all():
            index = int(np.argmin(np.isfinite(vectors).all(axis=1)))
            raise InputRefused(
                f"the module gives text {index} a vector that is not finite",
                hint="change the text, or choose another embedder",
            )
        return vectors


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of texts of similar length that are embedded together, shortest first."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) == TEXTS_AT_ONCE or (len(batch) + 1) * lengths[index] > CHARACTERS_AT_ONCE):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def accept(model: TextModel) -> None:
    """Raise EmbedderUnavailable when the vectors of texts depend on more than their text."""
    for reason, difference in differences(model.vectors).items():
        if not difference <= TOLERANCE:
            raise unfit(f"its vector of a text changes {reason}, by {difference:.1e} of its scale")


def prepare_module(
    module: Path, target: Path, *, name: str, source: str, licence: str = "", description: str = ""
) -> None:
    """Make an embedder's folder of the module in a folder: a copy of its files, and an embedder.json.

    Raises EmbedderUnavailable when the module does not turn texts into vectors that depend on the text alone.
    """
    model = TextModel(module)
    accept(model)
    for path, file in module_files(module).items():
        copy = target / MODULE_FOLDER / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    facts = model.facts
    described = ModuleDescription(name, facts.signature, facts.output, facts.dim, source, licence, description)
    content = json.dumps(described.to_json(), indent=2, ensure_ascii=False)
    write_text(target / DESCRIPTION_FILE, content + "\n")
