"""What training holds in memory: one matrix, and never a larger one than the bound."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest

from tagdb import classify
from tagdb.db.connection import Database
from tagdb.errors import InputRefused
from tagdb.models import Silent
from tagdb.pipeline import classifiers, training_set
from tagdb.pipeline.train import TrainResult, TrainSettings, train
from tests.pipeline import stored
from tests.pipeline.conftest import Fits

ROOM = 40


def _train_in_little_memory(
    database: Database, monkeypatch: pytest.MonkeyPatch, listener: stored.Listener, seed: int = 0
) -> TrainResult:
    monkeypatch.setattr(training_set, "MATRIX_BYTES", ROOM * stored.DIM * 4 + 100)
    return train(database, stored.LABELLED, TrainSettings(seed=seed), listener)


def test_more_texts_than_fit_are_cut_to_a_stratified_part_that_is_told(
    database: Database, vectors: dict[str, stored.Vector], fits: Fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(database, stored.LABELLED, TrainSettings(), Silent())
    listener = stored.Listener()
    part = _train_in_little_memory(database, monkeypatch, listener)

    assert len(fits.X[1]) == part.training.train_texts <= ROOM
    assert Counter(fits.y[0].tolist()) == {0: 21, 1: 21, 2: 21}
    assert Counter(fits.y[1].tolist()) == {0: 13, 1: 13, 2: 13}
    of_all, of_part = ([t for t, y in zip(fits.texts(vectors, n), fits.y[n], strict=True) if y == 0] for n in (0, 1))
    assert set(of_part) < set(of_all)
    assert of_part != of_all[:13], "the first ones are no random part"
    assert part.training.test_rows == whole.training.test_rows == part.metrics.rows

    assert (whole.training.texts_left_out, whole.training.rows_left_out) == (0, 0)
    assert part.training.texts_left_out == 63 - 39
    assert part.training.rows_left_out == whole.training.train_rows - part.training.train_rows > 0
    assert part.training.rows_not_sampled == 0
    (said,) = listener.said
    assert "training on a random 39 of 63 texts" in said
    (detail,) = stored.column(database, "SELECT detail FROM tagdb.run ORDER BY id DESC LIMIT 1")
    assert detail["skipped"] == {"no room in memory": part.training.rows_left_out}  # type: ignore[index]


def test_the_part_that_fits_is_drawn_by_the_seed(
    database: Database, vectors: dict[str, stored.Vector], fits: Fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (1, 1, 2):
        _train_in_little_memory(database, monkeypatch, stored.Listener(), seed)
    assert fits.texts(vectors, 0) == fits.texts(vectors, 1) != fits.texts(vectors, 2)


def test_training_holds_one_matrix_and_the_blocks_of_copy(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ["even" if number % 2 else "odd" for number in range(10_000)]
    texts = stored.numbered(labels)
    drawn = np.random.default_rng(0).standard_normal((len(labels), stored.DIM), dtype=np.float32)
    stored.fill(database, texts, dict(zip(texts, drawn, strict=True)), labels=labels)
    del drawn
    found: list[int] = []

    def measured(X: np.ndarray, *args: Any, **options: Any) -> None:
        found[:] = X.nbytes, tracemalloc.get_traced_memory()[1]
        raise InputRefused("far enough")

    monkeypatch.setattr(classify, "fit", measured)
    tracemalloc.start()
    try:
        with pytest.raises(InputRefused, match="far enough"):
            train(database, stored.LABELLED, TrainSettings(), Silent())
    finally:
        tracemalloc.stop()
    matrix, peak = found
    assert matrix == 7000 * stored.DIM * 4
    assert peak < matrix + 16 * 2**20
    assert classifiers.stored(database) == []
