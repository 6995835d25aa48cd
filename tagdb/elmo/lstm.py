"""One direction of ELMo's stacked LSTM, evaluated on the nodes of a trie instead of on padded texts.

A node carries all that its children need: the state after its prefix, and the running sum of the layers,
which is the sum over the whole text where a text ends. Each product is taken once for whatever it depends on: that of
the first layer's input for each token, that of the recurrent state for each node with children, the rest for each node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from tagdb.elmo._tensorflow import tf, trace
from tagdb.elmo.options import FORGET_BIAS, FORGET_GATE, N_GATES, LstmOptions, lstm_cell_name
from tagdb.elmo.products import Products
from tagdb.elmo.tries import TrieLevel
from tagdb.elmo.weights import FloatArray, Weights

# A layer is evaluated in slices of at most this many cells. oneDNN's products are faster the wider they are; Eigen's,
# where there is no oneDNN, lose a tenth of their speed from 512 to 2,048 and more beyond.
CELLS_AT_ONCE = 2048
# The first layer's input products of the commonest tokens are computed once, as many as fit here.
INPUT_PRODUCT_BYTES = 128 * 2**20


class NodeStates(NamedTuple):
    """The states of a level's nodes.

    `cells[layer][slice]` has shape (n_nodes, units). `outputs[layer]`, of shape (n_nodes, projection_dim), is
    the recurrent output before any skip connection; `totals`, of the same shape, sums all layers, each times its
    weight, over the prefix.
    """

    cells: tuple[tuple[Any, ...], ...]
    outputs: tuple[Any, ...]
    totals: Any


class TokenInputs(NamedTuple):
    """Token vectors of shape (n_tokens, projection_dim), commonest token first.

    `products[slice][gate]`, of shape (n_common, units), is what the first tokens add to the gates of the first layer,
    biases included.
    """

    vectors: Any
    products: tuple[tuple[Any, ...], ...]

    @property
    def n_common(self) -> Any:
        """How many tokens have their products here."""
        return tf.shape(self.products[0][0])[0]


class DirectionalLstm:
    """The layers of one direction (0 forward, 1 backward), which read `opening` from the zero state before any text.

    `opening`, of shape (n_tokens, projection_dim), ends with the vector of the sentence's begin (forward) or end
    (backward). `layer_weights`, layer 0's first, multiply the layers in `totals`; None leaves them as they are.
    `products` takes the matrix products; all else is float32.
    """

    def __init__(
        self,
        options: LstmOptions,
        weights: Weights,
        direction: int,
        opening: FloatArray,
        layer_weights: Sequence[float] | None,
        products: Products,
    ) -> None:
        self._options, self._layer_weights = options, layer_weights
        names = [lstm_cell_name(direction, layer) for layer in range(options.n_layers)]
        self._layers = [_Layer(options, weights, name, products) for name in names]
        self._advance_common = trace(partial(self._compute, False), self._signature())
        self._root = self._read(opening)

    def prepare(self, vectors: FloatArray) -> TokenInputs:
        """Return what `walk` needs of the tokens of its levels, from their vectors, commonest token first."""
        n_common = min(len(vectors), INPUT_PRODUCT_BYTES // (4 * N_GATES * self._options.dim))
        products = tuple(self._layers[0].input_products(tf.constant(vectors[:n_common])))
        return TokenInputs(tf.constant(vectors), products)

    def walk(self, levels: Iterable[TrieLevel], inputs: TokenInputs) -> Iterator[tuple[TrieLevel, NodeStates]]:
        """Yield each level of a trie with the states of its nodes."""
        states, advance = self._root, self._advance_for(inputs)
        for level in levels:
            tokens = tf.constant(level.tokens, tf.int32)
            parents = tf.constant(level.parents, tf.int32)
            states = advance(inputs, states, tokens, parents)
            yield level, states

    @cached_property
    def _advance_rare(self) -> Callable[..., Any]:
        return trace(partial(self._compute, True), self._signature())

    def _advance_for(self, inputs: TokenInputs) -> Callable[..., Any]:
        """Return the step that looks for products only where all are there; the other one is seldom needed."""
        all_common = len(inputs.vectors) == len(inputs.products[0][0])
        return self._advance_common if all_common else self._advance_rare

    def _read(self, opening: FloatArray) -> NodeStates:
        """Return the states of a trie's root, whose totals do not count what was read before the text."""
        _, signature, _, _ = self._signature()
        zero: NodeStates = tf.nest.map_structure(lambda spec: tf.zeros((1, spec.shape[1])), signature)
        states, inputs, parent = zero, self.prepare(opening), tf.zeros((1,), tf.int32)
        advance = self._advance_for(inputs)
        for position in range(len(opening)):
            states = advance(inputs, states, tf.constant([position], tf.int32), parent)
        return states._replace(totals=zero.totals)

    def _signature(self) -> tuple[Any, ...]:
        n_layers = self._options.n_layers
        rows = tf.TensorSpec((None, self._options.projection_dim))
        slices = tuple(tf.TensorSpec((None, slice_.units)) for slice_ in self._layers[0].slices)
        inputs = TokenInputs(rows, tuple((cells,) * N_GATES for cells in slices))
        indices = tf.TensorSpec((None,), tf.int32)
        return inputs, NodeStates((slices,) * n_layers, (rows,) * n_layers, rows), indices, indices

    def _compute(
        self, rare_tokens: bool, inputs: TokenInputs, above: NodeStates, tokens: Any, parents: Any
    ) -> NodeStates:
        """Advance from the level above; `tokens`, in ascending order, and `parents` have shape (n_nodes,)."""
        distinct_parents, family = tf.unique(parents)
        x = tf.gather(inputs.vectors, tokens)
        totals = tf.gather(above.totals, parents) + self._weighted(x, 0)
        cells, outputs = [], []
        for depth, layer in enumerate(self._layers):
            recurrent = layer.recurrent_products(tf.gather(above.outputs[depth], distinct_parents), family)
            if depth == 0:
                from_input = layer.products_of_tokens(inputs, tokens, rare_tokens)
            else:
                from_input = layer.input_products(x)
            before = (tf.gather(cell, parents) for cell in above.cells[depth])
            layer_cells, output = layer.update(from_input, recurrent, before)
            cells.append(layer_cells)
            outputs.append(output)
            x = x + output if depth > 0 and self._options.use_skip_connections else output
            totals += self._weighted(x, depth + 1)
        return NodeStates(tuple(cells), tuple(outputs), totals)

    def _weighted(self, x: Any, layer: int) -> Any:
        return x if self._layer_weights is None else self._layer_weights[layer] * x


