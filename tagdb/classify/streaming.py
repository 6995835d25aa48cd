"""Fit a logistic regression to rows in a file: each step of the solver reads them once, in bounded memory.

The objective, the solver and its stopping rule are those of scikit-learn's `LogisticRegression(solver="lbfgs")` on
standardised columns. The standardising is folded into the products, so that the rows are read as they lie.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from tagdb.classify import checking
from tagdb.classify.fitting import TOLERANCE, FitResult, package_versions
from tagdb.classify.linear import LinearModel
from tagdb.classify.spilled import SpilledRows
from tagdb.classify.standardise import Moments

Array = NDArray[np.float64]


def fit_spilled(
    rows: SpilledRows,
    classes: Sequence[str],
    *,
    max_iter: int = 500,
    C: float = 1.0,
    on_iteration: Callable[[int], None] = lambda _: None,
) -> FitResult:
    """Fit a weighted logistic regression: the one `fit` gives for the same rows in memory, up to rounding.

    Args:
        rows: all rows, appended.
        classes: the labels, no two alike.
        max_iter: L-BFGS iterations at most. Each reads the file once, rarely twice.
        C: inverse strength of the L2 penalty on the weights of the standardised columns.
        on_iteration: called with the number of each iteration when it is done.

    Raises InputRefused for fewer than two classes, a class with fewer than two rows, or values that are not finite.
    """
    from scipy.optimize import minimize  # type: ignore[import-untyped]
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    checking.check_classes(classes)
    checking.check_counts(rows.counts, classes)
    assert rows.moments is not None
    scaling = rows.moments.scaling()
    checking.check_finite(scaling.mean)
    iterations = 0

    def count(_: Array) -> None:
        nonlocal iterations
        iterations += 1
        on_iteration(iterations)

    objective = Objective(rows, rows.moments, C=C)
    # Threads of BLAS wait for one another at every block; threads with rows of their own need not.
    with threadpool_limits(1, user_api="blas"):
        found = minimize(
            objective,
            np.zeros(objective.n_parameters),
            jac=True,
            method="L-BFGS-B",
            callback=count,
            # The limits that scikit-learn sets otherwise than scipy.
            options={"maxiter": max_iter, "gtol": TOLERANCE, "ftol": 64 * np.finfo(float).eps, "maxls": 50},
        )
    coef, intercept = scaling.fold(*objective.unpack(found.x))
    return FitResult(
        LinearModel(tuple(classes), coef, intercept),
        converged=found.status == 0,
        n_iter=int(found.nit),
        versions=package_versions("scipy", "numpy"),
    )


class Objective:
    """The weighted mean of the rows' log losses plus the L2 penalty, and its gradient, by standardised columns.

    Parameters are a flat float64 array of `n_parameters`: for each output its `dim` weights, then its intercept. Two
    classes have one output, the log-odds of the second; more have one each.
    """

    def __init__(self, rows: SpilledRows, moments: Moments, *, C: float) -> None:
        self._rows = rows
        self._shift, self._scale = moments.shift, moments.scaling().scale
        self._weight = moments.weight
        self._penalty = 1 / (C * moments.weight)
        self._n_outputs = 1 if len(rows.counts) == 2 else len(rows.counts)

    @property
    def n_parameters(self) -> int:
        """How many numbers are fitted."""
        return self._n_outputs * (self._rows.dim + 1)

    def unpack(self, parameters: Array) -> tuple[Array, Array]:
        """Give the weights (n_outputs, dim) and the intercepts (n_outputs,) in the parameters."""
        table = parameters.reshape(self._n_outputs, -1)
        return table[:, :-1], table[:, -1]

    def __call__(self, parameters: Array) -> tuple[float, Array]:
        """Give the value and the gradient, of the shape of the parameters, in one pass over the rows."""
        coef, intercept = self.unpack(parameters)
        # The intercept is that of the rounded weights, so that their rounding cancels at the mean.
        raw = (coef / self._scale).astype(np.float32)
        loss, by_raw, by_intercept = self._pass(raw, intercept - raw @ self._shift)
        by_coef = (by_raw - np.outer(by_intercept, self._shift)) / self._scale
        value = loss / self._weight + 0.5 * self._penalty * float(np.sum(coef**2))
        gradient = np.column_stack([by_coef / self._weight + self._penalty * coef, by_intercept / self._weight])
        return value, gradient.ravel()

    def _pass(self, coef: NDArray[np.float32], intercept: Array) -> tuple[float, Array, Array]:
        """Sum the losses and their gradients over all rows, each thread over a part of its own."""
        threads = _cores()
        bounds = np.linspace(0, len(self._rows), threads + 1).astype(int).tolist()
        with ThreadPoolExecutor(threads, "tagdb-fit") as pool:
            parts = pool.map(lambda first, last: self._sum(first, last, coef, intercept), bounds[:-1], bounds[1:])
            losses, by_coef, by_intercept = zip(*parts, strict=True)
        return sum(losses), sum(by_coef), sum(by_intercept)

    def _sum(self, first: int, last: int, coef: NDArray[np.float32], intercept: Array) -> tuple[float, Array, Array]:
        total, by_coef, by_intercept = 0.0, np.zeros(coef.shape), np.zeros(intercept.shape)
        for block in self._rows.blocks(first, last):
            outputs = block["offset"] @ coef.T + intercept
            losses, residual = _losses_and_residuals(outputs, block["label"])
            total += float(block["weight"] @ losses)
            residual *= block["weight"][:, np.newaxis]
            by_coef += residual.T.astype(np.float32) @ block["offset"]
            by_intercept += residual.sum(axis=0)
        return total, by_coef, by_intercept


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


def _cores() -> int:
    """How many threads can run at a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
