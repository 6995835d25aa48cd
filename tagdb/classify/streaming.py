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

from tagdb.classify import checking, summing
from tagdb.classify.fitting import TOLERANCE, FitResult, package_versions
from tagdb.classify.linear import LinearModel
from tagdb.classify.spilled import SpilledRows
from tagdb.classify.standardise import Moments
from tagdb.classify.summing import Array, SummedRows, Sums


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
    return fit_summed(RowsHere(rows), classes, max_iter=max_iter, C=C, on_iteration=on_iteration)


def fit_summed(
    rows: SummedRows,
    classes: Sequence[str],
    *,
    max_iter: int = 500,
    C: float = 1.0,
    on_iteration: Callable[[int], None] = lambda _: None,
) -> FitResult:
    """Fit the same to rows that are wherever they are; see `fit_spilled`."""
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


class RowsHere:
    """Rows in a file of this machine, summed by all of its processors."""

    def __init__(self, rows: SpilledRows) -> None:
        self._rows = rows
        self.dim, self.counts, self.moments = rows.dim, rows.counts, rows.moments

    def sums(self, coef: NDArray[np.float32], intercept: Array) -> Sums:
        """Sum over all rows, range after range."""
        with ThreadPoolExecutor(_cores(), "tagdb-fit") as pool:
            ranges = summing.ranges(len(self._rows))
            return summing.add(
                summing.sum_range(pool, self._rows, first, last, coef, intercept) for first, last in ranges
            )


class Objective:
    """The weighted mean of the rows' log losses plus the L2 penalty, and its gradient, by standardised columns.

    Parameters are a flat float64 array of `n_parameters`: for each output its `dim` weights, then its intercept. Two
    classes have one output, the log-odds of the second; more have one each.
    """

    def __init__(self, rows: SummedRows, moments: Moments, *, C: float) -> None:
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
        sums = self._rows.sums(raw, intercept - raw @ self._shift)
        by_coef = (sums.by_coef - np.outer(sums.by_intercept, self._shift)) / self._scale
        value = sums.loss / self._weight + 0.5 * self._penalty * float(np.sum(coef**2))
        gradient = np.column_stack([by_coef / self._weight + self._penalty * coef, sums.by_intercept / self._weight])
        return value, gradient.ravel()


def _cores() -> int:
    """How many threads can run at a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
