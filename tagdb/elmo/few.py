"""ELMo for a handful of texts, in NumPy: they take it milliseconds, and importing TensorFlow would take seconds.

It evaluates text by text what `encoder` evaluates for many at once, and gives the same vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tagdb.elmo.characters import BYTE_OFFSET, character_ids, spelt_lengths
from tagdb.elmo.options import FORGET_BIAS, FORGET_GATE, N_GATES, ElmoOptions, LstmOptions, lstm_cell_name, read_options
from tagdb.elmo.precision import BF16
from tagdb.elmo.spec import OPTIONS_FILE, WEIGHTS_FILE, Description, read_description, read_spec
from tagdb.elmo.texts import TextEmbedder
from tagdb.elmo.weights import FloatArray, Weights, open_weights
from tagdb.models import EmbedderSpec

# Bounds the convolutions' output: 12 MB for 1,024 filters on tokens of the full 50 characters.
_TOKENS_AT_ONCE = 64
# Numbers that are not finite are told at the end, of the text that they make worthless.
_UNCHECKED = np.errstate(over="ignore", invalid="ignore")


class FewTexts(TextEmbedder):
    """What `Elmo` is, for texts so few that nothing is gained by sharing work among them."""

    def __init__(self, spec: EmbedderSpec, description: Description, options: ElmoOptions, weights: Weights) -> None:
        super().__init__(spec, description, options, weights)
        self._token_encoder = _TokenEncoder(options, weights)
        openings = self._openings(self._token_encoder.encode)
        rounded = description.precision == BF16
        self._forward, self._backward = (
            _Direction(options.lstm, weights, direction, opening, description.layer_weights, rounded=rounded)
            for direction, opening in enumerate(openings)
        )

    @classmethod
    def load(cls, directory: Path | str, *, spec: EmbedderSpec | None = None) -> FewTexts:
        """Load what `Elmo.load` loads; the errors raised are the same, but for what concerns TensorFlow."""
        directory = Path(directory)
        spec = spec or read_spec(directory)
        options = read_options(directory / OPTIONS_FILE)
        with open_weights(directory / WEIGHTS_FILE, options) as weights:
            return cls(spec, read_description(directory), options, weights)

    def _embed(self, tokenized: Sequence[Sequence[str]]) -> FloatArray:
        vectors = np.empty((len(tokenized), self.dim), dtype=np.float32)
        for vector, tokens in zip(vectors, tokenized, strict=True):
            x = self._token_encoder.encode(tokens)
            halves = self._forward.total(x), self._backward.total(x[::-1])
            vector[:] = np.concatenate(halves) / np.float32(len(tokens) * self._layers_averaged)
        self._finish(vectors, 0)
        return vectors


class _TokenEncoder:
    """Layer 0, see `token_encoder`: characters, convolutions, highway layers, a projection."""

    def __init__(self, options: ElmoOptions, weights: Weights) -> None:
        self._cnn, self._width = options.char_cnn, options.char_cnn.max_characters_per_token
        self._weights = {name: weights.read(name) for name in options.token_encoder_datasets()}

    def encode(self, tokens: Sequence[str]) -> FloatArray:
        """Return the vectors of tokens, shape (n_tokens, projection_dim)."""
        distinct = list(dict.fromkeys(tokens))
        ids = character_ids(distinct, self._width)
        pieces = [self._vectors(ids[at : at + _TOKENS_AT_ONCE]) for at in range(0, len(ids), _TOKENS_AT_ONCE)]
        places = {token: place for place, token in enumerate(distinct)}
        vectors: FloatArray = np.concatenate(pieces)[[places[token] for token in tokens]]
        return vectors

    @_UNCHECKED
    def _vectors(self, ids: np.ndarray) -> FloatArray:
        weights = self._weights
        kept = min(self._width, int(spelt_lengths(ids).max()) + self._cnn.widest_filter)
        characters = weights["char_embed"][ids[:, :kept] - BYTE_OFFSET]
        features = []
        for i, (width, count) in enumerate(self._cnn.filters):
            # Of shape (n_tokens, positions, characters' dim, width), and the kernel (1, width, characters' dim, count).
            windows = sliding_window_view(characters, width, axis=1)
            kernel = weights[f"CNN/W_cnn_{i}"][0].transpose(1, 0, 2).reshape(-1, count)
            convolved = windows.reshape(*windows.shape[:2], -1) @ kernel
            features.append(convolved.max(axis=1) + weights[f"CNN/b_cnn_{i}"])
        x: FloatArray = np.concatenate(features, axis=1)
        x = np.maximum(x, 0) if self._cnn.activation == "relu" else np.tanh(x)
        for k in range(self._cnn.n_highway):
            gate = _sigmoid(x @ weights[f"CNN_high_{k}/W_carry"] + weights[f"CNN_high_{k}/b_carry"])
            transformed = x @ weights[f"CNN_high_{k}/W_transform"] + weights[f"CNN_high_{k}/b_transform"]
            x = gate * np.maximum(transformed, 0) + (1 - gate) * x
        if "CNN_proj/W_proj" in weights:
            x = x @ weights["CNN_proj/W_proj"] + weights["CNN_proj/b_proj"]
        return x


class _State(NamedTuple):
    """What a layer carries from token to token: the cell, shape (dim,), and the output, shape (projection_dim,)."""

    cell: FloatArray
    output: FloatArray


class _Direction:
    """One direction's layers, which have read `opening` before any text; see `lstm.DirectionalLstm`."""

    def __init__(
        self,
        options: LstmOptions,
        weights: Weights,
        direction: int,
        opening: FloatArray,
        layer_weights: Sequence[float] | None,
        *,
        rounded: bool,
    ) -> None:
        self._skips = options.use_skip_connections
        self._layer_weights = [1.0] * (1 + options.n_layers) if layer_weights is None else layer_weights
        names = [lstm_cell_name(direction, layer) for layer in range(options.n_layers)]
        self._layers = [_Layer(options, weights, name, rounded=rounded) for name in names]
        zero = np.zeros(options.dim, dtype=np.float32), np.zeros(options.projection_dim, dtype=np.float32)
        self._states = [_State(*zero)] * options.n_layers
        _, self._states = self._read(opening)

    def total(self, x: FloatArray) -> FloatArray:
        """Return the sum over a text's tokens, shape (n_tokens, projection_dim), of their weighted layers."""
        total, _ = self._read(x)
        return total

    def _read(self, x: FloatArray) -> tuple[FloatArray, list[_State]]:
        total = self._layer_weights[0] * x.sum(axis=0, dtype=np.float64)
        states = []
        for depth, (layer, before) in enumerate(zip(self._layers, self._states, strict=True)):
            outputs, state = layer.read(x, before)
            x = x + outputs if depth > 0 and self._skips else outputs
            total += self._layer_weights[depth + 1] * x.sum(axis=0, dtype=np.float64)
            states.append(state)
        return total.astype(np.float32), states


