"""Training that goes on from an embedder's weights keeps them, and how that embedder makes vectors of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagdb.elmo import Elmo
from tagdb.elmo._tensorflow import tf
from tagdb.elmo.options import read_options
from tagdb.elmo.pretrain import Outcome, Provenance
from tagdb.elmo.spec import read_description
from tagdb.elmo.training.network import Network
from tests.elmo.pretraining import SETTINGS, Notes, network_inputs, sentences, tagged, trained, weights
from tests.elmo.weights import elmo_options, random_weights, write_elmo, write_random_elmo

STANDING_STILL = replace(SETTINGS, epochs=1, learning_rate=1e-8)
LAYER_WEIGHTS = [0.2, 1.5, -0.7]
CONVERTED: dict[str, Any] = {"tokenizer": "spaces", "source": "a module", "licence": "MIT"}
WARM = {"start_state": "frozen-warm", "start_text": "read this before"}


def go_on(folder: Path, embedder: dict[str, Any], **options: Any) -> tuple[Outcome, Notes]:
    """Train, without moving the weights, from an ELMo with this embedder.json."""
    init, said = write_random_elmo(folder / "init", embedder=embedder), Notes()
    return trained(folder / "out", tagged(40), STANDING_STILL, init=init, reporter=said, **options), said


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Notes]:
    """A run from an ELMo whose layers are mixed and whose texts follow others, as a conversion may make it."""
    return go_on(tmp_path_factory.mktemp("mixed"), CONVERTED | WARM | {"name": "warm", "layer_weights": LAYER_WEIGHTS})


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Notes]:
    """The same from the plain mean of the layers and the zero state; the user states a licence."""
    return go_on(tmp_path_factory.mktemp("plain"), CONVERTED, provenance=Provenance(corpus="rules", licence="CC0"))


def test_the_layer_mix_is_learnt_with_and_written(
    mixed: tuple[Outcome, Notes], plain: tuple[Outcome, Notes], tmp_path: Path
) -> None:
    folder = mixed[0].directory
    assert read_description(folder).layer_weights == tuple(LAYER_WEIGHTS)
    assert read_description(plain[0].directory).layer_weights is None
    init = write_random_elmo(tmp_path / "init", embedder=CONVERTED | {"layer_weights": LAYER_WEIGHTS})
    np.testing.assert_allclose(
        Elmo.load(folder).embed(["my list", "here"]),
        Elmo.load(init).embed(["my list", "here"]) - weights(folder)["centre"],
        atol=1e-4,
    )
    assert mixed[0].best.held_out.perplexity == pytest.approx(plain[0].best.held_out.perplexity, rel=1e-3)
    assert mixed[0].best.held_out.tag_loss != pytest.approx(plain[0].best.held_out.tag_loss, rel=1e-2)
    assert "of layers weighted as embedder.json says" in (folder / "model-card.md").read_text()
    assert "tokens and layers" in (plain[0].directory / "model-card.md").read_text()


def test_pooled_vectors_in_training_are_those_that_embed(tmp_path: Path) -> None:
    write_random_elmo(tmp_path, embedder={"layer_weights": LAYER_WEIGHTS})
    network = Network(read_options(tmp_path / "options.json"), weights(tmp_path), LAYER_WEIGHTS)
    texts = [["java"], ["how", "to", "java"]]
    characters, spelt_at, padded, lengths = network_inputs(texts)
    vectors = network.token_vectors(characters, spelt_at, None, None)
    pooled = network.apply(vectors, padded, lengths, None, tf.zeros(2, tf.int32)).pooled
    np.testing.assert_allclose(pooled, Elmo.load(tmp_path).embed_tokens(texts), atol=1e-5)
    for cell in (name for name in network.variables if name.endswith("/W_P_0")):
        network.variables[cell].assign(tf.zeros_like(network.variables[cell]))
    silent = network.apply(vectors, padded, lengths, None, tf.zeros(2, tf.int32)).pooled
    np.testing.assert_allclose(network.pooled_tokens(vectors, padded, lengths), silent, atol=1e-6)


def test_another_start_state_is_left_and_told(mixed: tuple[Outcome, Notes], plain: tuple[Outcome, Notes]) -> None:
    assert read_description(mixed[0].directory).start_state == "zero"
    assert mixed[1].said[0].startswith("warm reads every text after a start text; ")
    assert mixed[1].said[0].endswith("from the zero state")
    assert not any("zero state" in line for line in plain[1].said)


def test_rounded_products_are_left_and_told(tmp_path: Path) -> None:
    outcome, notes = go_on(tmp_path, CONVERTED | {"precision": "bf16"})
    assert read_description(outcome.directory).precision == "float32"
    assert notes.said[0].endswith(" multiplies in bf16; what is trained now does in float32")


def test_source_and_licence_are_kept(mixed: tuple[Outcome, Notes], plain: tuple[Outcome, Notes]) -> None:
    inherited, stated = (read_description(outcome.directory) for outcome, _ in (mixed, plain))
    assert (inherited.licence, stated.licence) == ("MIT", "CC0")
    assert (inherited.source, stated.source) == ("not stated; begun from: a module", "rules; begun from: a module")
    card = json.loads((mixed[0].directory / "model-card.json").read_text())
    assert (card["licence"], card["init_source"], card["layer_weights"]) == ("MIT", "a module", LAYER_WEIGHTS)


def test_init_goes_on_from_its_weights(tmp_path: Path) -> None:
    init = write_random_elmo(tmp_path / "init")
    started = trained(tmp_path / "still", sentences(30), STANDING_STILL, init=init)
    before, after = weights(init), weights(started.directory)
    for name, values in after.items():
        np.testing.assert_allclose(values, before[name], atol=1e-5, err_msg=name)


def test_init_without_projections_with_case_and_with_a_centre(tmp_path: Path) -> None:
    shape = elmo_options(projection_dim=12, dim=12)
    drawn = random_weights(read_options(write_elmo(tmp_path / "init", shape, {}) / "options.json"))
    kept = {name: values for name, values in drawn.items() if not name.endswith("W_P_0")}
    assert len(kept) == len(drawn) - 4
    kept["centre"] = np.full(24, 0.25, dtype=np.float32)
    init = write_elmo(tmp_path / "init", shape, kept)
    trained(tmp_path / "out", [f"A text {number} Here" for number in range(9)], STANDING_STILL, init=init)
    assert not read_description(tmp_path / "out").lowercase
    assert "centre" in weights(tmp_path / "out")
    texts = ["A text", "Here it goes"]
    np.testing.assert_allclose(Elmo.load(tmp_path / "out").embed(texts), Elmo.load(init).embed(texts), atol=1e-4)
