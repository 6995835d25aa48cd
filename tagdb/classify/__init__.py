"""Linear classifiers over vectors, and how good they are: fitted here, applied anywhere as plain numbers.

Importing this package loads numpy and nothing slower; scikit-learn and matplotlib load when first needed.
"""

from tagdb.classify.fitting import FitResult, fit
from tagdb.classify.linear import LinearModel
from tagdb.classify.metrics import ClassMetrics, Metrics, metrics_from_confusion
from tagdb.classify.plot import plot_confusion
from tagdb.classify.spilled import SpilledRows
from tagdb.classify.standardise import Moments
from tagdb.classify.streaming import fit_spilled, fit_summed
from tagdb.classify.summing import Sums
from tagdb.classify.text import render_confusion, render_report

__all__ = [
    "ClassMetrics",
    "FitResult",
    "LinearModel",
    "Metrics",
    "Moments",
    "SpilledRows",
    "Sums",
    "fit",
    "fit_spilled",
    "fit_summed",
    "metrics_from_confusion",
    "plot_confusion",
    "render_confusion",
    "render_report",
]
