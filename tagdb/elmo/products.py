"""Matrix products in an embedder's precision, with results that are alike on every machine."""

from __future__ import annotations

from typing import Any

from tagdb.elmo._tensorflow import tf
from tagdb.elmo.precision import BF16, has_bf16_instructions


class Products:
    """Products of float32 values: in precision bf16, factors and results are rounded to bfloat16, sums are not.

    Where the processor has no instructions for it, the rounded values are multiplied in float32. TensorFlow's own
    product of bfloat16 widens the kernel there at every call, and cuts its results off instead of rounding them.
    """

    def __init__(self, precision: str) -> None:
        self._is_rounded = precision == BF16
        self._is_native = self._is_rounded and has_bf16_instructions()

    def kernel(self, values: Any) -> Any:
        """Return values, shape (n, m), as `of` takes them."""
        return tf.cast(values, tf.bfloat16) if self._is_native else self._rounded(tf.constant(values))

    def of(self, x: Any, kernel: Any) -> Any:
        """Return x·kernel, shape (k, m), of x of shape (k, n)."""
        if self._is_native:
            return tf.cast(tf.matmul(tf.cast(x, tf.bfloat16), kernel), tf.float32)
        return self._rounded(tf.matmul(self._rounded(x), kernel))

    def _rounded(self, values: Any) -> Any:
        return tf.cast(tf.cast(values, tf.bfloat16), tf.float32) if self._is_rounded else values
