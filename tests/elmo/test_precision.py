"""Products of bfloat16 factors give vectors near those of float32, under a fingerprint of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagdb.elmo import Elmo, read_spec
from tagdb.elmo.independence import TEXTS, TOLERANCE, company_difference, tolerance_of
from tagdb.elmo.precision import PRECISIONS, lacks_bf16_instructions
from tests.elmo.reference import ReferenceElmo
from tests.elmo.weights import write_random_elmo

LARGEST_SHARE = 2e-2
"""Of the largest number in the vectors; a bfloat16 has 8 bits, so one factor is 2**-9 off at most."""


def elmo_in(directory: Path, precision: str, **shape: Any) -> Elmo:
    return Elmo.load(write_random_elmo(directory / precision, embedder={"precision": precision}, **shape))


@pytest.mark.parametrize("shape", [{}, {"projection_dim": 12}], ids=["projected", "as wide as the output"])
def test_vectors_are_near_the_definition_but_not_as_near_as_in_float32(tmp_path: Path, shape: dict[str, int]) -> None:
    texts = [text.split() for text in TEXTS]
    distances = {}
    for precision in PRECISIONS:
        vectors = elmo_in(tmp_path, precision, **shape).embed_tokens(texts)
        assert vectors.dtype == np.float32
        reference = ReferenceElmo.load(tmp_path / precision)
        expected = np.array([reference.embed(tokens) for tokens in texts])
        distances[precision] = np.abs(vectors - expected).max() / np.abs(expected).max()
    assert distances["float32"] < 1e-5
    assert 1e-4 < distances["bf16"] < LARGEST_SHARE


def test_precision_is_part_of_what_identifies_an_embedder(tmp_path: Path) -> None:
    exact, quick = (elmo_in(tmp_path, precision).spec for precision in PRECISIONS)
    assert exact.fingerprint == read_spec(write_random_elmo(tmp_path / "plain")).fingerprint != quick.fingerprint
    assert (exact.config["precision"], quick.config["precision"]) == PRECISIONS


def test_company_moves_a_vector_by_no_more_than_rounding(tmp_path: Path) -> None:
    exact, quick = (elmo_in(tmp_path, precision) for precision in PRECISIONS)
    assert tolerance_of(exact.spec) == TOLERANCE
    assert company_difference(quick) <= tolerance_of(quick.spec) <= LARGEST_SHARE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a processor can do")
@pytest.mark.parametrize(
    ("cpuinfo", "lacks"),
    [
        ("model name\t: old\nflags\t\t: fpu avx2 avx512f\n", True),
        ("model name\t: bf16\nflags\t\t: fpu avx2 avx512f avx512_bf16\n", False),
        ("Features\t: fp asimd bf16\n", False),
        ("Features\t: fp asimd\n", True),
        ("processor\t: 0\n", False),
        (None, False),
    ],
    ids=["x86 without", "x86 with", "ARM with", "ARM without", "nothing said", "no such file"],
)
def test_processors_without_instructions_for_it_are_known(tmp_path: Path, cpuinfo: str | None, *, lacks: bool) -> None:
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert lacks_bf16_instructions(tmp_path / "cpuinfo") is lacks
