"""What NumPy gives a few texts is what the encoder gives many, whatever an embedder's options say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tagdb
from tagdb import elmo
from tagdb.elmo import Elmo
from tagdb.elmo.few import FewTexts
from tagdb.elmo.precision import TOLERANCES
from tagdb.errors import InputRefused, WeightsError
from tests.elmo.reference import ReferenceElmo
from tests.elmo.weights import write_random_elmo
from tests.examples import examples

TOKENS = ("java", "c++", "spring-mvc", "日本語", "é" * 40, "<S>", "</S>", "", "a", ".net")
TEXTS = [["java"], ["c++", "日本語", "a"], ["a", "a", "", "é" * 40, "<S>", ".net", "spring-mvc"]]
LONG = [["a", "b", "c"] * 60, [f"token{number}" for number in range(150)]]
WARM = {"start_state": "frozen-warm", "start_text": "read  This once\nfirst"}


def both(directory: Path, tokenized: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors by NumPy, and those by the encoder."""
    return FewTexts.load(directory).embed_tokens(tokenized), Elmo.load(directory).embed_tokens(tokenized)


@pytest.mark.parametrize(
    "shape",
    [
        {"skip": True},
        {"skip": False},
        {"n_layers": 1},
        {"n_layers": 3, "n_highway": 0},
        {"activation": "tanh", "n_highway": 2},
        {"projection_dim": 16, "dim": 16},
        {"scale": 3.0},
        {"scale": 3.0, "clip": None},
        {"scale": 3.0, "clip": 0.2},
        {"filters": [(1, 3), (5, 4), (7, 2)], "char_dim": 3},
        {"max_characters": 4},
        {"embedder": {"layer_weights": [0.0, 0.5, 1.5]}},
        {"embedder": WARM},
        {"embedder": {**WARM, "layer_weights": [0.25, -1.0, 2.0]}},
    ],
    ids=str,
)
def test_vectors_equal_the_encoders_and_the_definition(tmp_path: Path, shape: dict[str, Any]) -> None:
    directory = write_random_elmo(tmp_path, seed=3, **shape)
    texts = TEXTS + LONG
    few, many = both(directory, texts)
    assert few.dtype == np.float32
    assert np.abs(many).max() > 0.1
    np.testing.assert_allclose(few, many, rtol=1e-5, atol=1e-5)
    described = shape.get("embedder", {})
    start = described.get("start_text", "").split()
    reference = ReferenceElmo.load(directory)
    expected = [reference.embed(text, layer_weights=described.get("layer_weights"), start=start) for text in texts]
    np.testing.assert_allclose(few, expected, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_elmo(tmp_path_factory.mktemp("few"), n_highway=2, seed=8)


@pytest.fixture(scope="module")
def loaded(directory: Path) -> tuple[FewTexts, Elmo]:
    return FewTexts.load(directory), Elmo.load(directory)


@settings(deadline=None, max_examples=examples(60))
@given(texts=st.lists(st.lists(st.sampled_from(TOKENS) | st.text(), min_size=1, max_size=9), min_size=1, max_size=5))
def test_any_tokens_have_the_vectors_that_the_encoder_gives(
    loaded: tuple[FewTexts, Elmo], texts: list[list[str]]
) -> None:
    few, many = loaded
    np.testing.assert_allclose(few.embed_tokens(texts), many.embed_tokens(texts), rtol=1e-5, atol=1e-5)


def test_products_are_rounded_as_the_encoder_rounds_them(tmp_path: Path) -> None:
    vectors = {}
    for precision in TOLERANCES:
        directory = write_random_elmo(tmp_path / precision, embedder={"precision": precision})
        few, many = both(directory, TEXTS + LONG)
        largest = np.abs(many).max()
        assert np.abs(few - many).max() < TOLERANCES[precision] * largest
        vectors[precision] = few
    assert np.abs(vectors["bf16"] - vectors["float32"]).max() > 1e-4


def test_the_shipped_model_and_its_centre() -> None:
    starter = Path(tagdb.__file__).parent / "embedders" / "starter"
    texts = ["how to parse json", "c# .net", "Größe → 日本", "word " * 100]
    few, many = elmo.load_for_few(starter), elmo.load(starter)
    assert isinstance(few, FewTexts)
    assert few.tokenize(texts) == many.tokenize(texts)
    expected = many.embed(texts)
    assert np.abs(few.embed(texts) - expected).max() < TOLERANCES["float32"] * np.abs(expected).max()


@pytest.mark.parametrize("load", [FewTexts.load, Elmo.load])
def test_both_refuse_alike(directory: Path, tmp_path: Path, load: Callable[[Path], FewTexts | Elmo]) -> None:
    embedder = load(directory)
    with pytest.raises(InputRefused, match="text 1 holds no token"):
        embedder.embed(["java", " "])
    with pytest.raises(InputRefused, match="max_tokens is 0"):
        embedder.embed(["java"], max_tokens=0)
    unbounded = load(write_random_elmo(tmp_path, scale=1e30, clip=None))
    with pytest.raises(WeightsError, match="text 0 a vector that is not finite"):
        unbounded.embed(["java"])


def test_tensorflow_is_not_imported(directory: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tagdb import elmo\n"
        f"print(elmo.load_for_few(Path({str(directory)!r})).embed(['how to']).shape, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "(1, 16) False\n"
