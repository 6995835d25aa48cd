"""A run's course as a picture in a file: what is learnt, and how much of it holds for texts never learnt."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

from tagdb import pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tagdb.elmo.training.checkpoint import Epoch

_INK, _RULE = "#262626", "#d9dee3"
_LINE, _BEST = "#2f6db0", "#c2410c"
_LONGEST_TITLE = 90
_TAGS = "nearest tag right"


def plot_curve(epochs: Sequence[Epoch], best: Epoch, path: Path, title: str) -> None:
    """Draw held-out perplexity, training loss and, where texts have tags, tag accuracy over the tokens learnt.

    The file's type is that of the suffix of `path`: .png, .svg or .pdf.
    Raises InputRefused for another suffix, or a path that cannot be written.
    """
    pictures.require_drawable(path)
    pictures.save(_draw(epochs, best, title), path)


def _draw(epochs: Sequence[Epoch], best: Epoch, title: str) -> Figure:
    from matplotlib.figure import Figure

    panels = _panels(epochs)
    figure = Figure(figsize=(7, 0.8 + 2.1 * len(panels)), layout="constrained")
    tokens = [epoch.tokens for epoch in epochs]
    place = epochs.index(best)
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, values) in zip(rows, panels.items(), strict=True):
        axes.plot(tokens, values, color=_LINE, marker="o", markersize=4, linewidth=1.6)
        axes.plot(tokens[place], values[place], color=_BEST, marker="o", markersize=8)
        axes.set_ylabel(name, color=_INK)
        _style(axes)
    rows[-1].xaxis.set_major_formatter(lambda n, _: f"{n / 1e6:g} M" if n >= 1e6 else f"{n:,.0f}")
    if _TAGS in panels:
        rows[-1].yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    rows[-1].set_xlabel("tokens learnt", color=_INK)
    rows[0].set_title(f"epoch {best.number} is kept: {_measures(best)}", color=_BEST, fontsize=10, loc="left")
    shown = textwrap.shorten(title, _LONGEST_TITLE, placeholder=" …")
    figure.suptitle(shown, color=_INK, parse_math=False)
    return figure


def _panels(epochs: Sequence[Epoch]) -> dict[str, list[float]]:
    language = [epoch if epoch.taught_language else None for epoch in epochs]
    panels = {
        "held-out perplexity": [epoch.held_out.perplexity if epoch else nan for epoch in language],
        "training loss, nats": [epoch.language_loss if epoch else nan for epoch in language],
    }
    accuracies = [epoch.held_out.tag_accuracy for epoch in epochs]
    return panels | ({} if None in accuracies else {_TAGS: [each or 0.0 for each in accuracies]})


def _measures(best: Epoch) -> str:
    perplexity, accuracy = best.held_out.perplexity, best.held_out.tag_accuracy
    digits = 1 if perplexity >= 10 else 2
    return f"perplexity {perplexity:,.{digits}f}" + ("" if accuracy is None else f", {accuracy:.1%} of tags right")


def _style(axes: Axes) -> None:
    axes.ticklabel_format(useOffset=False)
    axes.grid(color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_RULE)
    axes.tick_params(color=_RULE, labelcolor=_INK)
