"""Scores derived from a confusion matrix equal scikit-learn's on the rows that the matrix counts."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, classification_report, f1_score

from tagdb.classify import Metrics, largest, metrics_from_confusion, render_confusion, render_report
from tagdb.errors import InputRefused
from tests.examples import examples

confusions = st.integers(2, 6).flatmap(lambda n: hnp.arrays(np.int64, (n, n), elements=st.integers(0, 30)))


def _names(n: int) -> tuple[str, ...]:
    return tuple(f"class-{number}" for number in range(n))


def _rows(confusion: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    true, predicted = np.indices(confusion.shape)
    counts = confusion.ravel()
    return np.repeat(true.ravel(), counts), np.repeat(predicted.ravel(), counts)


@settings(deadline=None)
@given(confusions)
def test_scores_equal_scikit_learns(confusion: NDArray[np.int64]) -> None:
    assume(confusion.any())
    n = len(confusion)
    true, predicted = _rows(confusion)
    metrics = metrics_from_confusion(confusion, _names(n))
    labels = range(n)
    expected = classification_report(
        true, predicted, labels=labels, target_names=_names(n), output_dict=True, zero_division=0
    )
    for name in _names(n):
        got = metrics.per_class[name]
        assert got.precision == pytest.approx(expected[name]["precision"])
        assert got.recall == pytest.approx(expected[name]["recall"])
        assert got.f1 == pytest.approx(expected[name]["f1-score"])
        assert got.support == expected[name]["support"]
    assert metrics.macro_f1 == pytest.approx(expected["macro avg"]["f1-score"])
    assert metrics.weighted_f1 == pytest.approx(expected["weighted avg"]["f1-score"])
    assert metrics.accuracy == pytest.approx(accuracy_score(true, predicted))
    assert metrics.rows == len(true)
    if n == 2:
        assert metrics.f1 == pytest.approx(f1_score(true, predicted, pos_label=1, zero_division=0))
    else:
        assert metrics.f1 == metrics.macro_f1


@settings(deadline=None)
@given(confusions)
def test_report_is_laid_out_as_scikit_learns(confusion: NDArray[np.int64]) -> None:
    present = np.union1d(*_rows(confusion))
    assume(len(present) == len(confusion))
    true, predicted = _rows(confusion)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = classification_report(
            true, predicted, target_names=_names(len(confusion)), digits=4, zero_division=0
        )
    got = render_report(metrics_from_confusion(confusion, _names(len(confusion))))
    assert _figures(got) == pytest.approx(_figures(expected), abs=1.01e-4)
    assert [len(line) for line in got.splitlines()] == [len(line) for line in expected.splitlines()]


def _figures(report: str) -> list[float]:
    return [float(word) for word in report.split() if word.replace(".", "").isdigit()]


def test_report_of_known_counts() -> None:
    metrics = metrics_from_confusion([[50, 10], [5, 35]], ("other", "python"))
    assert render_report(metrics, digits=2) == (
        "              precision    recall  f1-score   support\n"
        "\n"
        "       other       0.91      0.83      0.87        60\n"
        "      python       0.78      0.88      0.82        40\n"
        "\n"
        "    accuracy                           0.85       100\n"
        "   macro avg       0.84      0.85      0.85       100\n"
        "weighted avg       0.86      0.85      0.85       100\n"
    )


@given(confusions)
def test_json_gives_the_metrics_back(confusion: NDArray[np.int64]) -> None:
    assume(confusion.any())
    metrics = metrics_from_confusion(confusion, _names(len(confusion)))
    stored = metrics.to_json()
    assert Metrics.from_json(json.loads(json.dumps(stored))) == metrics
    assert stored["per_class"]["class-0"]["support"] == int(confusion[0].sum())


def test_stored_metrics_without_counts_are_refused() -> None:
    with pytest.raises(InputRefused, match="confusion"):
        Metrics.from_json({"classes": ["a", "b"]})


@pytest.mark.parametrize(
    ("confusion", "classes"),
    [
        ([[1, 2]], ("a", "b")),
        ([[1, 2], [3, 4]], ("a",)),
        ([[1, 2], [3, 4]], ("a", "a")),
        ([[1, -2], [3, 4]], ("a", "b")),
        ([[1.5, 2], [3, 4]], ("a", "b")),
        ([[0, 0], [0, 0]], ("a", "b")),
    ],
)
def test_anything_but_counts_is_refused(confusion: list[list[float]], classes: tuple[str, ...]) -> None:
    with pytest.raises(InputRefused) as refusal:
        metrics_from_confusion(confusion, classes)
    assert refusal.value.hint


def test_confusion_shows_each_count_under_its_name() -> None:
    text = render_confusion(metrics_from_confusion([[12345, 0], [7, 8]], ("other", "python")))
    assert text == (
        "actual \\ predicted   other  python\nother               12,345       .\npython                   7       8\n"
    )


@settings(deadline=None, max_examples=examples(40))
@given(st.integers(2, 50), st.integers(1, 60), st.integers(60, 200))
def test_confusion_of_any_size_fits_the_width_and_shows_every_count(n: int, length: int, width: int) -> None:
    counts = np.arange(1000, 1000 + n * n).reshape(n, n)
    names = [f"{number}-" + "x" * length for number in range(n)]
    text = render_confusion(metrics_from_confusion(counts, names), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert {f"{count:,}" for count in counts.ravel()} <= set(text.split())


def test_of_hundreds_of_classes_the_largest_are_shown_and_the_rest_counted_together() -> None:
    counts = np.ones((300, 300), dtype=np.int64)
    counts[np.arange(7), np.arange(7)] = 5000
    names = [f"class-{number:03}" for number in range(300)]
    metrics = metrics_from_confusion(counts, names)
    report, confusion = render_report(metrics), render_confusion(metrics)
    assert len(report.splitlines()) < 70
    assert report.count("class-") == 50
    assert "class-006" in report
    assert "… and 250 more" in report
    assert "51 … and 250 more" in confusion
    summed = largest.confusion(metrics, 50)
    assert (summed.shape, summed.sum()) == ((51, 51), metrics.rows)
    assert f"{summed[-1, -1]:,}" in confusion
    assert f"{metrics.accuracy:.4f}" in report


def test_long_and_broken_names_stay_on_one_line() -> None:
    metrics = metrics_from_confusion([[1, 0], [0, 1]], ("a\nb\tc", "y" * 300))
    for text in (render_report(metrics), render_confusion(metrics)):
        assert "a b c" in text
        assert "y" * 31 + "…" in text
        assert max(map(len, text.splitlines())) <= 100
