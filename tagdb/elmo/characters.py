"""Tokens as rows of character ids, the alphabet of ELMo's token encoder (`UnicodeCharsVocabulary`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Ids of prediction: one above those of training, since id 0 marks a position that holds no token.
BYTE_OFFSET = 1
BEGIN_SENTENCE_ID, END_SENTENCE_ID = 257, 258
BEGIN_WORD_ID, END_WORD_ID, PADDING_ID = 259, 260, 261

BEGIN_SENTENCE, END_SENTENCE = "<S>", "</S>"
_BOUNDARIES = {BEGIN_SENTENCE: BEGIN_SENTENCE_ID, END_SENTENCE: END_SENTENCE_ID}


def character_ids(tokens: Sequence[str], width: int) -> NDArray[np.int32]:
    """Return the character ids of each token, an array of shape (n_tokens, width).

    A row is begin-of-word, the token's UTF-8 bytes, end-of-word, padding. Bytes that do not fit are cut, lone
    surrogates are dropped, and a token spelt `<S>` or `</S>` is the sentence boundary itself, as in bilm-tf.
    """
    ids = np.full((len(tokens), width), PADDING_ID, dtype=np.int32)
    for row, token in zip(ids, tokens, strict=True):
        spelling = _spelling(token)[: width - 2]
        row[: len(spelling) + 2] = [BEGIN_WORD_ID, *spelling, END_WORD_ID]
    return ids


def spelt_lengths(ids: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return how many positions of each row precede its padding, an array of shape (n_tokens,)."""
    lengths: NDArray[np.int64] = np.sum(ids != PADDING_ID, axis=1)
    return lengths


def _spelling(token: str) -> list[int]:
    if token in _BOUNDARIES:
        return [_BOUNDARIES[token]]
    return [byte + BYTE_OFFSET for byte in token.encode("utf-8", "ignore")]
