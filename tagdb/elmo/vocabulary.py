"""Token vectors kept between texts: vocabularies repeat, so most tokens have been encoded before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tagdb.elmo.token_encoder import TokenEncoder
from tagdb.elmo.weights import FloatArray


class Vocabulary:
    """Numbers tokens in the order met and keeps their vectors; `clear` it when it `is_full`."""

    def __init__(self, encoder: TokenEncoder, capacity: int) -> None:
        self._encoder, self._capacity = encoder, capacity
        self.clear()

    @property
    def is_full(self) -> bool:
        """Whether as many tokens are kept as there should be; one more text may still be numbered."""
        return len(self._numbers) >= self._capacity

    def clear(self) -> None:
        """Forget all tokens; their numbers are given anew."""
        self._numbers: dict[str, int] = {}
        self._vectors = self._encoder.encode([])

    def number(self, tokens: Sequence[str]) -> list[int]:
        """Return the number of each token."""
        numbers = self._numbers
        return [numbers.setdefault(token, len(numbers)) for token in tokens]

    def vectors(self) -> FloatArray:
        """Return the vectors of all tokens numbered so far, shape (n_tokens, projection_dim)."""
        if new := list(self._numbers)[len(self._vectors) :]:
            self._vectors = np.concatenate([self._vectors, self._encoder.encode(new)])
        return self._vectors
