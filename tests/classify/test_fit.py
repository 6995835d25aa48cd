"""Fitting in place: folded weights on raw vectors give what scikit-learn gives on standardised ones."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tagdb.classify import LinearModel, fit
from tagdb.classify.standardise import Scaling
from tagdb.errors import InputRefused

Matrix = NDArray[np.float32]
Codes = NDArray[np.int64]
Weights = NDArray[np.float64]


def _problem(n: int, dim: int, n_classes: int, seed: int = 0) -> tuple[Matrix, Codes, Weights]:
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, dim))
    scores = latent @ rng.standard_normal((dim, n_classes)) / np.sqrt(dim)
    y = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    X = latent * rng.uniform(0.05, 0.5, dim) + rng.normal(0, 0.5, dim)
    return X.astype(np.float32), y, rng.integers(1, 6, n).astype(np.float64)


def _names(n: int) -> tuple[str, ...]:
    return tuple(f"class-{number}" for number in range(n))


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("seed", [0, 1])
def test_folded_weights_equal_the_fitted_pipeline(n_classes: int, seed: int) -> None:
    X, y, weight = _problem(1500, 64, n_classes, seed)
    overwritten = X.copy()
    result = fit(overwritten, y, weight, _names(n_classes), seed=0)
    scaled = StandardScaler().fit(X.astype(np.float64), sample_weight=weight).transform(X.astype(np.float64))
    np.testing.assert_allclose(overwritten, scaled, atol=1e-4)
    fitted = LogisticRegression(tol=3e-4, max_iter=500).fit(overwritten, y, sample_weight=weight)
    np.testing.assert_allclose(result.model.predict_proba(X), fitted.predict_proba(overwritten), atol=1e-5)
    assert result.converged
    assert result.model.coef.dtype == np.float32
    assert result.model.coef.shape == (1 if n_classes == 2 else n_classes, 64)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_optimum_is_the_one_of_an_independent_pipeline(n_classes: int) -> None:
    X, y, weight = _problem(3000, 16, n_classes)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-9, max_iter=5000, C=0.5))
    wide = X.astype(np.float64)
    pipeline.fit(wide, y, standardscaler__sample_weight=weight, logisticregression__sample_weight=weight)
    model = fit(X.copy(), y, weight, _names(n_classes), seed=0, C=0.5).model
    np.testing.assert_allclose(model.predict_proba(X), pipeline.predict_proba(wide), atol=3e-3)


def test_a_weight_counts_like_repeated_rows() -> None:
    X, y, _ = _problem(400, 8, 2)
    weight = np.random.default_rng(1).integers(1, 5, 400)
    weighted = fit(X.copy(), y, weight, _names(2), seed=0).model
    repeated = fit(np.repeat(X, weight, axis=0), np.repeat(y, weight), np.ones(weight.sum()), _names(2), seed=0).model
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=2e-3)


def test_constant_columns_get_no_weight() -> None:
    X, y, weight = _problem(500, 8, 2)
    X[:, 3] = 0.1
    X[:, 5] = 1e6
    X[:, 6] = 0
    model = fit(X.copy(), y, weight, _names(2), seed=0).model
    assert not model.coef[0, [3, 5, 6]].any()
    assert model.coef[0, [0, 1, 2, 4, 7]].all()
    assert np.isfinite(model.predict_proba(X)).all()


@settings(deadline=None)
@given(st.integers(50, 9000), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_moments_equal_numpys_whatever_the_blocks(n: int, dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((n, dim)) * 10 ** rng.uniform(-3, 3, dim) + rng.normal(0, 5, dim)).astype(np.float32)
    weight = rng.uniform(0.5, 9, n)
    scaling = Scaling.of(X, weight)
    wide = X.astype(np.float64)
    mean = np.average(wide, axis=0, weights=weight)
    np.testing.assert_allclose(scaling.mean, mean, rtol=1e-9, atol=1e-12)
    std = np.sqrt(np.average((wide - mean) ** 2, axis=0, weights=weight))
    np.testing.assert_allclose(scaling.scale, std, rtol=1e-6)
    scaling.apply(X)
    np.testing.assert_allclose(X, (wide - mean) / std, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_no_copy_of_the_matrix_is_made(n_classes: int) -> None:
    X, y, weight = _problem(60_000, 256, n_classes)
    fit(X[:100].copy(), y[:100], weight[:100], _names(n_classes), seed=0)
    tracemalloc.start()
    try:
        fit(X, y, weight, _names(n_classes), seed=0, max_iter=3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * X.nbytes


def test_stopping_early_is_told_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    X, y, weight = _problem(500, 32, 2)
    result = fit(X, y, weight, _names(2), seed=0, max_iter=2)
    assert (result.converged, result.n_iter) == (False, 2)
    assert not recwarn.list
    assert set(result.versions) == {"scikit-learn", "scipy", "numpy"}


def test_other_warnings_still_reach_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    fit_quietly = LogisticRegression.fit

    def fit_with_a_warning(self: LogisticRegression, *args: object, **options: object) -> LogisticRegression:
        warnings.warn("about something else", FutureWarning, stacklevel=1)
        return fit_quietly(self, *args, **options)

    monkeypatch.setattr(LogisticRegression, "fit", fit_with_a_warning)
    with pytest.warns(FutureWarning, match="something else"):
        result = fit(*_problem(200, 4, 2), _names(2), seed=0)
    assert result.converged


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_before_anything_is_overwritten(bad: float) -> None:
    X, y, weight = _problem(5000, 4, 2)
    X[4500, 2] = bad
    before = X.copy()
    with pytest.raises(InputRefused, match="NaN or infinity"):
        fit(X, y, weight, _names(2), seed=0)
    np.testing.assert_array_equal(X, before)


def _frozen(X: Matrix) -> Matrix:
    X.flags.writeable = False
    return X


@pytest.mark.parametrize(
    ("X", "y", "weight", "classes", "message"),
    [
        (np.ones((4, 2), "f4"), [0, 0, 0, 0], np.ones(4), ("a",), "two or more"),
        (np.ones((4, 2), "f4"), [0, 0, 1, 1], np.ones(4), ("a", "a"), "two or more"),
        (np.ones((4, 2), "f4"), [0, 0, 0, 1], np.ones(4), ("a", "b"), "for: b"),
        (np.ones((4, 2), "f4"), [0, 0, 1, 1], np.ones(4), ("a", "b", "c"), "for: c"),
        (np.ones((0, 2), "f4"), [], np.ones(0), ("a", "b"), "for: a, b"),
        (np.ones((4, 2), "f4"), [0, 0, 1, 2], np.ones(4), ("a", "b"), "do not index"),
        (np.ones((4, 2), "f4"), [0, 0, 1, -1], np.ones(4), ("a", "b"), "do not index"),
        (np.ones((4, 2), "f4"), [0, 0, 1], np.ones(4), ("a", "b"), "4 vectors"),
        (np.ones((4, 2), "f4"), [0, 0, 1, 1], np.ones(3), ("a", "b"), "4 vectors"),
        (np.ones((4, 2), "f4"), np.array([0.0, 0, 1, 1]), np.ones(4), ("a", "b"), "float64 labels"),
        (np.ones((4, 2), "f4"), [0, 0, 1, 1], np.zeros(4), ("a", "b"), "positive"),
        (np.ones((4, 2), "f4"), [0, 0, 1, 1], np.full(4, np.nan), ("a", "b"), "positive"),
        (np.ones((4, 2), "f8"), [0, 0, 1, 1], np.ones(4), ("a", "b"), "in place"),
        (np.ones((2, 4), "f4").T, [0, 0, 1, 1], np.ones(4), ("a", "b"), "in place"),
        (_frozen(np.ones((4, 2), "f4")), [0, 0, 1, 1], np.ones(4), ("a", "b"), "in place"),
        (np.ones(4, "f4"), [0, 0, 1, 1], np.ones(4), ("a", "b"), "in place"),
    ],
)
def test_unfit_input_is_refused(
    X: Matrix, y: list[int] | Weights, weight: Weights, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputRefused, match=message) as refusal:
        fit(X, np.asarray(y, dtype=None if len(y) else np.int64), weight, classes, seed=0)
    assert refusal.value.hint


@pytest.mark.parametrize("n_classes", [2, 4])
def test_probabilities_stay_finite_for_extreme_vectors(n_classes: int) -> None:
    n_outputs = 1 if n_classes == 2 else n_classes
    coef = np.linspace(-1, 1, n_outputs * 3, dtype=np.float32).reshape(n_outputs, 3)
    model = LinearModel(_names(n_classes), coef, np.zeros(n_outputs))
    probabilities = model.predict_proba(np.array([[1e6, -1e6, 1e6], [-1e6, 1e6, 0], [0, 0, 0]], np.float32))
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(probabilities[2], 1 / n_classes)


def test_the_only_output_of_two_classes_speaks_for_the_second() -> None:
    model = LinearModel(("no", "yes"), np.array([[2.0]], np.float32), np.array([-1.0]))
    np.testing.assert_allclose(
        model.predict_proba(np.array([[1.0]], np.float32)), [[1 / (1 + np.e), np.e / (1 + np.e)]]
    )


def test_vectors_of_another_dimension_are_refused() -> None:
    model = LinearModel(("no", "yes"), np.ones((1, 3), np.float32), np.zeros(1))
    with pytest.raises(InputRefused, match="vectors of 3 numbers"):
        model.predict_proba(np.ones((1, 4), np.float32))


def test_importing_the_package_loads_no_slow_library() -> None:
    slow = "{'sklearn', 'scipy', 'matplotlib'}"
    code = f"import sys, tagdb.classify; print(sorted({slow} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
