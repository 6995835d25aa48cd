"""Of many classes, those with the most rows: what a page or a picture has room for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tagdb.classify.metrics import Metrics


def places(metrics: Metrics, most: int) -> list[int]:
    """Return the places of at most `most` classes, those with the most rows, in the order of the classes."""
    support = np.array(metrics.confusion).sum(axis=1)
    return sorted(np.argsort(-support, kind="stable")[:most].tolist())


def rest(metrics: Metrics, most: int) -> list[str]:
    """Name the classes that `places` leaves out, as one, if there are any."""
    left = len(metrics.classes) - most
    return [f"… and {left:,} more"] if left > 0 else []


def confusion(metrics: Metrics, most: int) -> NDArray[np.int64]:
    """Return the confusion matrix with the classes that `places` leaves out counted together, as the last."""
    counts, shown = np.array(metrics.confusion, dtype=np.int64), places(metrics, most)
    if len(shown) == len(counts):
        return counts
    group = np.full(len(counts), len(shown))
    group[shown] = np.arange(len(shown))
    summed = np.zeros((len(shown) + 1, len(shown) + 1), dtype=np.int64)
    np.add.at(summed, (group[:, None], group), counts)
    return summed
