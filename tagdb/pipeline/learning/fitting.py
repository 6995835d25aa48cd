"""From the database to the solver: training vectors go through memory where they fit, else through a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagdb import classify, config
from tagdb.classify import FitResult, SpilledRows
from tagdb.db.connection import Session
from tagdb.models import Reporter
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.learning import training_set
from tagdb.pipeline.learning.training_set import TrainingSet, TrainSettings

MATRIX_BYTES = 2**28
"""The largest matrix of training vectors that is held in memory: one that takes longer to fit than through a file."""


def fit(
    session: Session, embedder: StoredEmbedder, training: TrainingSet, settings: TrainSettings, reporter: Reporter
) -> FitResult:
    """Fetch the vectors of the training texts and fit the classifier; memory is bounded, whatever their number.

    Raises
    ------
    Unavailable : they need a file, and the disk has no room for it
    InputRefused : some of them are not finite
    """
    if training.train_texts * embedder.dim * np.dtype(np.float32).itemsize <= MATRIX_BYTES:
        return _fit_in_memory(session, embedder, training, settings, reporter)
    return _fit_through_file(session, embedder, training, settings, reporter)


def _fit_in_memory(
    session: Session, embedder: StoredEmbedder, training: TrainingSet, settings: TrainSettings, reporter: Reporter
) -> FitResult:
    X = np.empty((training.train_texts, embedder.dim), dtype=np.float32)
    y = np.empty(len(X), dtype=np.int32)
    weight = np.empty(len(X), dtype=np.float64)
    filled = 0
    with reporter.step("fetching vectors", len(X), "vectors") as progress:

        def take(vectors: NDArray[np.float32], labels: NDArray[np.int32], rows: NDArray[np.int64]) -> None:
            nonlocal filled
            part = slice(filled, filled + len(vectors))
            X[part], y[part], weight[part] = vectors, labels, rows
            filled = part.stop
            progress.advance(len(vectors))

        training_set.fetch(session, embedder, training, take)
    with reporter.step("fitting"):
        return classify.fit(
            X, y, weight, training.classes, seed=settings.seed, max_iter=settings.max_iter, C=settings.C
        )


def _fit_through_file(
    session: Session, embedder: StoredEmbedder, training: TrainingSet, settings: TrainSettings, reporter: Reporter
) -> FitResult:
    with SpilledRows(spill_folder(), training.train_texts, embedder.dim, len(training.classes)) as rows:
        with reporter.step("fetching vectors", training.train_texts, "vectors") as progress:

            def take(vectors: NDArray[np.float32], labels: NDArray[np.int32], weight: NDArray[np.int64]) -> None:
                rows.append(vectors, labels, weight)
                progress.advance(len(vectors))

            training_set.fetch(session, embedder, training, take)
        with reporter.step("fitting") as progress:
            return classify.fit_spilled(
                rows,
                training.classes,
                max_iter=settings.max_iter,
                C=settings.C,
                on_iteration=lambda number: progress.note(f"iteration {number}"),
            )


def spill_folder() -> Path:
    """Choose where gigabytes may lie for a while: where the user says, else beside the embedded database.

    The system's own folder for temporary files is the last resort, for on many systems it is memory.
    """
    home = config.home_if_any()
    if home is not None and not os.environ.get("TMPDIR") and os.access(home, os.W_OK):
        return home
    return Path(os.environ.get("TMPDIR") or tempfile.gettempdir())
