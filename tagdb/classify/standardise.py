"""Standardise a matrix that fills most of the memory, without a second one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK_ROWS = 4096

# A column that varies less than this share of its mean carries no signal that a float32 inner product over
# raw vectors could show: dividing by its spread would only blow up rounding.
_LEAST_RELATIVE_SPREAD = 1e-5
_LEAST_SPREAD = 1e-30


@dataclass(frozen=True, eq=False)
class Scaling:
    """The weighted mean and the divisor of each column, both float64 (dim,).

    The divisor is the population standard deviation, and 1 for a column without variance.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def of(cls, X: NDArray[np.float32], weight: NDArray[np.float64]) -> Scaling:
        """Measure float32 (n, dim) rows under positive weights (n,); not finite where a column is not."""
        moments = Moments(X[0])
        for rows in _blocks(len(X)):
            moments.add(X[rows], weight[rows])
        return moments.scaling()

    def apply(self, X: NDArray[np.float32]) -> None:
        """Overwrite float32 (n, dim) rows with their standardised values."""
        for rows in _blocks(len(X)):
            X[rows] = (X[rows] - self.mean) / self.scale

    def fold(
        self, coef: NDArray[np.floating], intercept: NDArray[np.floating]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Turn weights (n_outputs, dim) and (n_outputs,) for standardised rows into weights for raw rows.

        The intercept is computed from the rounded weights, so that their rounding cancels at the mean.
        What is left is the rounding of a float32 inner product over raw rows, growing with |mean| / scale:
        with 1024 columns, 1e-6 in a probability at a ratio of 1, 1e-5 at 10, 1e-4 at 100.
        """
        raw = (coef / self.scale).astype(np.float32)
        return raw, intercept - raw @ self.mean


class Moments:
    """Weighted sums over rows that come in blocks, from which follows how to standardise them.

    Args:
        origin: (dim,), a row or a value near them all. Differences from it are exactly zero in a constant column,
            and small in most others, so that nothing cancels.
    """

    def __init__(self, origin: NDArray[np.floating]) -> None:
        self.origin = origin.astype(np.float64)
        self.weight = 0.0
        self._first, self._second = np.zeros((2, len(origin)))

    @property
    def shift(self) -> NDArray[np.float64]:
        """How far the weighted mean lies from the origin."""
        return self._first / self.weight

    def add(self, rows: NDArray[np.float32], weight: NDArray[np.float64]) -> None:
        """Count float32 (n, dim) rows with positive weights (n,)."""
        with np.errstate(invalid="ignore"):
            offset = rows - self.origin
            self._first += weight @ offset
            np.square(offset, out=offset)
            self._second += weight @ offset
        self.weight += float(weight.sum())

    def merge(self, other: Moments) -> None:
        """Count the rows that `other`, of the same origin, has counted."""
        assert np.array_equal(self.origin, other.origin, equal_nan=True)
        self._first += other._first
        self._second += other._second
        self.weight += other.weight

    def scaling(self) -> Scaling:
        """Give the scaling of all rows counted so far."""
        with np.errstate(invalid="ignore"):
            mean = self.origin + self.shift
            std = np.sqrt(np.maximum(self._second / self.weight - self.shift**2, 0.0))
            varies = std > np.maximum(_LEAST_RELATIVE_SPREAD * np.abs(mean), _LEAST_SPREAD)
        return Scaling(mean, np.where(varies, std, 1.0))


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK_ROWS) for start in range(0, n, _BLOCK_ROWS))
