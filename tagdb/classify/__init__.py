"""Linear classifiers over vectors, and how good they are: fitted here, applied anywhere as plain numbers.

Importing this package loads numpy and nothing slower; scikit-learn and matplotlib load when first needed.
"""

from tagdb.classify.fitting import FitResult, fit
from tagdb.classify.linear import LinearModel
from tagdb.classify.metrics import ClassMetrics, Metrics, metrics_from_confusion
from tagdb.classify.plot import plot_confusion
from tagdb.classify.spilled import SpilledRows
from tagdb.classify.streaming import fit_spilled
from tagdb.classify.text import render_confusion, render_report

__all__ = [
    "ClassMetrics",
    "FitResult",
    "LinearModel",
    "Metrics",
    "SpilledRows",
    "fit",
    "fit_spilled",
    "metrics_from_confusion",
    "plot_confusion",
    "render_confusion",
    "render_report",
]
