"""The converted ELMo is held against the module itself, run by TensorFlow; what differs is refused with its reason."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagdb.elmo import Elmo
from tagdb.elmo.hub import Proof, convert, prove
from tagdb.elmo.hub._hub import load_module
from tagdb.elmo.hub.original import OriginalElmo
from tagdb.elmo.hub.variables import Variables
from tagdb.elmo.independence import TEXTS
from tagdb.errors import EmbedderUnavailable
from tests.elmo.hub.modules import ElmoModule, variable_values, write_elmo_module
from tests.elmo.hub.test_conversion import write_checkpoint

FEW = ("java", "how to  join two tables", "x" + "é" * 30)


def converted(module: Path, target: Path) -> Elmo:
    convert(module, target, name="tiny", source="seed")
    return Elmo.load(target)


@pytest.fixture(scope="module")
def mixed_elmo(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Elmo:
    """The ELMo that the module `mixed` becomes."""
    return converted(mixed, tmp_path_factory.mktemp("converted") / "mixed")


def test_all_texts_agree(mixed: Path, mixed_elmo: Elmo, capfd: pytest.CaptureFixture[str]) -> None:
    proof = prove(mixed, mixed_elmo)
    proof.require()
    assert proof.texts == len(TEXTS)
    # The vectors' numbers are of the order of 10.
    assert 0 < proof.default_difference < 2e-5
    assert 0 < proof.elmo_difference < 1e-4
    assert (proof.stateful, proof.start_state, proof.averages_padding, proof.reason) == (False, "zero", False, "")
    assert json.loads(json.dumps(asdict(proof))) == asdict(proof)
    assert capfd.readouterr() == ("", "")


def test_vectors_are_those_of_the_module(mixed: Path, mixed_elmo: Elmo) -> None:
    texts = ["how to join", "  java\t8  and c# "]
    signature = load_module(mixed).signatures["default"]
    expected = np.concatenate([signature(text=np.array([text]))["default"].numpy() for text in texts])
    assert np.abs(expected[0] - expected[1]).max() > 0.1
    np.testing.assert_allclose(mixed_elmo.embed(texts), expected, atol=2e-5)


def test_averaging_of_padding_is_told(padding: Path, tmp_path: Path) -> None:
    proof = prove(padding, converted(padding, tmp_path), FEW)
    proof.require()
    assert proof.averages_padding
    assert not proof.stateful


def test_a_stateful_module_agrees_from_zero(stateful: Path, tmp_path: Path) -> None:
    proof = prove(stateful, converted(stateful, tmp_path), FEW)
    proof.require()
    assert (proof.stateful, proof.start_state, proof.averages_padding) == (True, "zero", False)


def test_want_of_room_for_temporary_files_is_told(
    stateful: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EmbedderUnavailable, match="for want of a temporary file") as caught:
        Variables(stateful).write(str(tmp_path / "file" / "variables"), zeroed=lambda _: True)
    assert "TMPDIR" in str(caught.value.hint)
    original = OriginalElmo(stateful)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(EmbedderUnavailable, match=r"for want of a temporary file: .*gone"), original.from_zero():
        pytest.fail("there was a folder")


def test_another_start_state_is_the_reason(tmp_path: Path) -> None:
    warm = ElmoModule(start=0.5, uses_resources=True, has_tokens_signature=False)
    module = write_elmo_module(tmp_path / "module", warm)
    proof = prove(module, converted(module, tmp_path / "target"), FEW)
    assert (proof.stateful, proof.start_state) == (False, "stored")
    with pytest.raises(EmbedderUnavailable, match="starts every text from a state that is not zero"):
        proof.require()


def test_another_pooling_is_the_reason(tmp_path: Path) -> None:
    module = write_elmo_module(tmp_path / "module", ElmoModule(default_is_sum=True, has_tokens_signature=False))
    with pytest.raises(EmbedderUnavailable, match="`default` is not the mean of its `elmo`"):
        prove(module, converted(module, tmp_path / "target"), FEW).require()


def _lstm(**changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        options = json.loads((folder / "options.json").read_text())
        options["lstm"] |= changes
        (folder / "options.json").write_text(json.dumps(options))

    return edit


def _layer_weights(folder: Path) -> None:
    description = json.loads((folder / "embedder.json").read_text())
    (folder / "embedder.json").write_text(json.dumps(description | {"layer_weights": [0.2, 0.3, 0.5]}))


@pytest.mark.parametrize(
    ("misread", "reason"),
    [
        (_lstm(use_skip_connections=False), "it has skip connections"),
        (_lstm(proj_clip=None), "it clips cells and projections at 3"),
        (_layer_weights, "it mixes its layers by 0.5376, 0.802, 0.3604"),
    ],
)
def test_a_reading_that_would_agree_is_named(
    mixed: Path, tmp_path: Path, misread: Callable[[Path], None], reason: str
) -> None:
    convert(mixed, tmp_path, name="tiny", source="seed")
    misread(tmp_path)
    proof = prove(mixed, Elmo.load(tmp_path), FEW)
    assert proof.reason.endswith(reason)
    with pytest.raises(EmbedderUnavailable, match=f"allowed: .*{reason}"):
        proof.require()


def test_other_weights_are_not_explained(mixed: Path, tmp_path: Path) -> None:
    others = write_checkpoint(tmp_path / "module", variable_values(ElmoModule(seed=9)))
    proof = prove(mixed, converted(others, tmp_path / "target"), FEW[:1])
    assert proof.default_difference > 0.1
    with pytest.raises(EmbedderUnavailable, match="none of the reasons known"):
        proof.require()


def test_other_tokens_are_told(mixed: Path, tmp_path: Path) -> None:
    convert(mixed, tmp_path, name="tiny", source="seed")
    (tmp_path / "embedder.json").write_text('{"tokenizer": "words"}')
    with pytest.raises(EmbedderUnavailable, match=r"makes of 'a,b' 1 tokens .* 2 of 16"):
        prove(mixed, Elmo.load(tmp_path), ["a,b"])


def test_no_elmo_to_compare_with(bag_of_words: Path, mixed_elmo: Elmo) -> None:
    with pytest.raises(EmbedderUnavailable, match="no output `elmo`"):
        prove(bag_of_words, mixed_elmo)


@pytest.mark.parametrize("difference", [2e-4, float("nan")])
def test_differences_are_held_against_the_limit(difference: float) -> None:
    proof = Proof(1, 1e-5, difference, False, "zero", False, "", "2", "0")
    with pytest.raises(EmbedderUnavailable, match="1e-04 is allowed"):
        proof.require()
    replace(proof, elmo_difference=9e-5).require()
    with pytest.raises(EmbedderUnavailable):
        replace(proof, default_difference=2e-4, elmo_difference=0.0).require()
