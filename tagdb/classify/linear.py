"""A fitted classifier as plain weights: SQL or numpy can apply it without the library that fitted it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagdb.errors import InputRefused


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Logistic regression over raw, unscaled vectors.

    With two classes there is one output, the log-odds of `classes[1]`; with more there is
    one per class, and the probabilities are their softmax.

    Attributes:
        classes: the n_classes labels, in the order of the probabilities' columns.
        coef: float32 (n_outputs, dim).
        intercept: float64 (n_outputs,).
    """

    classes: tuple[str, ...]
    coef: NDArray[np.float32]
    intercept: NDArray[np.float64]

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give the probability of each class as float64 (n, n_classes) for float32 vectors (n, dim).

        Raises InputRefused when the vectors have another dimension than the model.
        """
        if X.ndim != 2 or X.shape[1] != self.coef.shape[1]:
            raise InputRefused(
                f"the classifier takes vectors of {self.coef.shape[1]} numbers, not shape {X.shape}",
                hint="train a classifier on the embedder in use: tagdb train",
            )
        return _softmax(self._scores(X))

    def _scores(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        outputs = X @ self.coef.T + self.intercept
        if len(self.classes) > 2:
            return outputs
        return np.hstack([np.zeros_like(outputs), outputs])


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    # Subtracting the largest score keeps exp from overflowing and changes no probability.
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return probabilities
