"""The biLM that learns: ELMo's network over padded batches, with dropout and with variables named as in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tagdb.elmo._tensorflow import tf
from tagdb.elmo.options import ElmoOptions, lstm_cell_name
from tagdb.elmo.token_encoder import token_vectors
from tagdb.elmo.training.recurrence import Clips, run_layer
from tagdb.elmo.weights import FloatArray

CARRY_BIAS = -2.0  # a highway layer starts by passing on what comes in


class Dropout(NamedTuple):
    """Shares of what is left out at random, each in 0..1: values between layers, and whole token types."""

    value: float
    token: float


class Layers(NamedTuple):
    """What the network makes of a batch of texts, time first.

    `forward` and `backward` are the top layer's outputs, shape (steps, texts, projection_dim): step 0 has read the
    sentence's boundary, step i the i-th token from its side. `pooled`, of shape (texts, 2 * projection_dim), is what
    `Elmo.embed` returns.
    """

    forward: Any
    backward: Any
    pooled: Any


def initial_weights(options: ElmoOptions, seed: int) -> dict[str, FloatArray]:
    """Return random weights, drawn as bilm-tf draws them (`bilm/training.py`), by their names in weights.hdf5."""
    rng = np.random.default_rng(seed)
    drawn = {name: _draw(rng, name, shape, options) for name, shape in options.dataset_shapes().items()}
    return {name: values.astype(np.float32) for name, values in drawn.items()}


def _draw(rng: np.random.Generator, name: str, shape: tuple[int, ...], options: ElmoOptions) -> Any:
    if name.endswith("b_carry"):
        return np.full(shape, CARRY_BIAS)
    if len(shape) == 1:
        return np.zeros(shape)
    if name == "char_embed":
        return rng.uniform(-1.0, 1.0, shape)
    if name.startswith("CNN/") and options.char_cnn.activation == "relu":
        return rng.uniform(-0.05, 0.05, shape)
    if name.startswith("CNN"):
        return rng.normal(0.0, np.prod(shape[:-1]) ** -0.5, shape)
    limit = (6.0 / sum(shape)) ** 0.5
    return rng.uniform(-limit, limit, shape)


class Network:
    """ELMo with variables; `apply` may be differentiated. `layer_weights` are those of embedder.json.

    Dropout on token vectors is drawn once for each token type of a batch, so that the first layer's input products
    stay one row a type.
    """

    def __init__(
        self,
        options: ElmoOptions,
        weights: Mapping[str, FloatArray],
        layer_weights: Sequence[float] | None = None,
    ) -> None:
        self.options, self._layer_weights = options, layer_weights
        self.variables = {name: tf.Variable(weights[name], name=name) for name in options.dataset_shapes()}

    def token_vectors(self, characters: Sequence[Any], spelt_at: Any, dropout: Dropout | None, seed: Any) -> Any:
        """Return layer 0 of token types, shape (types, projection_dim), from their characters (see `Batch`)."""
        pieces = [token_vectors(self.options.char_cnn, self.variables, ids) for ids in characters]
        vectors = tf.gather(tf.concat(pieces, axis=0), spelt_at)
        if dropout is None:
            return vectors
        kept = _keep((tf.shape(vectors)[0], 1), dropout.token, seed + 1, rescale=False)
        return vectors * kept * _keep(tf.shape(vectors), dropout.value, seed + 2)

    def pooled_tokens(self, vectors: Any, texts: Any, lengths: Any) -> Any:
        """Return what `apply` would pool if the LSTMs gave zero, shape (n_texts, 2 * projection_dim)."""
        total = tf.reduce_sum(tf.gather(vectors, texts) * _within(texts, lengths), axis=0)
        (total,) = self._weighted([total])
        return tf.tile(total, (1, 2)) / self._values_pooled(lengths)

    def _weighted(self, layers: list[Any]) -> list[Any]:
        """Return the layers, from layer 0 on, each multiplied with its weight where there are any."""
        weights = self._layer_weights
        return layers if weights is None else [weight * x for weight, x in zip(weights, layers, strict=False)]

    def _values_pooled(self, lengths: Any) -> Any:
        """Return what sums are divided by; a weighted sum of layers is their mix already, a plain one is not yet."""
        layers_averaged = 1 + self.options.lstm.n_layers if self._layer_weights is None else 1
        return tf.cast(lengths, tf.float32)[:, tf.newaxis] * layers_averaged

    def apply(self, vectors: Any, texts: Any, lengths: Any, dropout: Dropout | None, seed: Any) -> Layers:
        """Read `texts`, token type numbers of shape (longest, n_texts), which are `lengths` tokens long.

        Types 0 and 1 are the sentence's begin and end. What lies beyond a text's end never reaches what is before.
        """
        backwards = tf.reverse_sequence(texts, lengths, seq_axis=0, batch_axis=1)
        within = _within(texts, lengths)
        tops, sums = [], []
        for direction, tokens in enumerate([texts, backwards]):
            layers = self._direction(direction, vectors, tokens, dropout, seed + 10 * (direction + 1))
            mixed = tf.add_n(self._weighted([layer.of_tokens for layer in layers]))
            sums.append(tf.reduce_sum(mixed * within, axis=0))
            at_boundary = tf.repeat(layers[-1].of_boundary, tf.shape(texts)[1], axis=1)
            tops.append(tf.concat([at_boundary, layers[-1].of_tokens], axis=0))
        return Layers(tops[0], tops[1], tf.concat(sums, axis=1) / self._values_pooled(lengths))

    def _direction(self, direction: int, vectors: Any, tokens: Any, dropout: Dropout | None, seed: Any) -> list[_Layer]:
        """Read `tokens`, shape (longest, n_texts), after the boundary, whose type has the number of the direction."""
        lstm = self.options.lstm
        layers = [_Layer(*(tf.gather(vectors, types) for types in ([[direction]], tokens)))]
        for depth in range(lstm.n_layers):
            cell = lstm_cell_name(direction, depth)
            kernel, bias = self.variables[f"{cell}/W_0"], self.variables[f"{cell}/B"]
            of_inputs, recurrent = kernel[: lstm.projection_dim], kernel[lstm.projection_dim :]
            below = layers[-1]
            if depth == 0:
                of_types = tf.matmul(vectors, of_inputs) + bias
                products = _Layer(*(tf.gather(of_types, types) for types in ([[direction]], tokens)))
            else:
                products = _Layer(*(_products(x, of_inputs, bias, dropout, seed + depth) for x in below))
            outputs = self._recur(products, recurrent, self.variables[f"{cell}/W_P_0"])
            if depth > 0 and lstm.use_skip_connections:
                outputs = _Layer(*(x + output for x, output in zip(below, outputs, strict=True)))
            layers.append(outputs)
        return layers

    def _recur(self, products: _Layer, recurrent: Any, projection: Any) -> _Layer:
        """Read the boundary once, and from the state it leaves all texts."""
        clips = Clips(self.options.lstm.cell_clip, self.options.lstm.proj_clip)
        zero = [tf.zeros((1, size)) for size in projection.shape]
        of_boundary, cell = run_layer(products.of_boundary, recurrent, projection, zero[0], zero[1], clips)
        n_texts = tf.shape(products.of_tokens)[1]
        start = [tf.repeat(state, n_texts, axis=0) for state in (cell, of_boundary[0])]
        of_tokens, _ = run_layer(products.of_tokens, recurrent, projection, start[0], start[1], clips)
        return _Layer(of_boundary, of_tokens)


class _Layer(NamedTuple):
    """A layer's values at the boundary, shape (1, 1, width), alike for all texts, and at their tokens."""

    of_boundary: Any
    of_tokens: Any


def _within(texts: Any, lengths: Any) -> Any:
    """Return 1 where a text has a token and 0 beyond its end, shape (longest, n_texts, 1)."""
    return tf.transpose(tf.sequence_mask(lengths, tf.shape(texts)[0], tf.float32))[..., tf.newaxis]


def _products(x: Any, kernel: Any, bias: Any, dropout: Dropout | None, seed: Any) -> Any:
    return _matmul(x if dropout is None else x * _keep(tf.shape(x), dropout.value, seed), kernel) + bias


def _matmul(x: Any, kernel: Any) -> Any:
    """Multiply the rows of a three-dimensional `x`, in one product."""
    shape = tf.shape(x)
    return tf.reshape(tf.matmul(tf.reshape(x, (-1, kernel.shape[0])), kernel), (shape[0], shape[1], kernel.shape[1]))


def _keep(shape: Any, dropped: float, seed: Any, *, rescale: bool = True) -> Any:
    """Return a random mask that is 0 at a share `dropped`; `rescale` keeps the mean at 1."""
    mask = tf.cast(tf.random.stateless_uniform(shape, seed=seed) >= dropped, tf.float32)
    return mask / (1.0 - dropped) if rescale else mask
