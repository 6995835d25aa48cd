"""Layer 0 of ELMo: a token's vector from its characters, by convolutions, highway layers and a projection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tagdb.elmo._tensorflow import tf, trace
from tagdb.elmo.characters import character_ids, spelt_lengths
from tagdb.elmo.options import ElmoOptions
from tagdb.elmo.weights import FloatArray, Weights

# Bounds the convolutions' output: 100 MB for 1,024 filters on tokens of the full 50 characters.
TOKENS_AT_ONCE = 512


class TokenEncoder:
    """The character CNN of bilm-tf, meant to be run once for each distinct token."""

    def __init__(self, options: ElmoOptions, weights: Weights) -> None:
        cnn = options.char_cnn
        self._dim = options.lstm.projection_dim
        self._width, self._widest_filter = cnn.max_characters_per_token, cnn.widest_filter
        self._activation = {"relu": tf.nn.relu, "tanh": tf.tanh}[cnn.activation]
        # The row of id 0 stands for "no token" and is never looked up; the other ids count from it.
        self._char_embed = tf.constant(np.pad(weights.read("char_embed"), [(1, 0), (0, 0)]))
        self._convolutions = [
            (tf.constant(weights.read(f"CNN/W_cnn_{i}")[0]), tf.constant(weights.read(f"CNN/b_cnn_{i}")))
            for i in range(len(cnn.filters))
        ]
        self._highways = [_Highway(weights, group) for group in (f"CNN_high_{k}" for k in range(cnn.n_highway))]
        self._projection = None
        if cnn.n_filters != self._dim:
            names = ("CNN_proj/W_proj", "CNN_proj/b_proj")
            self._projection = tuple(tf.constant(weights.read(name)) for name in names)
        self._forward = trace(self._compute, [tf.TensorSpec((None, None), tf.int32)])

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

    def _compute(self, ids: Any) -> Any:
        characters = tf.gather(self._char_embed, ids)
        # Both activations rise monotonically, so they may follow the maximum, on far fewer values.
        features = [
            tf.reduce_max(tf.nn.conv1d(characters, kernel, stride=1, padding="VALID"), axis=1) + bias
            for kernel, bias in self._convolutions
        ]
        x = self._activation(tf.concat(features, axis=1))
        for highway in self._highways:
            x = highway(x)
        if self._projection is None:
            return x
        kernel, bias = self._projection
        return tf.matmul(x, kernel) + bias


class _Highway:
    """y = g · relu(x·W_transform + b_transform) + (1 - g) · x, where g = sigmoid(x·W_carry + b_carry).

    The file's "carry" weights gate the transform, not what is carried.
    """

    def __init__(self, weights: Weights, group: str) -> None:
        self._gate, self._gate_bias, self._transform, self._transform_bias = (
            tf.constant(weights.read(f"{group}/{name}"))
            for name in ("W_carry", "b_carry", "W_transform", "b_transform")
        )

    def __call__(self, x: Any) -> Any:
        gate = tf.sigmoid(tf.matmul(x, self._gate) + self._gate_bias)
        transformed = tf.nn.relu(tf.matmul(x, self._transform) + self._transform_bias)
        return gate * transformed + (1.0 - gate) * x
