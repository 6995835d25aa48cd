"""What pre-training cannot do is refused before it costs anything, and what a run has is never spoilt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from tagdb.elmo.options import read_options
from tagdb.elmo.pretrain import Diverged, Example, Provenance, Settings, Size, pretrain
from tagdb.errors import InputRefused, TagdbError, WeightsError
from tests.elmo.pretraining import OPTIONS, SETTINGS, SIZE, sentences, train, trained
from tests.elmo.weights import elmo_options, random_weights, write_elmo, write_random_elmo

TEXTS = sentences(30)
BRIEF = replace(SETTINGS, epochs=1)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "there is no text to learn from"),
        (["", "  \t"], "there is no text to learn from"),
        (["one", "word", "each"], "all 3 texts are one token long"),
        (["no no no", "no no"], "one word only, 'no'"),
        (["the same text", "The same  text"], "there is only one text"),
    ],
)
def test_texts_with_nothing_to_learn_are_refused(tmp_path: Path, texts: list[str], message: str) -> None:
    with pytest.raises(InputRefused, match=message) as refused:
        train(tmp_path, texts)
    assert refused.value.hint
    assert not (tmp_path / "weights.hdf5").exists()


def test_folder_that_cannot_be_written_is_refused_before_texts_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    def unread() -> Iterable[Example]:
        raise AssertionError("texts were read")

    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputRefused, match="cannot write to"):
            pretrain(unread, place, BRIEF, SIZE, provenance=Provenance())


def test_embedder_in_the_way_is_left_alone(tmp_path: Path) -> None:
    write_random_elmo(tmp_path)
    before = (tmp_path / "weights.hdf5").read_bytes()
    with pytest.raises(InputRefused, match="holds an embedder already") as refused:
        train(tmp_path, TEXTS)
    assert f"--init {tmp_path}" in str(refused.value.hint)
    assert (tmp_path / "weights.hdf5").read_bytes() == before


@pytest.fixture(scope="module")
def _begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun")
    trained(folder, TEXTS, BRIEF)
    return folder


@pytest.fixture
def begun(_begun: Path, tmp_path: Path) -> Path:
    """The folder of a run of one epoch, this test's own."""
    return Path(shutil.copytree(_begun, tmp_path / "begun"))


def test_run_of_other_settings_texts_or_size_is_refused(begun: Path) -> None:
    others: list[tuple[Settings, Size, Provenance, str]] = [
        (replace(BRIEF, learning_rate=0.5), SIZE, Provenance(), "learning_rate was 0.02"),
        (BRIEF, replace(SIZE, cell_dim=7), Provenance(), "dim was 24"),
        (BRIEF, SIZE, Provenance(corpus="other texts"), "texts was 'not stated'"),
    ]
    for settings, size, provenance, message in others:
        with pytest.raises(InputRefused, match=message):
            pretrain(list, begun, settings, size, provenance=provenance)


@pytest.mark.parametrize("name", ["run.json", "corpus.json", "offsets.i64", "state.hdf5"])
def test_damaged_checkpoint_is_told_by_its_name(begun: Path, name: str) -> None:
    damaged = begun / "checkpoint" / name
    damaged.write_bytes(damaged.read_bytes()[:20])
    with pytest.raises(WeightsError, match=f"{name} is damaged") as refused:
        train(begun, TEXTS, BRIEF)
    assert refused.value.hint == "train into another folder"


def test_divergence_is_told_and_spoils_nothing(begun: Path) -> None:
    with h5py.File(begun / "checkpoint" / "state.hdf5", "r+") as state:
        state["CNN/b_cnn_0"][...] = np.inf
    before = {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()}
    with pytest.raises(Diverged, match="the loss is no longer a number, at step ") as diverged:
        train(begun, TEXTS, replace(BRIEF, epochs=2))
    assert diverged.value.hint == "train into another folder with a lower rate, such as --learning-rate 0.007"
    assert {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()} == before


def test_init_that_is_damaged_is_refused(tmp_path: Path) -> None:
    init = write_elmo(tmp_path / "init", elmo_options(), {})
    drawn = random_weights(read_options(init / "options.json"))
    write_elmo(init, elmo_options(), {name: values for name, values in drawn.items() if name != "char_embed"})
    with pytest.raises(WeightsError, match="char_embed is missing"):
        train(tmp_path / "out", TEXTS, BRIEF, init=init)
    (init / "options.json").write_text(json.dumps({}))
    with pytest.raises(TagdbError):
        train(tmp_path / "out", TEXTS, BRIEF, init=init)
    assert OPTIONS.dim == 32
