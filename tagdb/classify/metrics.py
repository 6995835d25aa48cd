"""How good a classifier is, derived from counts alone: a database can count, so no prediction leaves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tagdb.errors import InputRefused


@dataclass(frozen=True)
class ClassMetrics:
    """Precision, recall and F1 of one class, and its support: how many rows truly are of it."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Metrics:
    """Scores over labelled rows. A ratio over nothing (a class never predicted, or never there) counts as 0.

    Attributes:
        f1: of the second class, the positive one, where there are two; otherwise the same as `macro_f1`.
        macro_f1: the mean over classes.
        weighted_f1: the mean over rows.
        confusion: counts, `confusion[true][predicted]`, in the order of `classes`.
        rows: the sum of `confusion`.
    """

    accuracy: float
    macro_f1: float
    weighted_f1: float
    f1: float
    per_class: dict[str, ClassMetrics]
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Give a plain dict that `json.dumps` takes and `from_json` reads back."""
        return {
            **asdict(self),
            "confusion": [list(row) for row in self.confusion],
            "classes": list(self.classes),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Metrics:
        """Rebuild from `to_json`'s dict: the scores follow from its `confusion` and `classes`.

        Raises InputRefused when those are missing or do not fit together.
        """
        try:
            confusion, classes = stored["confusion"], stored["classes"]
        except KeyError as missing:
            raise InputRefused(f"stored metrics lack {missing}", hint="train again: tagdb train") from None
        return metrics_from_confusion(confusion, classes)


def metrics_from_confusion(confusion: ArrayLike, classes: Sequence[str]) -> Metrics:
    """Score a matrix of counts (n_classes, n_classes): true classes in rows, predicted ones in columns.

    Raises InputRefused when it is not square over `classes`, holds anything but counts, or counts no row.
    """
    counts = _checked_counts(confusion, classes)
    hits, support, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    precision, recall = _ratio(hits, predicted), _ratio(hits, support)
    f1 = _ratio(2 * hits, support + predicted)
    macro_f1 = float(f1.mean())
    rows = int(counts.sum())
    columns = zip(precision.tolist(), recall.tolist(), f1.tolist(), support.tolist(), strict=True)
    return Metrics(
        accuracy=float(hits.sum() / rows),
        macro_f1=macro_f1,
        weighted_f1=float(f1 @ support / rows),
        f1=float(f1[1]) if len(classes) == 2 else macro_f1,
        per_class={name: ClassMetrics(*column) for name, column in zip(classes, columns, strict=True)},
        confusion=tuple(tuple(row) for row in counts.tolist()),
        classes=tuple(classes),
        rows=rows,
    )


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return part / np.maximum(whole, 1)


def _checked_counts(confusion: ArrayLike, classes: Sequence[str]) -> NDArray[np.int64]:
    counts = np.asarray(confusion)
    n = len(classes)
    if counts.shape != (n, n) or len(set(classes)) < n:
        raise InputRefused(
            f"a confusion matrix of shape {counts.shape} does not fit {n} classes",
            hint="count every pair of true and predicted class once, absent pairs as 0",
        )
    if counts.dtype.kind not in "iu" or (counts < 0).any():
        raise InputRefused("a confusion matrix holds something other than counts", hint="count rows: count(*) in SQL")
    if not counts.any():
        raise InputRefused(
            "there are no labelled rows to score on", hint="label some questions, or hold out a larger share"
        )
    return counts.astype(np.int64)
