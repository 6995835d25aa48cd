"""What training holds in memory: one matrix of a bounded size, and from there on a file and no matrix at all."""

from __future__ import annotations

import tracemalloc
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagdb import classify, config
from tagdb.classify import FitResult, streaming
from tagdb.db.connection import Database
from tagdb.errors import InputRefused, Unavailable
from tagdb.models import Silent
from tagdb.pipeline.learning import classifiers, fitting
from tagdb.pipeline.learning.train import TrainSettings, train
from tests.pipeline import stored
from tests.pipeline.conftest import LABELS, Fits

Stored = dict[str, tuple[list[float], float]]
_Usage = namedtuple("_Usage", "total used free")


@pytest.fixture
def spill_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder for the file, and no room in memory."""
    monkeypatch.setattr(fitting, "MATRIX_BYTES", 10 * stored.DIM * 4)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def _weights(database: Database, classifier: int) -> Stored:
    query = (
        f"SELECT class, coef::real[] AS coef, intercept FROM tagdb.classifier_weight WHERE classifier_id = {classifier}"
    )
    return {row[0]: (row.coef, row.intercept) for row in stored.rows(database, query)}


@pytest.mark.parametrize("classes", [2, 3])
def test_every_text_is_trained_on_whether_it_fits_in_memory_or_not(
    database: Database,
    vectors: dict[str, stored.Vector],
    fits: Fits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    classes: int,
) -> None:
    query = f"{stored.LABELLED} AND label <= '{LABELS[classes - 1]}'"
    held = train(database, query, TrainSettings(), Silent())
    assert len(fits.X) == 1
    monkeypatch.setattr(fitting, "MATRIX_BYTES", len(fits.X[0]) * stored.DIM * 4 - 1)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    spilled = train(database, query, TrainSettings(), Silent())

    assert len(fits.X) == 1, "what does not fit was held in memory"
    assert spilled.training == held.training
    assert spilled.metrics == held.metrics
    assert spilled.converged
    ours, theirs = (_weights(database, result.classifier) for result in (spilled, held))
    assert ours.keys() == theirs.keys() == set(LABELS[:classes])
    for label in ours:
        np.testing.assert_allclose(ours[label][0], theirs[label][0], atol=1e-5)
        assert ours[label][1] == pytest.approx(theirs[label][1], abs=1e-4)
    (detail,) = stored.column(database, "SELECT detail FROM tagdb.run ORDER BY id DESC LIMIT 1")
    assert detail["skipped"] == {}  # type: ignore[index]
    assert list(tmp_path.iterdir()) == []


def test_limit_of_iterations_holds_for_the_file_too(
    database: Database, vectors: dict[str, stored.Vector], spill_folder: Path
) -> None:
    assert not train(database, stored.LABELLED, TrainSettings(max_iter=1), Silent()).converged


def test_matrix_that_just_fits_is_held(
    database: Database, vectors: dict[str, stored.Vector], fits: Fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "MATRIX_BYTES", 63 * stored.DIM * 4)
    assert train(database, stored.LABELLED, TrainSettings(), Silent()).training.train_texts == 63
    assert len(fits.X) == 1


def test_disk_without_room_is_told_and_nothing_is_stored(
    database: Database, vectors: dict[str, stored.Vector], spill_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage(10**6, 10**6, 1000))
    with pytest.raises(Unavailable, match="more than is free there") as refused:
        train(database, stored.LABELLED, TrainSettings(), Silent())
    assert "TMPDIR" in (refused.value.hint or "")
    assert classifiers.stored(database) == []
    assert stored.column(database, "SELECT status FROM tagdb.run ORDER BY id DESC LIMIT 1") == ["failed"]


def test_file_lies_where_the_user_says_or_beside_the_embedded_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("TAGDB_HOME", str(home))
    for variable in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("tempfile.tempdir", None)
    assert fitting.spill_folder() == Path("/tmp"), "no embedded database here"
    home.mkdir()
    assert fitting.spill_folder() == home == config.home()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert fitting.spill_folder() == tmp_path


def _fill_with_10_000(database: Database) -> None:
    labels = ["even" if number % 2 else "odd" for number in range(10_000)]
    texts = stored.numbered(labels)
    drawn = np.random.default_rng(0).standard_normal((len(labels), stored.DIM), dtype=np.float32)
    stored.fill(database, texts, dict(zip(texts, drawn, strict=True)), labels=labels)


def test_training_holds_one_matrix_and_the_blocks_of_copy(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill_with_10_000(database)
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


def test_training_through_a_file_holds_no_matrix(
    database: Database, spill_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill_with_10_000(database)
    monkeypatch.setattr(streaming, "_cores", lambda: 2)
    fit_spilled = classify.fit_spilled
    peaks: list[int] = []

    def measured(*args: Any, **options: Any) -> FitResult:
        result = fit_spilled(*args, **options)
        peaks.append(tracemalloc.get_traced_memory()[1])
        return result

    monkeypatch.setattr(classify, "fit_spilled", measured)
    train(database, stored.LABELLED, TrainSettings(max_iter=1), Silent())  # loads the libraries
    tracemalloc.start()
    try:
        train(database, stored.LABELLED, TrainSettings(max_iter=3), Silent())
    finally:
        tracemalloc.stop()
    assert peaks[1] < 7000 * stored.DIM * 4 / 1.5
