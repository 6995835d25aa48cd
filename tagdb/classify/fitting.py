"""Fit a logistic regression to vectors that memory holds, without a second copy, and hand back plain weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tagdb.classify import checking
from tagdb.classify.linear import LinearModel
from tagdb.classify.standardise import Scaling
from tagdb.errors import InputRefused

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

TOLERANCE = 3e-4
"""Largest component of the mean gradient at which the solver stops.

Sampling alone moves the gradient by about 1/sqrt(n), more than this up to ten million rows: a smaller one costs
iterations and wins no accuracy.
"""


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted model and how it came about: `converged` is False when `n_iter` reached the limit first."""

    model: LinearModel
    converged: bool
    n_iter: int
    versions: dict[str, str]


def fit(
    X: NDArray[np.float32],
    y: NDArray[np.integer],
    sample_weight: NDArray[np.number],
    classes: Sequence[str],
    *,
    seed: int,
    max_iter: int = 500,
    C: float = 1.0,
) -> FitResult:
    """Fit a weighted logistic regression: binomial for two classes, multinomial for more.

    **X is overwritten** with its standardised values: it may be large, and no copy of it is made.

    Args:
        X: float32 (n, dim), C-contiguous and writeable; overwritten.
        y: integer (n,), the class of each row as an index into `classes`.
        sample_weight: (n,), finite and positive: how many questions each row stands for.
        classes: the labels, no two alike.
        seed: handed to scikit-learn; its L-BFGS solver draws nothing, so the fit is the same for every seed.
        max_iter: L-BFGS iterations at most. Each reads X twice.
        C: inverse strength of the L2 penalty on the weights of the standardised columns.

    Raises InputRefused for fewer than two classes, a class with fewer than two rows, values that are not
    finite, or arrays whose shapes do not fit together; X is untouched then.
    """
    _require_overwritable(X)
    checking.check_rows(X, y, sample_weight)
    checking.check_classes(classes)
    checking.check_counts(checking.count_labels(y, len(classes)), classes)
    weight = np.asarray(sample_weight, dtype=np.float64)
    scaling = Scaling.of(X, weight)
    checking.check_finite(scaling.mean)
    scaling.apply(X)
    estimator, converged = _fit_standardised(X, y, weight, C=C, max_iter=max_iter, random_state=seed)
    coef, intercept = scaling.fold(estimator.coef_, estimator.intercept_)
    return FitResult(
        LinearModel(tuple(classes), coef, intercept),
        converged=converged,
        n_iter=int(estimator.n_iter_[0]),
        versions=package_versions("scikit-learn", "scipy", "numpy"),
    )


def package_versions(*packages: str) -> dict[str, str]:
    """Give the installed release of each package."""
    return {package: version(package) for package in packages}


def _fit_standardised(
    X: NDArray[np.float32],
    y: NDArray[np.integer],
    weight: NDArray[np.float64],
    **options: float,
) -> tuple[LogisticRegression, bool]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # Of the solvers quick on this many rows, only this one takes float32 as it lies (from release 1.9 on).
    estimator = LogisticRegression(solver="lbfgs", tol=TOLERANCE, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        estimator.fit(X, y, sample_weight=weight)
    converged = True
    for each in caught:
        if issubclass(each.category, ConvergenceWarning):
            converged = False
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return estimator, converged


def _require_overwritable(X: NDArray[np.float32]) -> None:
    if X.ndim != 2 or X.dtype != np.float32 or not X.flags.c_contiguous or not X.flags.writeable:
        raise InputRefused(
            f"cannot train in place on an array of {X.dtype} of shape {X.shape}",
            hint="pass a writeable, C-contiguous float32 matrix: numpy.array(X, dtype='float32', order='C')",
        )
