"""Products of bfloat16 factors give vectors near those of float32, under a fingerprint of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tagdb.elmo import Elmo, products, read_spec
from tagdb.elmo.independence import TEXTS, TOLERANCE, company_difference, tolerance_of
from tagdb.elmo.options import parse_options
from tagdb.elmo.precision import PRECISIONS, TOLERANCES, has_bf16_instructions
from tests.elmo.reference import ReferenceElmo
from tests.elmo.weights import elmo_options, random_weights, write_elmo, write_random_elmo

TOKENIZED = [text.split() for text in TEXTS]
LARGEST_SHARE = 2e-2
"""Of the largest number in the vectors; a bfloat16 has 8 bits, so one that is rounded is 2**-8 off at most."""


def elmo_in(directory: Path, precision: str, **shape: Any) -> Elmo:
    return Elmo.load(write_random_elmo(directory / precision, embedder={"precision": precision}, **shape))


def largest_share(vectors: NDArray[np.float32], expected: NDArray[Any]) -> float:
    return float(np.abs(vectors - expected).max() / np.abs(expected).max())


@pytest.fixture(params=[True, False], ids=["with instructions", "without"])
def instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to the same numbers: TensorFlow can go either on every machine."""
    monkeypatch.setattr(products, "has_bf16_instructions", lambda: request.param)


@pytest.mark.usefixtures("instructions")
def test_vectors_are_near_the_definition_but_not_as_near_as_in_float32(tmp_path: Path) -> None:
    shares = {}
    for precision in PRECISIONS:
        vectors = elmo_in(tmp_path, precision).embed_tokens(TOKENIZED)
        assert vectors.dtype == np.float32
        reference = ReferenceElmo.load(tmp_path / precision)
        shares[precision] = largest_share(vectors, np.array([reference.embed(tokens) for tokens in TOKENIZED]))
    assert shares["float32"] < 1e-5
    assert 1e-4 < shares["bf16"] < LARGEST_SHARE


def test_cells_as_wide_as_their_output_need_no_projection(tmp_path: Path) -> None:
    content = elmo_options(projection_dim=12, dim=12)
    drawn = random_weights(parse_options(content, tmp_path))
    identity = {name: np.eye(12, dtype=np.float32) for name in drawn if name.endswith("W_P_0")}
    kept = {name: values for name, values in drawn.items() if name not in identity}
    exact = Elmo.load(write_elmo(tmp_path / "exact", content, drawn | identity))
    quick = Elmo.load(write_elmo(tmp_path / "quick", content, kept, embedder={"precision": "bf16"}))
    assert 1e-4 < largest_share(quick.embed_tokens(TOKENIZED), exact.embed_tokens(TOKENIZED)) < LARGEST_SHARE


def test_machines_with_and_without_instructions_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = []
    for has_instructions in (True, False):
        monkeypatch.setattr(products, "has_bf16_instructions", lambda each=has_instructions: each)
        vectors.append(elmo_in(tmp_path, "bf16", projection_dim=32, dim=64).embed_tokens(TOKENIZED))
    assert largest_share(*vectors) < TOLERANCES["bf16"]


def test_precision_is_part_of_what_identifies_an_embedder(tmp_path: Path) -> None:
    exact, quick = (elmo_in(tmp_path, precision).spec for precision in PRECISIONS)
    assert exact.fingerprint == read_spec(write_random_elmo(tmp_path / "plain")).fingerprint != quick.fingerprint
    assert (exact.config["precision"], quick.config["precision"]) == PRECISIONS


def test_company_moves_a_vector_by_no_more_than_rounding(tmp_path: Path) -> None:
    exact, quick = (elmo_in(tmp_path, precision, projection_dim=32, dim=64) for precision in PRECISIONS)
    assert tolerance_of(exact.spec) == TOLERANCE == TOLERANCES["float32"]
    assert company_difference(quick) <= tolerance_of(quick.spec) == TOLERANCES["bf16"]


@pytest.mark.parametrize(
    ("cpuinfo", "has_instructions"),
    [
        ("model name\t: avx512_bf16\nflags\t\t: fpu avx2 avx512f\n", False),
        ("model name\t: new\nflags\t\t: fpu avx2 avx512f avx512_bf16 clzero\n", True),
        ("flags\t\t: fpu avx2 amx_bf16\n", True),
        ("Features\t: fp asimd bf16\n", False),
        (None, False),
    ],
    ids=["x86 without", "x86 with AVX-512", "x86 with AMX", "ARM", "no such file"],
)
def test_instructions_are_read_off_the_processor(
    tmp_path: Path, cpuinfo: str | None, *, has_instructions: bool
) -> None:
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert has_bf16_instructions(tmp_path / "cpuinfo") is has_instructions
