"""What an ELMo says and refuses of texts, however it is evaluated: here they are split, and their vectors checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from tagdb.elmo.characters import BEGIN_SENTENCE, END_SENTENCE
from tagdb.elmo.options import CENTRE, ElmoOptions
from tagdb.elmo.spec import DESCRIPTION_FILE, WEIGHTS_FILE, ZERO, Description
from tagdb.elmo.tokenizers import find_tokenizer
from tagdb.elmo.weights import FloatArray, Weights
from tagdb.errors import InputRefused, WeightsError
from tagdb.models import EmbedderSpec

MAX_TOKENS = 512


class TextEmbedder(ABC):
    """An embedder whose subclass gives tokens their mean vector, which here loses what many texts have in common."""

    def __init__(self, spec: EmbedderSpec, description: Description, options: ElmoOptions, weights: Weights) -> None:
        self._spec = spec
        self._split = find_tokenizer(description.tokenizer, lowercase=description.lowercase)
        self._centre = weights.read(CENTRE) if CENTRE in weights else np.zeros(options.dim, dtype=np.float32)
        self._start_tokens = self._split_start(description)
        # A weighted sum of the layers is the mix already; the plain one has to be divided once more.
        self._layers_averaged = 1 + options.lstm.n_layers if description.layer_weights is None else 1

    @abstractmethod
    def _embed(self, tokenized: Sequence[Sequence[str]]) -> FloatArray:
        """Return the vectors of texts that have tokens, shape (n_texts, dim)."""

    @property
    def spec(self) -> EmbedderSpec:
        """What identifies this embedder."""
        return self._spec

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._spec.dim

    def tokenize(self, texts: Sequence[str]) -> list[list[str]]:
        """Split texts as embedder.json says, perhaps lower-cased before; some, blank ones say, have no token."""
        return [self._split(text) for text in texts]

    def embed(self, texts: Sequence[str], *, max_tokens: int = MAX_TOKENS) -> FloatArray:
        """Return the vectors of texts, shape (n_texts, dim), in the order of the texts.

        Only the first `max_tokens` tokens of a text count. Raises InputRefused, before any is embedded, when a text
        holds no token: the mean of nothing is no vector.
        """
        if max_tokens < 1:
            raise InputRefused(f"max_tokens is {max_tokens}", hint="let at least 1 token of a text count")
        return self.embed_tokens([self._split(text)[:max_tokens] for text in texts])

    def embed_tokens(self, tokenized: Sequence[Sequence[str]]) -> FloatArray:
        """Return the vectors of texts that are split already, shape (n_texts, dim); see `embed`."""
        for index, tokens in enumerate(tokenized):
            if not tokens:
                raise InputRefused(f"text {index} holds no token", hint="leave out texts of nothing but white space")
        return self._embed(tokenized)

    def _finish(self, means: FloatArray, first: int) -> None:
        """Take the centre off the means of some texts, of which the number of the `first` is known."""
        means -= self._centre
        if not np.isfinite(means).all():
            index = first + int(np.argmin(np.isfinite(means).all(axis=1)))
            raise WeightsError(
                f"the weights in {self._spec.directory} give text {index} a vector that is not finite",
                hint=f"compare {WEIGHTS_FILE} with its source",
            )

    def _openings(self, encode: Callable[[Sequence[str]], FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Return the vectors of the tokens that each direction, forward and backward, reads before any text."""
        begin, end, *start = encode([BEGIN_SENTENCE, END_SENTENCE, *self._start_tokens])
        before = [begin, *start, end] if start else []
        return np.array([*before, begin]), np.array([*before[::-1], end])

    def _split_start(self, description: Description) -> list[str]:
        if description.start_state == ZERO:
            return []
        if not (tokens := self._split(description.start_text)):
            problem = f"start_text {description.start_text!r} holds no token"
            raise WeightsError(f"{self._spec.directory}/{DESCRIPTION_FILE}: {problem}", hint="set it to a sentence")
        return tokens
