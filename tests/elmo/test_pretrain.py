"""Pre-training learns, keeps its place when stopped or killed, and writes the very network that it trained."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from tagdb.config import VERSION
from tagdb.elmo import Elmo, pretrain, read_spec
from tagdb.elmo._tensorflow import tf
from tagdb.elmo.characters import BEGIN_SENTENCE, END_SENTENCE
from tagdb.elmo.options import read_options
from tagdb.elmo.pretrain import Outcome, Provenance, Settings, Size
from tagdb.elmo.spec import read_description
from tagdb.elmo.training.network import Network
from tagdb.elmo.training.trainer import HeldOut, Trainer
from tests.elmo.pretraining import (
    OPTIONS,
    RELATED,
    SETTINGS,
    TOPICS,
    Interruption,
    Notes,
    network_inputs,
    sentences,
    tagged,
    train,
    trained,
    weights,
)
from tests.elmo.reference import ReferenceElmo

TEXTS = sentences()
LEARNING = replace(SETTINGS, epochs=8)
STOP_AT = 40  # in the third epoch
STANDING_STILL = replace(SETTINGS, epochs=1, learning_rate=1e-8)


@pytest.fixture(scope="module")
def provenance() -> Provenance:
    """What the caller of a run says of it."""
    return Provenance("rules", "three | sentences", "CC0", "tagdb embedder train --output x", None)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, provenance: Provenance) -> Outcome:
    """A run that nothing disturbed."""
    return trained(tmp_path_factory.mktemp("run"), TEXTS, LEARNING, provenance=provenance)


@pytest.fixture(scope="module")
def tag_run(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run on texts whose words determine their tags."""
    return trained(tmp_path_factory.mktemp("tags"), tagged(), replace(SETTINGS, epochs=6), number_format="float16")


def _same(left: Path, right: Path) -> bool:
    ours, theirs = weights(left), weights(right)
    return ours.keys() == theirs.keys() and all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)


def test_rules_are_learnt(run: Outcome) -> None:
    words = len({word for text in TEXTS for word in text.split()})
    assert run.reason == "8 epochs are done"
    assert [epoch.number for epoch in run.epochs] == list(range(1, 9))
    assert run.best.held_out.perplexity < 5 < words / 3
    assert run.best.held_out.tag_accuracy is None
    assert run.epochs[1].tokens == 2 * run.epochs[0].tokens


