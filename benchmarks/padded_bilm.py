"""The best padded biLM we could write: what an encoder without tries can reach, for `encoder_peers` to measure against.

Texts of like length share a batch; the character CNN runs once for each distinct token; the first layer's input
product once for each distinct token of a batch; the sentence's begin and end are read once, not once for each text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagdb.elmo._tensorflow import tf, trace
from tagdb.elmo.characters import BEGIN_SENTENCE, END_SENTENCE
from tagdb.elmo.options import LstmOptions, lstm_cell_name, read_options
from tagdb.elmo.token_encoder import TokenEncoder
from tagdb.elmo.vocabulary import Vocabulary
from tagdb.elmo.weights import FloatArray, Weights, open_weights

IntArray = NDArray[np.int64]

TOKENS_IN_BATCH = 8_192
TEXTS_IN_BATCH = 2_048
# Cells of a layer whose gates come from one product. 1,000 titles at the published size, on a processor with AVX-512:
# 512 cells 9.2 s, 1,024 and 2,048 cells 9.1 s, all 4,096 cells 9.3 s.
CELLS_AT_ONCE = 1024
VOCABULARY = 1_000_000
FORGET_BIAS = 1.0


class State(NamedTuple):
    """An LSTM's state: `cells[layer][slice]` of shape (n, units), `outputs[layer]` of shape (n, projection_dim)."""

    cells: tuple[tuple[Any, ...], ...]
    outputs: tuple[Any, ...]


class PaddedBilm:
    """An ELMo of AllenNLP's format over padded batches: same vectors as `tagdb.Elmo`, from the zero state."""

    def __init__(self, directory: Path) -> None:
        options = read_options(directory / "options.json")
        with open_weights(directory / "weights.hdf5", options) as weights:
            encoder = TokenEncoder(options, weights)
            boundaries = encoder.encode([BEGIN_SENTENCE, END_SENTENCE])
            self._directions = [
                _Direction(options.lstm, weights, direction, boundaries[[direction]]) for direction in (0, 1)
            ]
        self._vocabulary = Vocabulary(encoder, VOCABULARY)
        self._dim, self._layers = options.dim, 1 + options.lstm.n_layers

    def embed(self, texts: Sequence[Sequence[str]]) -> FloatArray:
        """Return the vectors of texts that are split already, none of them empty, shape (n_texts, dim)."""
        numbers = [self._vocabulary.number(text) for text in texts]
        spelt = self._vocabulary.vectors()
        lengths = np.array([len(text) for text in texts])
        starts = np.cumsum(lengths) - lengths
        tokens = np.fromiter((number for text in numbers for number in text), np.int64, lengths.sum())
        vectors = np.empty((len(texts), self._dim), dtype=np.float32)
        for batch in batches(lengths):
            # Past its end a text repeats its last token, which the masks leave out of the sums.
            steps = np.arange(lengths[batch].max())[:, None]
            padded = tokens[starts[batch] + np.minimum(steps, lengths[batch] - 1)]
            types, forward = np.unique(padded, return_inverse=True)
            backward = np.take_along_axis(forward, np.maximum(lengths[batch] - 1 - steps, 0), axis=0)
            totals = [
                direction.run(spelt[types], order, lengths[batch])
                for direction, order in zip(self._directions, (forward, backward), strict=True)
            ]
            vectors[batch] = np.hstack(totals) / (lengths[batch, None] * np.float32(self._layers))
        return vectors


def batches(lengths: IntArray) -> Iterator[IntArray]:
    """Yield the numbers of texts to embed together: those of like length, as many as the limits let in."""
    by_length = np.argsort(lengths, kind="stable")
    while len(by_length):
        padded = lengths[by_length[:TEXTS_IN_BATCH]] * np.arange(1, min(TEXTS_IN_BATCH, len(by_length)) + 1)
        size = max(1, int(np.searchsorted(padded, TOKENS_IN_BATCH, side="right")))
        yield by_length[:size]
        by_length = by_length[size:]