class _Slice(NamedTuple):
    """Some cells of a layer: for each gate both kernels, of shape (projection_dim, units), and the bias."""

    input_kernels: tuple[Any, ...]
    recurrent_kernels: tuple[Any, ...]
    biases: tuple[Any, ...]
    units: int


class _Layer:
    """A projected LSTM layer; its gates, before their activations, come as (i, j, f, o) slice by slice."""

    def __init__(self, options: LstmOptions, weights: Weights, name: str, products: Products) -> None:
        self._products = products
        self._cell_clip, self._proj_clip = options.cell_clip, options.proj_clip
        kernel = weights.read(f"{name}/W_0").reshape(2, options.projection_dim, N_GATES, options.dim)
        bias = weights.read(f"{name}/B").reshape(N_GATES, options.dim)
        bias[FORGET_GATE] += FORGET_BIAS
        n_slices = -(-options.dim // CELLS_AT_ONCE)
        bounds = [slice(*ends) for ends in pairwise(np.linspace(0, options.dim, n_slices + 1, dtype=int))]
        self.slices = [
            _Slice(
                tuple(products.kernel(kernel[0, :, gate, cells]) for gate in range(N_GATES)),
                tuple(products.kernel(kernel[1, :, gate, cells]) for gate in range(N_GATES)),
                tuple(tf.constant(bias[gate, cells]) for gate in range(N_GATES)),
                bias[0, cells].size,
            )
            for cells in bounds
        ]
        self._projections = None
        if f"{name}/W_P_0" in weights:
            projection = weights.read(f"{name}/W_P_0")
            self._projections = [products.kernel(projection[cells]) for cells in bounds]

    def input_products(self, x: Any) -> Iterator[tuple[Any, ...]]:
        """Yield what inputs of shape (n, projection_dim) add to each slice's gates, biases included."""
        for slice_ in self.slices:
            pairs = zip(slice_.input_kernels, slice_.biases, strict=True)
            yield tuple(tf.nn.bias_add(self._products.of(x, kernel), bias) for kernel, bias in pairs)

    def products_of_tokens(self, inputs: TokenInputs, tokens: Any, rare_tokens: bool) -> Iterator[tuple[Any, ...]]:
        """Yield what tokens, in ascending order, add to each slice's gates, biases included."""
        if not rare_tokens:
            yield from (tuple(tf.gather(product, tokens) for product in products) for products in inputs.products)
            return
        n_common = tf.math.count_nonzero(tokens < inputs.n_common, dtype=tf.int32)
        common = tokens[:n_common]
        rare_products = self.input_products(tf.gather(inputs.vectors, tokens[n_common:]))
        for products, rare in zip(inputs.products, rare_products, strict=True):
            yield tuple(tf.concat([tf.gather(products[gate], common), rare[gate]], axis=0) for gate in range(N_GATES))

    def recurrent_products(self, outputs: Any, family: Any) -> Iterator[tuple[Any, ...]]:
        """Yield what the parents' outputs, of shape (n_parents, projection_dim), add to the gates of their children.

        `family`, of shape (n,), holds each child's row in `outputs`.
        """
        for slice_ in self.slices:
            yield tuple(tf.gather(self._products.of(outputs, kernel), family) for kernel in slice_.recurrent_kernels)

    def update(
        self, from_input: Iterable[tuple[Any, ...]], recurrent: Iterable[tuple[Any, ...]], before: Iterable[Any]
    ) -> tuple[tuple[Any, ...], Any]:
        """Return the new cell states, slice by slice, and the output, shape (n, projection_dim)."""
        cells, hidden = [], []
        for halves, cell in zip(zip(from_input, recurrent, strict=True), before, strict=True):
            i, j, f, o = map(tf.add, *halves)
            updated = _clip(tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(j), self._cell_clip)
            cells.append(updated)
            hidden.append(tf.sigmoid(o) * tf.tanh(updated))
        return tuple(cells), self._project(hidden)

    def _project(self, hidden: list[Any]) -> Any:
        if self._projections is None:
            return tf.concat(hidden, axis=1)
        parts = [self._products.of(part, kernel) for part, kernel in zip(hidden, self._projections, strict=True)]
        return _clip(tf.add_n(parts), self._proj_clip)


def _clip(x: Any, limit: float | None) -> Any:
    return x if limit is None else tf.clip_by_value(x, -limit, limit)