def test_run_killed_and_stopped_ends_like_one_that_was_not(
    tmp_path: Path, run: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(pretrain, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
        with pytest.raises(Interruption):
            train(tmp_path, TEXTS, LEARNING, reporter=Notes(fail_at=6))
    assert not (tmp_path / "weights.hdf5").exists()
    steps, killed = itertools.count(6), Notes()
    stopped = train(tmp_path, TEXTS, LEARNING, reporter=killed, should_stop=lambda: next(steps) == STOP_AT)
    assert stopped is None
    assert killed.said[0].startswith("going on after 5 steps: 120 texts of 960 tokens")
    assert (tmp_path / "weights.hdf5").exists()
    resumed = Notes()
    outcome = trained(tmp_path, None, LEARNING, reporter=resumed)
    assert resumed.said[0].startswith(f"going on after {STOP_AT} steps: ")
    assert _same(tmp_path, run.directory)
    assert outcome.best.held_out == run.best.held_out


def test_finished_run_is_left_as_it_is(tmp_path: Path, run: Outcome, provenance: Provenance) -> None:
    shutil.copytree(run.directory, tmp_path, dirs_exist_ok=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = trained(tmp_path, None, LEARNING, provenance=provenance)
    assert (again.best, again.epochs, again.reason) == (run.best, run.epochs, run.reason)
    hours = trained(tmp_path, None, replace(LEARNING, epochs=99, hours=1 / 3600), provenance=provenance)
    assert hours.reason == "0.000277778 hours are over"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_patience_ends_a_run_and_another_seed_gives_other_weights(
    tmp_path: Path, run: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "evaluate", lambda *_: HeldOut(9.0, 4.0, None, None))
    outcome = trained(tmp_path, TEXTS, replace(LEARNING, epochs=9, patience=1, seed=7))
    assert outcome.reason == "the held-out loss has not fallen for 1 epochs"
    assert (len(outcome.epochs), outcome.best.number, outcome.best.held_out.perplexity) == (2, 1, 6.0)
    other, this = weights(tmp_path), weights(run.directory)
    assert all(not np.array_equal(other[name], this[name]) for name in this)


@pytest.mark.parametrize(("fixture", "tolerance"), [("run", 1e-5), ("tag_run", 1e-2)])
def test_what_was_trained_is_what_embeds(
    fixture: str, tolerance: float, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    directory = request.getfixturevalue(fixture).directory
    texts = [text.split() for text in [*TEXTS[:3], "python", "an unseen textual surprise", "java java"]]
    elmo, reference = Elmo.load(directory), ReferenceElmo.load(directory)
    network = Network(OPTIONS, {name: values.astype(np.float32) for name, values in weights(directory).items()})
    characters, spelt_at, padded, lengths = network_inputs(texts)
    layers = network.apply(
        network.token_vectors(characters, spelt_at, None, None), padded, lengths, None, tf.zeros(2, tf.int32)
    )
    pooled = layers.pooled.numpy()
    assert np.abs(pooled).max() > 0.1
    centre = weights(directory).get("centre", np.zeros(OPTIONS.dim))
    assert (fixture == "tag_run") == bool(centre.any())
    np.testing.assert_allclose(elmo.embed([" ".join(text) for text in texts]), pooled - centre, atol=tolerance)
    for column, text in enumerate(texts):
        np.testing.assert_allclose(reference.embed(text), pooled[column], atol=tolerance)


def test_trained_network_is_the_definition_layer_for_layer(run: Outcome) -> None:
    text = ["how", "to", "sort", "a", "table", "in", "java"]
    reference = ReferenceElmo.load(run.directory)
    network = Network(OPTIONS, weights(run.directory))
    characters, spelt_at, _, _ = network_inputs([text])
    vectors = network.token_vectors(characters, spelt_at, None, None)
    for direction, boundary, tokens in ((0, BEGIN_SENTENCE, text), (1, END_SENTENCE, text[::-1])):
        expected = reference.direction([reference.token_vector(token) for token in [boundary, *tokens]], direction)
        numbers = dict.fromkeys([BEGIN_SENTENCE, END_SENTENCE, *text])
        read = tf.constant([[list(numbers).index(token)] for token in tokens])
        layers = network._direction(direction, vectors, read, None, tf.zeros(2, tf.int32))
        for depth, layer in enumerate(layers):
            computed = np.concatenate([layer.of_boundary, layer.of_tokens])[:, 0]
            np.testing.assert_allclose(computed, expected[:, depth], atol=1e-5)


def test_files_are_what_the_published_loaders_read(run: Outcome, tag_run: Outcome) -> None:
    assert Size().cell_dim != Size().projection_dim
    shapes = {name: values.shape for name, values in weights(run.directory).items()}
    assert shapes == OPTIONS.dataset_shapes()
    assert shapes["CNN/W_cnn_1"] == (1, 2, 4, 8)
    assert shapes["RNN_1/RNN/MultiRNNCell/Cell1/LSTMCell/W_P_0"] == (24, 16)
    assert {values.dtype for values in weights(tag_run.directory).values()} == {np.dtype(np.float16)}
    content = json.loads((run.directory / "options.json").read_text())
    assert content["lstm"] == {
        "use_skip_connections": True, "projection_dim": 16, "cell_clip": 3.0, "proj_clip": 3.0,
        "dim": 24, "n_layers": 2,
    }  # fmt: skip
    assert content["char_cnn"] == {
        "activation": "relu", "filters": [[1, 4], [2, 8], [3, 12]], "n_highway": 1, "embedding": {"dim": 4},
        "n_characters": 262, "max_characters_per_token": 50,
    }  # fmt: skip
    assert read_options(run.directory / "options.json") == OPTIONS


def test_tags_are_told_and_those_that_meet_are_near(tag_run: Outcome) -> None:
    accuracies = [epoch.held_out.tag_accuracy or 0.0 for epoch in tag_run.epochs]
    assert accuracies[-1] > 0.95
    names = [*TOPICS, *RELATED.values()]
    vectors = Elmo.load(tag_run.directory).embed(names)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for number, name in enumerate(names[:3]):
        others = unit[number] @ unit.T
        others[number] = -1
        assert names[int(np.argmax(others))] == RELATED[name]


def test_tokens_learn_first_where_there_are_tags(tmp_path: Path) -> None:
    settings = replace(SETTINGS, token_epochs=2, epochs=1)
    whole, halted = tmp_path / "whole", tmp_path / "halted"
    said = Notes()
    outcome = trained(whole, tagged(), settings, reporter=said)
    assert [epoch.taught_language for epoch in outcome.epochs] == [False] * 2 + [True]
    accuracies = [epoch.held_out.tag_accuracy or 0.0 for epoch in outcome.epochs]
    assert min(accuracies) > 0.9
    assert any(line.startswith("epoch 1: tokens alone, nearest tag right") for line in said.said)
    assert outcome.best.number == 3
    steps = itertools.count()
    assert train(halted, tagged(), settings, should_stop=lambda: next(steps) == 40) is None
    trained(halted, None, settings)
    assert _same(halted, whole)


def test_card_tells_a_stranger_everything(run: Outcome, tag_run: Outcome) -> None:
    spec, description = read_spec(run.directory), read_description(run.directory)
    assert (spec.name, description.lowercase, description.licence) == ("rules", True, "CC0")
    data = json.loads((run.directory / "model-card.json").read_text())
    assert data["fingerprint"] == spec.fingerprint
    assert data["bytes"] == (run.directory / "weights.hdf5").stat().st_size
    assert data["settings"] == asdict(LEARNING)
    assert (data["texts"], data["tokens"], data["tagged_texts"], data["coverage"]) == (120, 960, 0, 1.0)
    assert data["versions"] == {"tagdb": VERSION, "tensorflow": tf.__version__, "python": data["versions"]["python"]}
    assert data["perplexity"] == run.best.held_out.perplexity
    assert [row["epoch"] for row in data["epochs"]] == list(range(1, 9))
    assert (data["best_epoch"], data["init"]) == (run.best.number, None)
    card = (run.directory / "model-card.md").read_text()
    assert card.startswith("# rules\n")
    for told in ("three \\| sentences", "CC0", "`tagdb embedder train --output x`", spec.fingerprint, "learning_rate"):
        assert told in card
    assert f"| **{run.best.number}** | " in card
    assert read_spec(tag_run.directory).name == tag_run.directory.name
    tag_data = json.loads((tag_run.directory / "model-card.json").read_text())
    assert tag_data["tag_accuracy"] == tag_run.best.held_out.tag_accuracy
    assert tag_data["licence"] == "not stated"


def test_default_settings_say_themselves() -> None:
    assert Settings().epochs == 10
    assert Size().options().dim == 1024