class _Direction:
    """One direction's layers; `run` starts behind the sentence's `boundary`, a vector of shape (1, projection_dim)."""

    def __init__(self, options: LstmOptions, weights: Weights, direction: int, boundary: FloatArray) -> None:
        self._options = options
        self._layers = [_Layer(options, weights, lstm_cell_name(direction, layer)) for layer in range(options.n_layers)]
        state = State(
            tuple(tuple(tf.zeros((1, units)) for units in layer.units) for layer in self._layers),
            tuple(tf.zeros((1, options.projection_dim)) for _ in self._layers),
        )
        rows = tf.TensorSpec((None, options.projection_dim))
        tokens, lengths = tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32)
        start = tf.nest.map_structure(lambda value: tf.TensorSpec(value.shape), state)
        self._graph = trace(self._compute, [rows, tokens, lengths, start])
        one = np.zeros((1, 1), dtype=np.int64)
        _, self._start = self._graph(*_constants(boundary, one, one[0] + 1), state)

    def run(self, vectors: FloatArray, tokens: IntArray, lengths: IntArray) -> FloatArray:
        """Return the sums of all layers over each text, shape (n_texts, projection_dim).

        `tokens`, of shape (n_steps, n_texts), are rows of `vectors`.
        """
        totals, _ = self._graph(*_constants(vectors, tokens, lengths), self._start)
        summed: FloatArray = totals.numpy()
        return summed

    def _compute(self, vectors: Any, tokens: Any, lengths: Any, start: State) -> tuple[Any, State]:
        n_texts = tf.shape(tokens)[1]
        hoisted = self._layers[0].hoist(vectors)

        def advance(step: Any, totals: Any, before: State) -> tuple[Any, Any, State]:
            x = tf.gather(vectors, tokens[step])
            summed, cells, outputs = x, [], []
            for depth, layer in enumerate(self._layers):
                if depth == 0:
                    gates = layer.gates_of_tokens(hoisted, tokens[step], before.outputs[0])
                else:
                    gates = layer.gates(x, before.outputs[depth])
                layer_cells, output = layer.update(gates, before.cells[depth])
                x = x + output if depth > 0 and self._options.use_skip_connections else output
                summed += x
                cells.append(layer_cells)
                outputs.append(output)
            totals += tf.where((step < lengths)[:, None], summed, 0.0)
            return step + 1, totals, State(tuple(cells), tuple(outputs))

        state = tf.nest.map_structure(lambda value: tf.repeat(value, n_texts, axis=0), start)
        totals = tf.zeros((n_texts, self._options.projection_dim))
        _, totals, state = tf.while_loop(
            lambda step, *_: step < tf.shape(tokens)[0], advance, (0, totals, state), parallel_iterations=1
        )
        return totals, state


class _Layer:
    """A projected LSTM layer in slices of cells, whose four gates come from one product."""

    def __init__(self, options: LstmOptions, weights: Weights, name: str) -> None:
        self._options = options
        kernel = weights.read(f"{name}/W_0").reshape(-1, 4, options.dim)
        bias = weights.read(f"{name}/B").reshape(4, options.dim)
        bias[2] += FORGET_BIAS
        projection = weights.read(f"{name}/W_P_0")
        slices = [slice(start, start + CELLS_AT_ONCE) for start in range(0, options.dim, CELLS_AT_ONCE)]
        self.units = [len(projection[cells]) for cells in slices]
        self._kernels = [tf.constant(kernel[:, :, cells].reshape(len(kernel), -1)) for cells in slices]
        self._biases = [tf.constant(bias[:, cells].reshape(-1)) for cells in slices]
        self._projections = [tf.constant(projection[cells]) for cells in slices]

    def hoist(self, vectors: Any) -> list[tuple[Any, Any]]:
        """Return, for each slice, what tokens' vectors add to its gates and the kernel of what texts add."""
        parts = [tf.split(kernel, 2) for kernel in self._kernels]
        return [
            (tf.nn.bias_add(tf.matmul(vectors, of_input), bias), of_output)
            for (of_input, of_output), bias in zip(parts, self._biases, strict=True)
        ]

    def gates_of_tokens(self, hoisted: Sequence[tuple[Any, Any]], tokens: Any, output: Any) -> Iterator[Any]:
        for products, kernel in hoisted:
            yield tf.gather(products, tokens) + tf.matmul(output, kernel)

    def gates(self, x: Any, output: Any) -> Iterator[Any]:
        both = tf.concat([x, output], axis=1)
        for kernel, bias in zip(self._kernels, self._biases, strict=True):
            yield tf.nn.bias_add(tf.matmul(both, kernel), bias)

    def update(self, gates: Iterator[Any], before: Sequence[Any]) -> tuple[tuple[Any, ...], Any]:
        cells, parts = [], []
        for gate, cell, projection in zip(gates, before, self._projections, strict=True):
            i, j, f, o = tf.split(gate, 4, axis=1)
            cells.append(_clip(tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(j), self._options.cell_clip))
            parts.append(tf.matmul(tf.sigmoid(o) * tf.tanh(cells[-1]), projection))
        return tuple(cells), _clip(tf.add_n(parts), self._options.proj_clip)


def _constants(vectors: FloatArray, tokens: IntArray, lengths: IntArray) -> tuple[Any, Any, Any]:
    return tf.constant(vectors), tf.constant(tokens, tf.int32), tf.constant(lengths, tf.int32)


def _clip(x: Any, limit: float | None) -> Any:
    return x if limit is None else tf.clip_by_value(x, -limit, limit)
