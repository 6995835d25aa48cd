"""Layer 0 of ELMo: a token's vector from its characters, by convolutions, highway layers and a projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tagdb.elmo._tensorflow import tf, trace
from tagdb.elmo.characters import BYTE_OFFSET, character_ids, spelt_lengths
from tagdb.elmo.options import CharCnnOptions, ElmoOptions
from tagdb.elmo.weights import FloatArray, Weights

# Bounds the convolutions' output: 100 MB for 1,024 filters on tokens of the full 50 characters.
TOKENS_AT_ONCE = 512
HIGHWAY_DATASETS = ("W_carry", "b_carry", "W_transform", "b_transform")


class TokenEncoder:
    """The character CNN of bilm-tf, meant to be run once for each distinct token."""

    def __init__(self, options: ElmoOptions, weights: Weights) -> None:
        self._dim = options.lstm.projection_dim
        self._width, self._widest_filter = options.char_cnn.max_characters_per_token, options.char_cnn.widest_filter
        names = options.token_encoder_datasets()
        constants = {name: tf.constant(weights.read(name)) for name in names}
        self._forward = trace(
            lambda ids: token_vectors(options.char_cnn, constants, ids), [tf.TensorSpec((None, None), tf.int32)]
        )

    def encode(self, tokens: Sequence[str]) -> FloatArray:
        """Return the vectors of tokens, shape (n_tokens, projection_dim)."""
        ids = character_ids(tokens, self._width)
        vectors = np.empty((len(ids), self._dim), dtype=np.float32)
        lengths = spelt_lengths(ids)
        by_length = np.argsort(lengths, kind="stable")
        for start in range(0, len(ids), TOKENS_AT_ONCE):
            piece = by_length[start : start + TOKENS_AT_ONCE]
            # Windows that lie wholly in the padding are all equal: one of them at each width is enough.
            kept = min(self._width, int(lengths[piece[-1]]) + self._widest_filter)
            vectors[piece] = self._forward(tf.constant(ids[piece, :kept])).numpy()
        return vectors


def token_vectors(cnn: CharCnnOptions, weights: Mapping[str, Any], ids: Any) -> Any:
    """Return the vectors of tokens spelt in character ids, shape (n_tokens, positions), as a differentiable graph.

    `weights` holds the token encoder's datasets, constants or variables, by their names in weights.hdf5.
    """
    characters = tf.gather(weights["char_embed"], ids - BYTE_OFFSET)
    # Both activations rise monotonically, so they may follow the maximum, on far fewer values.
    features = [
        tf.reduce_max(tf.nn.conv1d(characters, weights[f"CNN/W_cnn_{i}"][0], stride=1, padding="VALID"), axis=1)
        + weights[f"CNN/b_cnn_{i}"]
        for i in range(len(cnn.filters))
    ]
    x = {"relu": tf.nn.relu, "tanh": tf.tanh}[cnn.activation](tf.concat(features, axis=1))
    for k in range(cnn.n_highway):
        x = _highway(x, {name: weights[f"CNN_high_{k}/{name}"] for name in HIGHWAY_DATASETS})
    if "CNN_proj/W_proj" not in weights:
        return x
    return tf.matmul(x, weights["CNN_proj/W_proj"]) + weights["CNN_proj/b_proj"]


def _highway(x: Any, weights: Mapping[str, Any]) -> Any:
    """y = g · relu(x·W_transform + b_transform) + (1 - g) · x, where g = sigmoid(x·W_carry + b_carry).

    The file's "carry" weights gate the transform, not what is carried.
    """
    gate = tf.sigmoid(tf.matmul(x, weights["W_carry"]) + weights["b_carry"])
    transformed = tf.nn.relu(tf.matmul(x, weights["W_transform"]) + weights["b_transform"])
    return gate * transformed + (1.0 - gate) * x
