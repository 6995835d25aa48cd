"""Embedders whose vectors depend on more than the text are told apart from those that are sound."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from tagdb.elmo import Elmo
from tagdb.elmo.independence import TEXTS, TOLERANCE, company_difference, differences
from tagdb.errors import EmbedderUnavailable
from tagdb.models import Embedder
from tests.elmo.weights import write_random_elmo

Vectors = NDArray[np.float32]


def lengths(texts: Sequence[str]) -> Vectors:
    return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)


class Fake:
    """As much of an embedder as is looked at: vectors by length, and what each text beside one adds to it."""

    def __init__(self, share: float) -> None:
        self._share = share

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts."""
        return lengths(texts) + np.float32(self._share * (len(texts) - 1))


def test_company_is_measured_against_the_largest_number() -> None:
    longest = max(map(len, TEXTS))
    difference = company_difference(cast(Embedder, Fake(0.5)))
    assert difference == pytest.approx(0.5 * (len(TEXTS) - 1) / longest)
    assert company_difference(cast(Embedder, Fake(0.0))) == 0.0


def test_an_elmo_is_sound(tmp_path: Path) -> None:
    assert company_difference(Elmo.load(write_random_elmo(tmp_path))) <= TOLERANCE


def test_each_cause_has_its_own_name() -> None:
    calls = iter(range(1000))

    def counted(texts: Sequence[str]) -> Vectors:
        return lengths(texts) + np.float32(next(calls))

    def placed(texts: Sequence[str]) -> Vectors:
        return lengths(texts) + np.arange(len(texts), dtype=np.float32)[:, None]

    def moved_by(vectors: Callable[[Sequence[str]], Vectors]) -> set[str]:
        return {cause for cause, difference in differences(vectors).items() if difference > TOLERANCE}

    assert moved_by(lengths) == set()
    assert "when it is asked again" in moved_by(counted)
    assert moved_by(placed) == {"with the texts beside it", "with the order of the texts"}


@pytest.mark.parametrize(("factor", "problem"), [(np.nan, "'java' a vector that is not finite"), (0.0, "zero vector")])
def test_vectors_that_tell_nothing_are_refused(factor: float, problem: str) -> None:
    with pytest.raises(EmbedderUnavailable, match=problem):
        differences(lambda texts: np.float32(factor) * lengths(texts))


def test_it_is_imported_without_tensorflow() -> None:
    program = "import sys, tagdb.elmo.independence; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
