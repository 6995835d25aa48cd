"""The confusion matrix as a picture in a file: no window, and no state shared between pictures."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tagdb import pictures
from tagdb.classify import largest
from tagdb.classify.metrics import Metrics
from tagdb.classify.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST_NAME = 24
_INK = "#262626"
_FAINT = "#9aa5b1"
_MOST_CLASSES_WITH_ZEROS = 10
_MOST_CLASSES = 60


def plot_confusion(metrics: Metrics, path: Path, title: str) -> None:
    """Draw the confusion matrix as a heatmap to a .png, .svg or .pdf file, by the suffix of `path`.

    Cells hold counts; their colour is the share of the true class's rows, so that rare classes show too.
    Of many classes the largest are told apart, and the rest counted together.
    Raises InputRefused for another suffix, or a path that cannot be written.
    """
    pictures.require_drawable(path)
    pictures.save(_draw(metrics, title), path)


def _draw(metrics: Metrics, title: str) -> Figure:
    from matplotlib.figure import Figure

    shown = [metrics.classes[place] for place in largest.places(metrics, _MOST_CLASSES)]
    names = [one_line(name, _LONGEST_NAME) for name in (*shown, *largest.rest(metrics, _MOST_CLASSES))]
    letters = max(map(len, names))
    cell = float(np.interp(len(names), (2, 6, 12), (1.5, 1.0, 0.52)))
    side = len(names) * cell
    figure = Figure(figsize=(side + 0.08 * letters + 2, side + 0.06 * letters + 1.2), layout="constrained")
    axes = figure.add_subplot()
    counts = largest.confusion(metrics, _MOST_CLASSES)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, format=lambda share, _: f"{share:.0%}")
    bar.set_label("share of the actual class", color=_INK)
    bar.outline.set_visible(False)
    _label_axes(axes, names)
    _annotate(axes, counts, shares, cell)
    _entitle(axes, metrics, title, side)
    return figure


def _entitle(axes: Axes, metrics: Metrics, title: str, side: float) -> None:
    large = float(np.interp(side, (3, 15), (12, 18)))
    scores = f"accuracy {metrics.accuracy:.4f}   {_f1_name(metrics)} {metrics.f1:.4f}   {metrics.rows:,} rows"
    lines = textwrap.fill(one_line(title, 160), int((side + 1) * 130 / large))
    axes.set_title(lines, fontsize=large, color=_INK, pad=1.9 * large, parse_math=False)
    axes.annotate(
        scores,
        (0.5, 1),
        (0, 0.6 * large),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        fontsize=0.75 * large,
        color=_INK,
        parse_math=False,
    )


def _f1_name(metrics: Metrics) -> str:
    return f"F1 of {one_line(metrics.classes[1], _LONGEST_NAME)}" if len(metrics.classes) == 2 else "macro F1"


def _label_axes(axes: Axes, names: list[str]) -> None:
    ticks = range(len(names))
    slanted = len(names) > 6 or max(map(len, names)) > 12
    axes.set_xticks(ticks, names, rotation=45 if slanted else 0, ha="right" if slanted else "center")
    axes.set_yticks(ticks, names)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)
        text.set_rotation_mode("anchor")
    axes.set_xlabel("predicted", color=_INK)
    axes.set_ylabel("actual", color=_INK)
    axes.spines[:].set_visible(False)
    borders = np.arange(len(names) + 1) - 0.5
    axes.set_xticks(borders, minor=True)
    axes.set_yticks(borders, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0, labelcolor=_INK)


def _annotate(axes: Axes, counts: NDArray[np.int64], shares: NDArray[np.float64], cell: float) -> None:
    longest = len(f"{counts.max():,}")
    size = min(13.0, 72 * cell * 0.9 / (0.65 * longest))
    many = len(counts) > _MOST_CLASSES_WITH_ZEROS
    for (row, column), count in np.ndenumerate(counts):
        if many and not count:
            continue
        colour = "white" if shares[row, column] > 0.55 else _INK if count else _FAINT
        axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=size, color=colour)
