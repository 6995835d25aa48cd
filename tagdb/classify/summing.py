"""Sums over training rows, for one step of a solver: the same ones however many processors and machines compute them.

Rows are divided by their number alone, into ranges, which may lie on different machines, and each of these into parts,
for the processors of one. What the parts give is added in their order, then what the ranges give in theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tagdb.classify.spilled import SpilledRows
from tagdb.classify.standardise import Moments

Array = NDArray[np.float64]

MOST_RANGES = 64
LEAST_ROWS = 1 << 16
_MOST_PARTS = 64
_LEAST_ROWS_OF_PART = 1 << 12


@dataclass(frozen=True, eq=False)
class Sums:
    """The weighted sum of the log losses of rows, and its derivatives by the outputs' weights and intercepts."""

    loss: float
    by_coef: Array
    by_intercept: Array


class SummedRows(Protocol):
    """Training rows, wherever they are, that sums are computed over."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many rows each class has."""
        ...

    @property
    def moments(self) -> Moments | None:
        """The moments of the columns, None without a row."""
        ...

    def sums(self, coef: NDArray[np.float32], intercept: Array) -> Sums:
        """Sum over all rows, whose offsets from the moments' origin have (n_outputs, dim) weights and intercepts."""
        ...


def ranges(n_rows: int) -> list[tuple[int, int]]:
    """Divide rows into ranges, each from its first to before its last row; how many depends on nothing else."""
    size = max(LEAST_ROWS, -(-n_rows // MOST_RANGES))
    return [(first, min(first + size, n_rows)) for first in range(0, n_rows, size)]


def sum_range(
    pool: ThreadPoolExecutor, rows: SpilledRows, first: int, last: int, coef: NDArray[np.float32], intercept: Array
) -> Sums:
    """Sum over the rows from `first` to before `last`, each of the pool's threads over parts of its own."""
    size = max(_LEAST_ROWS_OF_PART, -(-(last - first) // _MOST_PARTS))
    starts = range(first, last, size)
    return add(pool.map(lambda start: _sum(rows, start, min(start + size, last), coef, intercept), starts))


def add(parts: Iterable[Sums]) -> Sums:
    """Add sums in the order in which they are given; there is at least one."""
    each = iter(parts)
    total = next(each)
    loss, by_coef, by_intercept = total.loss, total.by_coef.copy(), total.by_intercept.copy()
    for part in each:
        loss += part.loss
        by_coef += part.by_coef
        by_intercept += part.by_intercept
    return Sums(loss, by_coef, by_intercept)


def _sum(rows: SpilledRows, first: int, last: int, coef: NDArray[np.float32], intercept: Array) -> Sums:
    total, by_coef, by_intercept = 0.0, np.zeros(coef.shape), np.zeros(intercept.shape)
    for block in rows.blocks(first, last):
        outputs = block["offset"] @ coef.T + intercept
        losses, residual = _losses_and_residuals(outputs, block["label"])
        total += float(block["weight"] @ losses)
        residual *= block["weight"][:, np.newaxis]
        by_coef += residual.T.astype(np.float32) @ block["offset"]
        by_intercept += residual.sum(axis=0)
    return Sums(total, by_coef, by_intercept)


def _losses_and_residuals(outputs: Array, labels: NDArray[np.integer]) -> tuple[Array, Array]:
    """Give the log losses (n,) of outputs (n, n_outputs), and their derivatives by them (n, n_outputs)."""
    scores = outputs if outputs.shape[1] > 1 else np.hstack([np.zeros_like(outputs), outputs])
    rows = np.arange(len(labels))
    scores -= scores.max(axis=1, keepdims=True)
    own = scores[rows, labels]
    odds = np.exp(scores)
    total = odds.sum(axis=1)
    residual = odds / total[:, np.newaxis]
    residual[rows, labels] -= 1
    return np.log(total) - own, residual[:, -outputs.shape[1] :]
