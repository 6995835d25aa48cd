"""What every fit demands of its rows, wherever they are held."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagdb import shortening
from tagdb.errors import InputRefused

_LEAST_TEXTS_PER_CLASS = 2


def check_rows(X: NDArray[np.float32], y: NDArray[np.integer], sample_weight: NDArray[np.number]) -> None:
    """Refuse vectors (n, dim) without one label and one positive weight each."""
    if y.shape != (len(X),) or y.dtype.kind not in "iu" or sample_weight.shape != (len(X),):
        raise InputRefused(
            f"{len(X)} vectors, but {y.dtype} labels of shape {y.shape} and weights of {sample_weight.shape}",
            hint="pass one label, as an integer, and one weight for each vector",
        )
    if not (np.isfinite(sample_weight).all() and (sample_weight > 0).all()):
        raise InputRefused("a sample weight is not a positive number", hint="leave out rows of no weight")


def check_classes(classes: Sequence[str]) -> None:
    """Refuse fewer than two classes, or two alike."""
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise InputRefused(
            f"a classifier needs two or more different classes, not {shortening.named(classes) or 'none'}",
            hint="select questions of at least two labels in the training query",
        )


def count_labels(y: NDArray[np.integer], n_classes: int) -> NDArray[np.int64]:
    """Count the rows of each class, (n_classes,); refuse labels that index none."""
    if len(y) and not 0 <= y.min() <= y.max() < n_classes:
        raise InputRefused(
            f"labels from {y.min()} to {y.max()} do not index {n_classes} classes",
            hint="pass each label as its position in classes",
        )
    return np.bincount(y, minlength=n_classes)


def check_counts(counts: NDArray[np.int64], classes: Sequence[str]) -> None:
    """Refuse classes with too few rows to learn from."""
    rare = [name for name, count in zip(classes, counts, strict=True) if count < _LEAST_TEXTS_PER_CLASS]
    if rare:
        raise InputRefused(
            f"too few different texts to learn from (two are needed) for: {shortening.named(rare)}",
            hint="label more questions of that class, or leave it out of the training query",
        )


def check_finite(mean: NDArray[np.float64]) -> None:
    """Refuse rows whose mean, (dim,), shows that one of them is not finite."""
    if not np.isfinite(mean).all():
        raise InputRefused("some training vectors hold NaN or infinity", hint="find them with: tagdb verify")
