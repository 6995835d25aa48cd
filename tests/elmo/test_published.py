"""The encoder gives what the published implementation gave, and the embedder that comes with tagdb works."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import tagdb
from tagdb.elmo import Elmo, read_spec
from tagdb.elmo.tries import TokenRows, trie_levels

ROOT = Path(__file__).parents[2]
BILM = ROOT.parent / "shared" / "fixtures" / "bilm"
STARTER = ROOT / "tagdb" / "embedders" / "starter"
needs_bilm = pytest.mark.skipif(not BILM.is_dir(), reason="needs bilm-tf's fixtures in ../shared/fixtures/bilm")


def top_layer(elmo: Elmo, tokens: Sequence[str]) -> NDArray[np.float32]:
    """Return the last layer, shape (2 directions, n_tokens, projection_dim), of a model without skips."""
    rows = TokenRows.of(elmo._vocabulary.number(tokens), [len(tokens)])
    halves = []
    for direction, ordered in ((elmo._forward, rows), (elmo._backward, rows.reverse())):
        numbered, commonest = ordered.renumber_by_frequency()
        inputs = direction.prepare(elmo._vocabulary.vectors()[commonest])
        levels = direction.walk(trie_levels(numbered, np.array([0])), inputs)
        halves.append([states.outputs[-1].numpy()[0] for _, states in levels])
    return np.array([halves[0], halves[1][::-1]])


def bilm(directory: Path, embedder: dict[str, Any]) -> Elmo:
    (directory / "options.json").symlink_to(BILM / "options.json")
    (directory / "weights.hdf5").symlink_to(BILM / "lm_weights.hdf5")
    (directory / "embedder.json").write_text(json.dumps(embedder))
    return Elmo.load(directory)


def fixture(number: int, sentence: int) -> NDArray[np.float32]:
    """Return a sentence's vectors in bilm-tf's top layer, shape (2 directions, n_tokens, projection_dim)."""
    with h5py.File(BILM / f"lm_embeddings_{number}.hdf5", "r") as file:
        expected: NDArray[np.float32] = file[str(sentence)][()]
    assert np.abs(expected).max() > 0.5
    return expected


@needs_bilm
def test_top_layer_equals_bilm_tf(tmp_path: Path) -> None:
    elmo = bilm(tmp_path, {"layer_weights": [0, 0, 1]})
    for number, sentences in enumerate(json.loads((BILM / "lm_embeddings_sentences.json").read_text())):
        expected = fixture(number, 0)  # only the first sentence began from the zero state
        np.testing.assert_allclose(top_layer(elmo, sentences[0].split()), expected, atol=1e-6, rtol=1e-5)
        pooled = np.concatenate(expected.mean(axis=1))
        np.testing.assert_allclose(elmo.embed(sentences[:1])[0], pooled, atol=1e-6, rtol=1e-5)


@needs_bilm
@pytest.mark.parametrize("number", range(3))
def test_a_start_text_does_what_bilm_tfs_state_does(tmp_path: Path, number: int) -> None:
    first, second, *_ = json.loads((BILM / "lm_embeddings_sentences.json").read_text())[number]
    warm = {"start_state": "frozen-warm", "start_text": first}
    elmo = bilm(tmp_path, {"layer_weights": [0, 0, 1], **warm})
    expected = fixture(number, 1)  # bilm-tf had read the first sentence before, and kept its state
    np.testing.assert_allclose(top_layer(elmo, second.split()), expected, atol=1e-6, rtol=1e-5)
    pooled = np.concatenate(expected.mean(axis=1))
    np.testing.assert_allclose(elmo.embed([second])[0], pooled, atol=1e-6, rtol=1e-5)


@pytest.fixture(scope="module")
def starter() -> Elmo:
    return tagdb.Elmo.load(STARTER)


def test_the_starter_gives_lower_cased_vectors_of_1024(starter: Elmo) -> None:
    vectors = starter.embed(["java spring", "JAVA", "java", "<script> \ud800 日本語"])
    assert vectors.shape == (4, starter.dim) == (4, 1024)
    assert np.isfinite(vectors).all()
    np.testing.assert_array_equal(vectors[1], vectors[2])
    assert starter.spec == read_spec(STARTER)
    assert starter.spec.name == "starter"
    assert starter.spec.config["lowercase"] is True


def test_the_starter_knows_its_neighbours(starter: Elmo) -> None:
    names = ["mysql", "sql", "database", "ios", "xcode", "iphone", "objective-c"]
    vectors = starter.embed(names)
    centred = vectors - vectors.mean(axis=0)
    unit = dict(zip(names, centred / np.linalg.norm(centred, axis=1, keepdims=True), strict=True))
    assert unit["mysql"] @ unit["sql"] > unit["mysql"] @ unit["ios"]
    assert unit["ios"] @ unit["iphone"] > unit["ios"] @ unit["sql"]
