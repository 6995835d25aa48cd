"""Adam for what every step touches, and lazily for the softmax, of which a step touches a few rows only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tagdb.elmo._tensorflow import tf

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
FINAL_SHARE = 0.1


def learning_rate(peak: float, step: int, warm_up: int, progress: float) -> float:
    """Return the rate of a step: rising linearly at first, then along a cosine to a tenth as progress goes to 1."""
    rising = min(1.0, (step + 1) / (warm_up + 1))
    falling = FINAL_SHARE + (1.0 - FINAL_SHARE) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
    return peak * rising * falling


class Adam:
    """Adam (Kingma and Ba, 2015) with its moments kept beside the variables, by the same names."""

    def __init__(self, dense: Mapping[str, Any], sparse: Mapping[str, Any]) -> None:
        self._dense, self._sparse = dense, sparse
        self.moments = {
            f"{moment}/{name}": tf.Variable(tf.zeros_like(variable), trainable=False)
            for moment in ("first", "second")
            for name, variable in {**dense, **sparse}.items()
        }

    def apply_dense(self, gradients: Mapping[str, Any], rate: Any, step: Any) -> None:
        """Update whole variables; `step` counts from 1."""
        powers = self._powers(step)
        for name, gradient in gradients.items():
            tf.raw_ops.ResourceApplyAdam(
                var=self._dense[name].handle,
                m=self.moments[f"first/{name}"].handle,
                v=self.moments[f"second/{name}"].handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=rate,
                beta1=BETA1,
                beta2=BETA2,
                epsilon=EPSILON,
                grad=gradient,
            )

    def apply_rows(self, gradients: Mapping[str, Any], rows: Any, rate: Any, step: Any) -> None:
        """Update the rows of distinct numbers `rows`; the moments of other rows stay as they are."""
        first_power, second_power = self._powers(step)
        rate = rate * tf.sqrt(1.0 - second_power) / (1.0 - first_power)
        for name, gradient in gradients.items():
            first, second = self.moments[f"first/{name}"], self.moments[f"second/{name}"]
            new_first = BETA1 * tf.gather(first, rows) + (1.0 - BETA1) * gradient
            new_second = BETA2 * tf.gather(second, rows) + (1.0 - BETA2) * gradient * gradient
            _scatter(first, rows, new_first)
            _scatter(second, rows, new_second)
            change = rate * new_first / (tf.sqrt(new_second) + EPSILON)
            variable = self._sparse[name]
            _scatter(variable, rows, tf.gather(variable, rows) - change)

    @staticmethod
    def _powers(step: Any) -> tuple[Any, Any]:
        step = tf.cast(step, tf.float32)
        return tf.pow(BETA1, step), tf.pow(BETA2, step)


def clip(gradients: Sequence[Any], limit: float) -> tuple[list[Any], Any]:
    """Scale gradients down to a common norm of at most `limit`; return them and the norm they had."""
    norm = tf.linalg.global_norm(gradients)
    scale = limit / tf.maximum(norm, limit)
    return [gradient * scale for gradient in gradients], norm


def _scatter(variable: Any, rows: Any, values: Any) -> None:
    tf.raw_ops.ResourceScatterUpdate(resource=variable.handle, indices=rows, updates=values)
