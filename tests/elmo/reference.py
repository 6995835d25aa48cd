"""ELMo in plain numpy and float64, one text and one token at a time: slow, obvious, the encoder's measure.

Written from bilm-tf's definition; nothing is shared with tagdb.elmo, not even the character ids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class ReferenceElmo:
    """Layers and pooled vectors of single texts."""

    def __init__(self, options: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> None:
        self.lstm, self.cnn = options["lstm"], options["char_cnn"]
        self.weights = {name: np.asarray(values, dtype=np.float64) for name, values in weights.items()}

    @classmethod
    def load(cls, directory: Path, weights_file: str = "weights.hdf5") -> ReferenceElmo:
        """Read an options.json and a weights file."""
        weights = {}
        with h5py.File(directory / weights_file, "r") as file:
            file.visititems(
                lambda name, item: weights.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        return cls(json.loads((directory / "options.json").read_text()), weights)

    def embed(
        self, tokens: Sequence[str], *, layer_weights: Sequence[float] | None = None, start: Sequence[str] = ()
    ) -> Array:
        """Return the mean over tokens of the layers, weighted or averaged, shape (2 * projection_dim,)."""
        layers = self.layers(tokens, start=start).mean(axis=0)
        mixed: Array = layers.mean(axis=0) if layer_weights is None else np.asarray(layer_weights) @ layers
        return mixed

    def layers(self, tokens: Sequence[str], *, start: Sequence[str] = ()) -> Array:
        """Return all layers of a text, shape (n_tokens, 1 + n_layers, 2 * projection_dim).

        With `start`, another sentence has gone through both directions before.
        """
        earlier, sentence = (
            [self.token_vector(token) for token in ["<S>", *words, "</S>"]] if words else []
            for words in (start, tokens)
        )
        forward = self.direction(earlier + sentence, 0)[len(earlier) :]
        backward = self.direction(earlier[::-1] + sentence[::-1], 1)[len(earlier) :][::-1]
        return np.concatenate([forward, backward], axis=2)[1:-1]

    def direction(self, sentence: Sequence[Array], direction: int) -> Array:
        """Run one direction's layers from the zero state over the sentence in the order given."""
        n_layers, dim = self.lstm["n_layers"], self.lstm["dim"]
        cells = [np.zeros(dim) for _ in range(n_layers)]
        outputs = [np.zeros(self.lstm["projection_dim"]) for _ in range(n_layers)]
        steps = []
        for token in sentence:
            x, step = token, [token]
            for layer in range(n_layers):
                cells[layer], outputs[layer] = self.cell(direction, layer, x, cells[layer], outputs[layer])
                skip = layer > 0 and self.lstm["use_skip_connections"]
                x = outputs[layer] + x if skip else outputs[layer]
                step.append(x)
            steps.append(step)
        return np.array(steps)

    def cell(self, direction: int, layer: int, x: Array, c: Array, h: Array) -> tuple[Array, Array]:
        """One step of a projected LSTM cell: new cell state and new output."""
        prefix = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell/"
        z = np.concatenate([x, h]) @ self.weights[prefix + "W_0"] + self.weights[prefix + "B"]
        i, j, f, o = np.split(z, 4)
        c = clip(sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j), self.lstm["cell_clip"])
        m = sigmoid(o) * np.tanh(c)
        if prefix + "W_P_0" not in self.weights:
            return c, m
        return c, clip(m @ self.weights[prefix + "W_P_0"], self.lstm["proj_clip"])

    def token_vector(self, token: str) -> Array:
        """Layer 0 of a token, shape (projection_dim,)."""
        characters = self.weights["char_embed"][self.character_ids(token)]
        activation = np.tanh if self.cnn["activation"] == "tanh" else relu
        features = []
        for i, (width, _) in enumerate(self.cnn["filters"]):
            kernel, bias = self.weights[f"CNN/W_cnn_{i}"][0], self.weights[f"CNN/b_cnn_{i}"]
            windows = [characters[at : at + width] for at in range(len(characters) - width + 1)]
            convolved = [np.einsum("we,wen->n", window, kernel) + bias for window in windows]
            features.append(activation(np.max(convolved, axis=0)))
        x = np.concatenate(features)
        for k in range(self.cnn["n_highway"]):
            high = {name: self.weights[f"CNN_high_{k}/{name}"] for name in HIGHWAY}
            carry = sigmoid(x @ high["W_carry"] + high["b_carry"])
            x = carry * relu(x @ high["W_transform"] + high["b_transform"]) + (1 - carry) * x
        if "CNN_proj/W_proj" in self.weights:
            x = x @ self.weights["CNN_proj/W_proj"] + self.weights["CNN_proj/b_proj"]
        return x

    def character_ids(self, token: str) -> list[int]:
        """Rows of `char_embed`, which begins at byte 0: the ids of training, without the offset."""
        width = self.cnn["max_characters_per_token"]
        inside = {"<S>": [256], "</S>": [257]}.get(token)
        if inside is None:
            inside = list(token.encode("utf-8", "ignore")[: width - 2])
        ids = [258, *inside, 259]
        return ids + [260] * (width - len(ids))


HIGHWAY = ("W_carry", "b_carry", "W_transform", "b_transform")


def sigmoid(x: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


def relu(x: Array) -> Array:
    """The rectifier."""
    return np.maximum(x, 0)


def clip(x: Array, limit: float | None) -> Array:
    """Clip to ±limit; None leaves values as they are."""
    return x if limit is None else np.clip(x, -limit, limit)
