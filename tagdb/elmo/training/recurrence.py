"""A projected LSTM layer over whole sequences, with a gradient of its own: a few large products instead of many.

Automatic differentiation through a loop adds a full-size weight gradient at every time step. Here the backward loop
only carries the state's gradients, and each weight's gradient is one product over all steps at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from tagdb.elmo._tensorflow import tf, trace
from tagdb.elmo.options import FORGET_BIAS


@dataclass(frozen=True)
class Clips:
    """Bounds of bilm-tf's cell: of its state, and of its projected output; None leaves values as they are."""

    cell: float | None
    output: float | None


def run_layer(
    products: Any, recurrent: Any, projection: Any, start_cell: Any, start_output: Any, clips: Clips
) -> tuple[Any, Any]:
    """Return a layer's outputs, shape (steps, batch, projection_dim), and its last cell state, shape (batch, dim).

    `products`, of shape (steps, batch, 4 * dim), is what the inputs and the bias add to the gates in the file's
    order: input, candidate, forget, output. `recurrent` has shape (projection_dim, 4 * dim), `projection`
    (dim, projection_dim); the state begins as `start_cell`, shape (batch, dim), and `start_output`, shape
    (batch, projection_dim). The cell is that of bilm-tf: forget bias 1, clipped cell, clipped projection.
    """
    forward, backward = _loops(clips, *projection.shape)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def layer(products: Any, recurrent: Any, projection: Any, start_cell: Any, start_output: Any) -> Any:
        gates, cells, outputs = forward(products, recurrent, projection, start_cell, start_output)

        def gradient(upstream: Any, d_last_cell: Any) -> Any:
            before = _shifted(cells, start_cell), _shifted(outputs, start_output)
            return backward(upstream, d_last_cell, (gates, cells, outputs, before), recurrent, projection)

        return (outputs, cells[-1]), gradient

    outputs, last_cell = layer(products, recurrent, projection, start_cell, start_output)
    return outputs, last_cell


@cache
def _loops(clips: Clips, dim: int, projection_dim: int) -> tuple[Any, Any]:
    """Return both loops as functions of TensorFlow, so that all layers of a graph share one trace of each."""
    gates, cells, outputs = (tf.TensorSpec((None, None, width)) for width in (4 * dim, dim, projection_dim))
    weights = tf.TensorSpec((projection_dim, 4 * dim)), tf.TensorSpec((dim, projection_dim))
    cell, output = tf.TensorSpec((None, dim)), tf.TensorSpec((None, projection_dim))
    return (
        trace(lambda *inputs: _forward(clips, *inputs), [gates, *weights, cell, output]),
        trace(
            lambda *inputs: _backward(clips, *inputs),
            [outputs, cell, (gates, cells, outputs, (cells, outputs)), *weights],
        ),
    )


def _forward(
    clips: Clips, products: Any, recurrent: Any, projection: Any, start_cell: Any, start_output: Any
) -> tuple[Any, Any, Any]:
    steps = tf.shape(products)[0]
    dim, projection_dim = projection.shape

    def step(time: Any, cell: Any, output: Any, saved: tuple[Any, Any, Any]) -> tuple[Any, ...]:
        activated, cell, hidden = _cell(products[time] + tf.matmul(output, recurrent), cell, clips.cell)
        output = _clip(tf.matmul(hidden, projection), clips.output)
        rows = (activated, cell, output)
        return time + 1, cell, output, tuple(array.write(time, row) for array, row in zip(saved, rows, strict=True))

    arrays = tuple(tf.TensorArray(tf.float32, size=steps) for _ in range(3))
    _, _, _, saved = tf.while_loop(lambda time, *_: time < steps, step, (0, start_cell, start_output, arrays))
    gates, cells, outputs = (array.stack() for array in saved)
    return (
        tf.ensure_shape(gates, (None, None, 4 * dim)),
        tf.ensure_shape(cells, (None, None, dim)),
        tf.ensure_shape(outputs, (None, None, projection_dim)),
    )


def _backward(
    clips: Clips, upstream: Any, d_last_cell: Any, states: tuple[Any, ...], recurrent: Any, projection: Any
) -> tuple[Any, ...]:
    """Return the gradients of everything `run_layer` takes, in its order."""
    gates, cells, outputs, (previous_cells, previous_outputs) = states
    steps, dim = tf.shape(upstream)[0], projection.shape[0]
    recurrent_transposed, projection_transposed = tf.transpose(recurrent), tf.transpose(projection)

    def step(time: Any, d_cell: Any, d_output: Any, saved: tuple[Any, Any]) -> tuple[Any, ...]:
        d_projected = _clip_gradient(upstream[time] + d_output, outputs[time], clips.output)
        d_hidden = tf.matmul(d_projected, projection_transposed)
        d_gates, d_cell = _cell_gradient(gates[time], cells[time], previous_cells[time], d_hidden, d_cell, clips.cell)
        saved = (saved[0].write(time, d_gates), saved[1].write(time, d_projected))
        return time - 1, d_cell, tf.matmul(d_gates, recurrent_transposed), saved

    arrays = tuple(tf.TensorArray(tf.float32, size=steps) for _ in range(2))
    last = (steps - 1, d_last_cell, tf.zeros_like(outputs[0]), arrays)
    _, d_start_cell, d_start_output, saved = tf.while_loop(lambda time, *_: time >= 0, step, last)
    d_products, d_projected = (array.stack() for array in saved)
    hidden = gates[..., 3 * dim :] * tf.tanh(cells)
    d_recurrent, d_projection = _outer(previous_outputs, d_products), _outer(hidden, d_projected)
    return d_products, d_recurrent, d_projection, d_start_cell, d_start_output


def _shifted(states: Any, start: Any) -> Any:
    """Return the states before each step."""
    return tf.concat([start[tf.newaxis], states[:-1]], axis=0)


def _cell(z: Any, cell: Any, clip: float | None) -> tuple[Any, Any, Any]:
    i, j, f, o = tf.split(z, 4, axis=1)
    i, j, f, o = tf.sigmoid(i), tf.tanh(j), tf.sigmoid(f + FORGET_BIAS), tf.sigmoid(o)
    cell = _clip(f * cell + i * j, clip)
    return tf.concat([i, j, f, o], axis=1), cell, o * tf.tanh(cell)


def _cell_gradient(
    gates: Any, cell: Any, previous: Any, d_hidden: Any, d_cell: Any, clip: float | None
) -> tuple[Any, Any]:
    i, j, f, o = tf.split(gates, 4, axis=1)
    squashed = tf.tanh(cell)
    d_o = d_hidden * squashed * o * (1.0 - o)
    d_cell = _clip_gradient(d_cell + d_hidden * o * (1.0 - squashed * squashed), cell, clip)
    d_i, d_j, d_f = d_cell * j * i * (1.0 - i), d_cell * i * (1.0 - j * j), d_cell * previous * f * (1.0 - f)
    return tf.concat([d_i, d_j, d_f, d_o], axis=1), d_cell * f


def _clip(x: Any, limit: float | None) -> Any:
    return x if limit is None else tf.clip_by_value(x, -limit, limit)


def _clip_gradient(gradient: Any, clipped: Any, limit: float | None) -> Any:
    return gradient if limit is None else tf.where(tf.abs(clipped) < limit, gradient, 0.0)


def _outer(left: Any, right: Any) -> Any:
    """Return the sum over all steps and rows of left ⊗ right."""
    rows = tf.reshape(left, (-1, left.shape[-1])), tf.reshape(right, (-1, right.shape[-1]))
    return tf.matmul(*rows, transpose_a=True)
