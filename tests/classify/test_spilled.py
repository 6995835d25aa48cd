"""Fitting through a file: the same classifier as in memory, in little of it, and no file is ever left behind."""

from __future__ import annotations

import os
import resource
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from tagdb.classify import SpilledRows, fit, fit_spilled, spilled, streaming, summing
from tagdb.classify.fitting import TOLERANCE
from tagdb.classify.standardise import Moments
from tagdb.classify.streaming import Objective, RowsHere
from tagdb.errors import InputRefused, Unavailable
from tests.classify.test_fit import Codes, Matrix, Weights, _names, _problem
from tests.examples import examples


def _spilled(folder: Path, X: Matrix, y: Codes, weight: Weights, n_classes: int, at_once: int = 700) -> SpilledRows:
    rows = SpilledRows(folder, len(X), X.shape[1], n_classes)
    for start in range(0, len(X), at_once):
        part = slice(start, start + at_once)
        rows.append(X[part].astype(">f4"), y[part], weight[part])
    return rows


@pytest.fixture
def several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three threads, each of which reads several blocks and a last, shorter one, in ranges and parts of them."""
    monkeypatch.setattr(spilled, "_BLOCK_BYTES", 40_000)
    monkeypatch.setattr(summing, "LEAST_ROWS", 1100)
    monkeypatch.setattr(summing, "_LEAST_ROWS_OF_PART", 400)
    monkeypatch.setattr(streaming, "_cores", lambda: 3)


@pytest.mark.usefixtures("several_blocks")
@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("seed", [0, 1])
def test_fit_is_the_one_in_memory(tmp_path: Path, n_classes: int, seed: int) -> None:
    X, y, weight = _problem(3000, 64, n_classes, seed)
    with _spilled(tmp_path, X, y, weight, n_classes) as rows:
        assert len(rows) == 3000
        streamed = fit_spilled(rows, _names(n_classes), C=0.7)
    held = fit(X.copy(), y, weight, _names(n_classes), seed=0, C=0.7)
    assert (streamed.converged, streamed.n_iter) == (True, held.n_iter)
    np.testing.assert_allclose(streamed.model.predict_proba(X), held.model.predict_proba(X), atol=1e-5)
    assert streamed.model.coef.dtype == np.float32
    assert streamed.model.coef.shape == held.model.coef.shape
    assert set(streamed.versions) == {"scipy", "numpy"}


@settings(deadline=None, max_examples=examples(40))
@given(
    n=st.integers(8, 300),
    dim=st.integers(1, 9),
    n_classes=st.integers(2, 5),
    far=st.sampled_from([0.0, 3.0, 1000.0]),
    C=st.floats(0.01, 100),
    block_rows=st.integers(1, 90),
    threads=st.integers(1, 5),
    range_rows=st.integers(1, 200),
    part_rows=st.integers(1, 200),
    seed=st.integers(0, 2**32 - 1),
)
def test_objective_and_gradient_are_those_of_the_standardised_rows(
    tmp_path_factory: pytest.TempPathFactory,
    n: int,
    dim: int,
    n_classes: int,
    far: float,
    C: float,
    block_rows: int,
    threads: int,
    range_rows: int,
    part_rows: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((n, dim)) * rng.uniform(0.5, 2, dim) + far).astype(np.float32)
    y = rng.permutation(np.arange(n) % n_classes)
    weight = rng.uniform(0.5, 9, n)
    wide = X.astype(np.float64)
    mean = np.average(wide, axis=0, weights=weight)
    Z = (wide - mean) / np.sqrt(np.average((wide - mean) ** 2, axis=0, weights=weight))

    with (
        pytest.MonkeyPatch.context() as patch,
        _spilled(tmp_path_factory.getbasetemp(), X, y, weight, n_classes, at_once=64) as rows,
    ):
        patch.setattr(spilled, "_BLOCK_BYTES", block_rows * (4 * dim + 12))
        patch.setattr(streaming, "_cores", lambda: threads)
        patch.setattr(summing, "LEAST_ROWS", range_rows)
        patch.setattr(summing, "_LEAST_ROWS_OF_PART", part_rows)
        assert rows.moments is not None
        objective = Objective(RowsHere(rows), rows.moments, C=C)
        parameters = rng.standard_normal(objective.n_parameters)
        value, gradient = objective(parameters)
    coef, intercept = objective.unpack(parameters)
    outputs = Z @ coef.T + intercept
    scores = np.hstack([np.zeros((n, 1)), outputs]) if n_classes == 2 else outputs
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    penalty = 1 / (C * weight.sum())
    loss = log_loss(y, probabilities, sample_weight=weight, labels=np.arange(n_classes))
    assert value == pytest.approx(loss + penalty / 2 * np.square(coef).sum(), rel=1e-4, abs=1e-4)
    residual = (probabilities - np.eye(n_classes)[y])[:, -len(intercept) :] * (weight / weight.sum())[:, np.newaxis]
    expected = np.column_stack([residual.T @ Z + penalty * coef, residual.sum(axis=0)])
    np.testing.assert_allclose(gradient, expected.ravel(), atol=2e-4 * (1 + penalty))


def test_columns_far_from_zero_cost_no_accuracy(tmp_path: Path) -> None:
    X, y, weight = _problem(2000, 16, 2)
    far = X + np.float32(2000)
    Z = far.astype(np.float64)
    Z -= np.average(Z, axis=0, weights=weight)
    Z /= np.sqrt(np.average(Z**2, axis=0, weights=weight))
    expected = LogisticRegression(tol=TOLERANCE, max_iter=500).fit(Z, y, sample_weight=weight)
    with _spilled(tmp_path, far, y, weight, 2) as rows:
        assert rows.moments is not None
        scale = rows.moments.scaling().scale
        result = fit_spilled(rows, _names(2))
    np.testing.assert_allclose(result.model.coef * scale, expected.coef_, atol=1e-4)


def test_constant_columns_get_no_weight(tmp_path: Path) -> None:
    X, y, weight = _problem(500, 8, 3)
    X[:, 3], X[:, 5], X[:, 6] = 0.1, 1e6, 0
    with _spilled(tmp_path, X, y, weight, 3) as rows:
        model = fit_spilled(rows, _names(3)).model
    assert not model.coef[:, [3, 5, 6]].any()
    assert model.coef[:, [0, 1, 2, 4, 7]].all()


def test_stopping_early_is_told(tmp_path: Path) -> None:
    X, y, weight = _problem(500, 32, 2)
    told: list[int] = []
    with _spilled(tmp_path, X, y, weight, 2) as rows:
        result = fit_spilled(rows, _names(2), max_iter=2, on_iteration=told.append)
    assert (result.converged, result.n_iter, told) == (False, 2, [1, 2])


def test_memory_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_cores", lambda: 2)
    X, y, weight = _problem(1000, 256, 2)
    with _spilled(tmp_path, X, y, weight, 2) as rows:
        fit_spilled(rows, _names(2))
    tracemalloc.start()
    try:
        with SpilledRows(tmp_path, 60_000, 256, 2) as rows:
            for _ in range(60):
                rows.append(X, y, weight)
            fit_spilled(rows, _names(2), max_iter=3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60_000 * 256 * 4 / 3


def test_reads_that_end_early_are_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, weight = _problem(300, 8, 2)
    preadv = os.preadv
    with _spilled(tmp_path, X, y, weight, 2) as rows:
        whole = fit_spilled(rows, _names(2)).model
        monkeypatch.setattr(os, "preadv", lambda file, into, at: preadv(file, [into[0][:1000]], at))
        pieced = fit_spilled(rows, _names(2)).model
        monkeypatch.setattr(os, "preadv", lambda *_: 0)
        with pytest.raises(Unavailable, match="it ends too early"):
            fit_spilled(rows, _names(2))
    np.testing.assert_array_equal(pieced.coef, whole.coef)


def test_file_has_no_name_that_a_killed_process_could_leave(tmp_path: Path) -> None:
    X, y, weight = _problem(500, 8, 2)
    with _spilled(tmp_path, X, y, weight, 2) as rows:
        assert list(tmp_path.iterdir()) == []
        assert fit_spilled(rows, _names(2)).converged
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_is_refused_before_a_row_is_written(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"need 3,814,697\.3 GB in .*, more than is free there") as refusal:
        SpilledRows(tmp_path, 10**12, 1021, 2)
    assert str(tmp_path) in str(refusal.value)
    assert "TMPDIR" in (refusal.value.hint or "")


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_room_that_runs_out_on_the_way_is_told(tmp_path: Path) -> None:
    X, y, weight = _problem(3000, 64, 2)
    with (
        SpilledRows(tmp_path, len(X), 64, 2) as rows,
        _largest_file(300_000),
        pytest.raises(Unavailable, match="more than is free there") as refusal,
    ):
        rows.append(X, y, weight)
    assert "TMPDIR" in (refusal.value.hint or "")


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"in .*nowhere: No such file or directory"):
        SpilledRows(tmp_path / "nowhere", 10, 4, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 450])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, bad: float, row: int) -> None:
    X, y, weight = _problem(500, 4, 2)
    X[row, 2] = bad
    with _spilled(tmp_path, X, y, weight, 2) as rows, pytest.raises(InputRefused, match="NaN or infinity"):
        fit_spilled(rows, _names(2))


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        ([0, 0, 1, 2], np.ones(4), "do not index"),
        ([0, 0, 1, -1], np.ones(4), "do not index"),
        ([0, 0, 1], np.ones(4), "4 vectors"),
        ([0, 0, 1, 1], np.ones(3), "4 vectors"),
        ([0, 0, 1, 1], np.zeros(4), "positive"),
    ],
)
def test_unfit_rows_are_refused(tmp_path: Path, y: list[int], weight: Weights, message: str) -> None:
    with SpilledRows(tmp_path, 4, 2, 2) as rows, pytest.raises(InputRefused, match=message):
        rows.append(np.ones((4, 2), np.float32), np.asarray(y), weight)


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [([0, 0], ("a",), "two or more"), ([0, 0, 1, 1], ("a", "a"), "two or more"), ([0, 0, 0, 1], ("a", "b"), "for: b")],
)
def test_unfit_classes_are_refused(tmp_path: Path, y: list[int], classes: tuple[str, ...], message: str) -> None:
    with SpilledRows(tmp_path, len(y), 2, len(classes)) as rows:
        rows.append(np.ones((len(y), 2), np.float32), np.asarray(y), np.ones(len(y)))
        with pytest.raises(InputRefused, match=message):
            fit_spilled(rows, classes)


@pytest.mark.usefixtures("several_blocks")
def test_number_of_processors_makes_no_difference_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, weight = _problem(3000, 64, 3)
    with _spilled(tmp_path, X, y, weight, 3) as rows:
        models = []
        for threads in (1, 2, 7):
            monkeypatch.setattr(streaming, "_cores", lambda threads=threads: threads)
            models.append(fit_spilled(rows, _names(3)).model)
    for other in models[1:]:
        np.testing.assert_array_equal(other.coef, models[0].coef)
        np.testing.assert_array_equal(other.intercept, models[0].intercept)


@given(n_rows=st.integers(1, 10**12))
def test_ranges_follow_from_the_number_of_rows_and_are_not_many(n_rows: int) -> None:
    ranges = summing.ranges(n_rows)
    assert 1 <= len(ranges) <= summing.MOST_RANGES
    assert (ranges[0][0], ranges[-1][1]) == (0, n_rows)
    assert all(first < last for first, last in ranges)
    assert all(one[1] == other[0] for one, other in pairwise(ranges))
    assert len({last - first for first, last in ranges[:-1]}) <= 1


@given(n=st.integers(2, 60), dim=st.integers(1, 5), cut=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_moments_of_parts_are_those_of_the_whole(n: int, dim: int, cut: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, weight = rng.normal(3, 2, (n, dim)).astype(np.float32), rng.uniform(0.5, 9, n)
    at = round(cut * n)
    whole, parts = Moments(X[0]), [Moments(X[0]), Moments(X[0])]
    whole.add(X, weight)
    for part, rows in zip(parts, (slice(0, at), slice(at, n)), strict=True):
        part.add(X[rows], weight[rows])
    parts[0].merge(parts[1])
    expected, found = whole.scaling(), parts[0].scaling()
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-9)
    np.testing.assert_allclose(found.scale, expected.scale, rtol=1e-6)
