"""Metrics as text for a terminal or a file: the classification report, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tagdb.classify import largest
from tagdb.classify.metrics import Metrics

_LONGEST_NAME = 32
_AVERAGES = ("macro avg", "weighted avg")
_MOST_CLASSES = 50


def one_line(name: str, longest: int = _LONGEST_NAME) -> str:
    """Give a class name on one line, its end cut off with an ellipsis where it is too long to lay out."""
    flat = " ".join(name.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def render_report(metrics: Metrics, *, digits: int = 4) -> str:
    """Lay out precision, recall, F1 and support by class, then the averages, as scikit-learn does.

    Of many classes only the largest have a line; the averages are of all.
    """
    places, more = largest.places(metrics, _MOST_CLASSES), largest.rest(metrics, _MOST_CLASSES)
    names = [one_line(metrics.classes[place]) for place in places]
    width = max(map(len, (*names, _AVERAGES[-1], *more)))
    columns = ("precision", "recall", "f1-score", "support")

    def line(name: str, scores: Sequence[float | None], support: int) -> str:
        cells = ["" if score is None else f"{score:.{digits}f}" for score in scores]
        return " ".join([f"{name:>{width}} ", *(f"{cell:>9}" for cell in (*cells, support))])

    table = np.array([(c.precision, c.recall, c.f1) for c in metrics.per_class.values()])
    support = np.array([c.support for c in metrics.per_class.values()])
    means = table.mean(axis=0), support @ table / metrics.rows
    shown = zip(names, table[places].tolist(), support[places].tolist(), strict=True)
    lines = [
        " ".join([" " * width + " ", *(f"{title:>9}" for title in columns)]),
        "",
        *(line(*row) for row in shown),
        *(f"{name:>{width}}" for name in more),
        "",
        line("accuracy", (None, None, metrics.accuracy), metrics.rows),
        *(line(name, mean.tolist(), metrics.rows) for name, mean in zip(_AVERAGES, means, strict=True)),
    ]
    return "\n".join(lines) + "\n"


def render_confusion(metrics: Metrics, *, width: int = 100) -> str:
    """Lay out the counts, true classes down and predicted ones across, within `width` characters if possible.

    Zeros are dots. Where names do not fit over the columns, these bear the row's number instead; columns that
    do not fit side by side go on in a further block below. Of many classes the largest are told apart, and the rest
    counted together.
    """
    cells = [
        [f"{count:,}" if count else "." for count in row] for row in largest.confusion(metrics, _MOST_CLASSES).tolist()
    ]
    widest = max(len(cell) for row in cells for cell in row)
    names = _names(metrics)
    rows, heads = names, names
    if max(map(len, names)) + len(names) * (max(widest, *map(len, names)) + 2) > width:
        heads = [str(number) for number in range(1, len(names) + 1)]
        digits = len(heads[-1])
        rows = [f"{number:>{digits}} {name}" for number, name in zip(heads, names, strict=True)]
    return "\n".join(_blocks(rows, heads, cells, width)) + "\n"


def _names(metrics: Metrics) -> list[str]:
    shown = [one_line(metrics.classes[place]) for place in largest.places(metrics, _MOST_CLASSES)]
    return [*shown, *largest.rest(metrics, _MOST_CLASSES)]


def _blocks(rows: list[str], heads: list[str], cells: list[list[str]], width: int) -> Iterator[str]:
    corner = "actual \\ predicted"
    left = max(map(len, (*rows, corner)))
    column = 2 + max(len(text) for texts in (heads, *cells) for text in texts)
    per_block = max(1, (width - left) // column)
    for start in range(0, len(heads), per_block):
        block = slice(start, start + per_block)
        if start:
            yield ""
        for name, texts in zip((corner, *rows), (heads, *cells), strict=True):
            yield f"{name:<{left}}" + "".join(f"{text:>{column}}" for text in texts[block])