class _Layer:
    """A projected LSTM layer, whose gates stand in the order of the file: input, candidate, forget, output."""

    def __init__(self, options: LstmOptions, weights: Weights, name: str, *, rounded: bool) -> None:
        self._rounded, self._cell_clip, self._proj_clip = rounded, options.cell_clip, options.proj_clip
        kernel = self._round(weights.read(f"{name}/W_0"))
        self._input_kernel, self._recurrent_kernel = np.split(kernel, 2)
        self._bias = weights.read(f"{name}/B")
        self._bias.reshape(N_GATES, -1)[FORGET_GATE] += FORGET_BIAS
        has_projection = f"{name}/W_P_0" in weights
        self._projection = self._round(weights.read(f"{name}/W_P_0")) if has_projection else None

    @_UNCHECKED
    def read(self, x: FloatArray, before: _State) -> tuple[FloatArray, _State]:
        """Return the outputs for inputs of shape (n_tokens, projection_dim), of that shape, and the last state."""
        from_input = self._product(x, self._input_kernel) + self._bias
        outputs, (cell, output) = np.empty_like(x), before
        for place, gates in enumerate(from_input):
            i, j, f, o = np.split(gates + self._product(output, self._recurrent_kernel), N_GATES)
            cell = _clip(_sigmoid(f) * cell + _sigmoid(i) * np.tanh(j), self._cell_clip)
            output = _sigmoid(o) * np.tanh(cell)
            if self._projection is not None:
                output = _clip(self._product(output, self._projection), self._proj_clip)
            outputs[place] = output
        return outputs, _State(cell, output)

    def _product(self, x: FloatArray, kernel: FloatArray) -> FloatArray:
        return self._round(self._round(x) @ kernel)

    def _round(self, values: FloatArray) -> FloatArray:
        """Return values as they are or, in precision bf16, rounded to the nearest bfloat16, of two to the even one."""
        if not self._rounded:
            return values
        bits = np.ascontiguousarray(values).view(np.uint32)
        upper = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
        return upper.view(np.float32)


def _sigmoid(x: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)), in a form that cannot overflow."""
    half: FloatArray = np.tanh(np.float32(0.5) * x)
    return np.float32(0.5) * (half + np.float32(1))


def _clip(x: FloatArray, limit: float | None) -> FloatArray:
    return x if limit is None else np.clip(x, np.float32(-limit), np.float32(limit))
