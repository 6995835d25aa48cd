"""Every text is read from the state that embedder.json names: zero, or that after one fixed text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagdb.elmo import Elmo
from tests.elmo.reference import ReferenceElmo
from tests.elmo.weights import write_random_elmo
from tests.examples import examples

START_TEXT = "read  This once\nfirst"
START_TOKENS = ["read", "This", "once", "first"]
TEXTS = [["java"], ["how", "to", "java"], ["c++", "c++", "how"]]


def load(directory: Path, start_text: str = START_TEXT, **embedder: object) -> Elmo:
    described = {"start_state": "frozen-warm", "start_text": start_text, **embedder}
    return Elmo.load(write_random_elmo(directory, seed=2, embedder=described))


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Elmo:
    return load(tmp_path_factory.mktemp("warm"))


def test_vectors_equal_those_of_texts_that_follow_the_start_text(warm: Elmo) -> None:
    reference = ReferenceElmo.load(Path(warm.spec.directory))
    vectors = warm.embed_tokens(TEXTS)
    np.testing.assert_allclose(vectors, [reference.embed(text, start=START_TOKENS) for text in TEXTS], atol=1e-5)
    assert np.abs(vectors - [reference.embed(text) for text in TEXTS]).max() > 0.01


def test_layer_weights_count_the_text_alone(tmp_path: Path) -> None:
    weights = [0.0, 0.5, 1.5]
    vectors = load(tmp_path, layer_weights=weights).embed_tokens(TEXTS)
    reference = ReferenceElmo.load(tmp_path)
    expected = [reference.embed(text, layer_weights=weights, start=START_TOKENS) for text in TEXTS]
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_the_start_text_is_split_and_lower_cased_as_texts_are(tmp_path: Path) -> None:
    elmo = load(tmp_path, "(Read?) THIS once: first!", tokenizer="words", lowercase=True)
    lowered = [token.lower() for token in START_TOKENS]
    expected = ReferenceElmo.load(tmp_path).embed(["java"], start=lowered)
    np.testing.assert_allclose(elmo.embed(["JAVA?"])[0], expected, atol=1e-5)


@settings(deadline=None, max_examples=examples(10))
@given(texts=st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), min_size=1, max_size=5))
def test_nothing_is_carried_from_text_to_text(warm: Elmo, texts: list[list[str]]) -> None:
    alone = np.concatenate([warm.embed_tokens([text]) for text in texts])
    np.testing.assert_allclose(warm.embed_tokens(texts), alone, atol=1e-5)
