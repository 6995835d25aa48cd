"""Layers are mixed as embedder.json says: exactly, in any sign, and before the centre comes off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagdb.elmo import Elmo
from tagdb.elmo.options import parse_options
from tests.elmo.reference import ReferenceElmo
from tests.elmo.weights import elmo_options, random_weights, write_elmo
from tests.examples import examples

TEXTS = [["java"], ["how", "to", "java"], ["c++", "c++", "how", "日本語"]]
texts_of_tokens = st.lists(
    st.lists(st.sampled_from(["a", "b", "java", "é"]), min_size=1, max_size=5), min_size=1, max_size=4
)


def load(directory: Path, layer_weights: list[float] | None, *, centre: float = 0.0) -> Elmo:
    content = elmo_options()
    options = parse_options(content, directory)
    weights = random_weights(options, seed=4)
    if centre:
        weights["centre"] = np.full(options.dim, centre, dtype=np.float32)
    return Elmo.load(write_elmo(directory, content, weights, embedder={"layer_weights": layer_weights}))


@pytest.fixture(scope="module")
def mean(tmp_path_factory: pytest.TempPathFactory) -> Elmo:
    return load(tmp_path_factory.mktemp("mean"), None)


@pytest.fixture(scope="module")
def single_layers(tmp_path_factory: pytest.TempPathFactory) -> list[Elmo]:
    return [load(tmp_path_factory.mktemp("layer"), [float(k == layer) for k in range(3)]) for layer in range(3)]


@pytest.mark.parametrize("layer_weights", [[0.2, 1.5, -0.7], [0, 0, 1], [2, 0, 0]], ids=str)
def test_weighted_vectors_equal_the_definition(tmp_path: Path, layer_weights: list[float]) -> None:
    vectors = load(tmp_path, layer_weights).embed_tokens(TEXTS)
    reference = ReferenceElmo.load(tmp_path)
    expected = [reference.embed(text, layer_weights=layer_weights) for text in TEXTS]
    np.testing.assert_allclose(vectors, expected, atol=1e-6, rtol=1e-5)
    assert np.abs(vectors - [reference.embed(text) for text in TEXTS]).max() > 0.05


@settings(deadline=None, max_examples=examples(8))
@given(texts=texts_of_tokens)
def test_the_plain_mean_is_the_mean_of_the_single_layers(
    mean: Elmo, single_layers: list[Elmo], texts: list[list[str]]
) -> None:
    layers = [elmo.embed_tokens(texts) for elmo in single_layers]
    np.testing.assert_allclose(np.mean(layers, axis=0), mean.embed_tokens(texts), atol=1e-6)


def test_layer_0_alone_is_the_mean_of_the_tokens_in_both_halves(single_layers: list[Elmo]) -> None:
    (java,), (how,), (both,) = (single_layers[0].embed_tokens([text]) for text in (["java"], ["how"], ["how", "java"]))
    np.testing.assert_array_equal(java[:8], java[8:])
    np.testing.assert_allclose(both, (java + how) / 2, atol=1e-6)


def test_the_centre_is_not_weighted(tmp_path: Path) -> None:
    layer_weights = [0.5, 0.5, 2.0]
    plain = load(tmp_path / "plain", layer_weights)
    centred = load(tmp_path / "centred", layer_weights, centre=0.75)
    np.testing.assert_allclose(centred.embed_tokens(TEXTS), plain.embed_tokens(TEXTS) - 0.75, atol=1e-6)
