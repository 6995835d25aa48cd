"""A damaged, foreign or malicious weights file is refused before it is used, with the place that is wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tagdb.elmo.options import read_options
from tagdb.elmo.weights import open_weights
from tagdb.errors import EmbedderUnavailable, WeightsError
from tests.elmo.weights import write_random_elmo

CELL = "RNN_1/RNN/MultiRNNCell/Cell0/LSTMCell"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_random_elmo(tmp_path / "elmo")


def read_all(directory: Path) -> dict[str, Any]:
    options = read_options(directory / "options.json")
    with open_weights(directory / "weights.hdf5", options) as weights:
        return {name: weights.read(name) for name in options.dataset_shapes() if name in weights}


def replace(file: Any, name: str, values: Any) -> None:
    del file[name]
    file[name] = values


def link_outside(file: Any) -> None:
    outside = Path(file.filename).with_name("outside.hdf5")
    with h5py.File(outside, "w") as other:
        other["B"] = np.zeros(48, dtype=np.float32)
    del file[f"{CELL}/B"]
    file[f"{CELL}/B"] = h5py.ExternalLink(str(outside), "/B")


def store_outside(file: Any) -> None:
    del file[f"{CELL}/B"]
    raw = Path(file.filename).with_name("outside.raw")
    raw.write_bytes(bytes(48 * 4))
    file.create_dataset(f"{CELL}/B", (48,), np.float32, external=[(str(raw), 0, 48 * 4)])


def make_virtual(file: Any) -> None:
    layout = h5py.VirtualLayout(shape=(48,), dtype=np.float32)
    layout[:] = h5py.VirtualSource("outside.hdf5", "B", shape=(48,))
    del file[f"{CELL}/B"]
    file.create_virtual_dataset(f"{CELL}/B", layout)


def link_inside(file: Any) -> None:
    replace(file, "CNN_high_0", h5py.SoftLink("/CNN"))


DAMAGE: dict[str, tuple[Callable[[Any], object], str]] = {
    "dataset missing": (lambda file: file.pop(f"{CELL}/B"), f"dataset {CELL}/B is missing"),
    "group missing": (lambda file: file.pop("RNN_1"), "dataset RNN_1/.* is missing"),
    "group for dataset": (
        lambda file: (file.pop("char_embed"), file.create_group("char_embed")),
        "char_embed is no dataset",
    ),
    "wrong shape": (
        lambda file: replace(file, f"{CELL}/B", np.zeros(47, dtype=np.float32)),
        rf"{CELL}/B has shape \(47,\), expected \(48,\)",
    ),
    "whole numbers": (
        lambda file: replace(file, f"{CELL}/B", np.zeros(48, dtype=np.int32)),
        f"{CELL}/B holds int32, expected float32 or float16",
    ),
    "text": (
        lambda file: replace(file, f"{CELL}/B", np.array([b"x"] * 48)),
        f"{CELL}/B holds .*, expected float32 or float16",
    ),
    "NaN": (
        lambda file: replace(file, f"{CELL}/B", np.full(48, np.nan, dtype=np.float32)),
        f"{CELL}/B holds 48 values that are not finite",
    ),
    "infinity": (
        lambda file: replace(file, f"{CELL}/B", np.r_[np.zeros(47), np.inf].astype(np.float16)),
        f"{CELL}/B holds 1 values that are not finite",
    ),
    "another layer": (
        lambda file: file.create_dataset(CELL.replace("Cell0", "Cell2") + "/B", data=np.zeros(48)),
        "holds RNN_1/RNN/MultiRNNCell/Cell2/LSTMCell/B, which options.json does not call for",
    ),
    "link to another file": (link_outside, f"{CELL}/B is a link"),
    "link within the file": (link_inside, "CNN_high_0 is a link"),
    "values in another file": (store_outside, f"{CELL}/B keeps its values in another file"),
    "virtual values": (make_virtual, f"{CELL}/B keeps its values in another file"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_refused_by_name(directory: Path, damage: Callable[[Any], object], message: str) -> None:
    with h5py.File(directory / "weights.hdf5", "r+") as file:
        damage(file)
    with pytest.raises(WeightsError, match=message) as refusal:
        read_all(directory)
    assert "weights.hdf5" in str(refusal.value)
    assert refusal.value.hint


def test_sound_files_are_read_whole(directory: Path) -> None:
    weights = read_all(directory)
    shapes = read_options(directory / "options.json").dataset_shapes()
    assert {name: values.shape for name, values in weights.items()} == shapes
    assert {values.dtype for values in weights.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_truncated_files_are_refused(directory: Path, kept: float) -> None:
    path = directory / "weights.hdf5"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(WeightsError, match="cannot be read as HDF5"):
        read_all(directory)


def test_flipped_bytes_are_refused_or_harmless(directory: Path) -> None:
    path = directory / "weights.hdf5"
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.integers(0, 4096, 30):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            read_all(directory)
        except WeightsError:
            refused += 1
    assert refused > 0


def test_other_files_are_refused(directory: Path) -> None:
    (directory / "weights.hdf5").write_text("<html>403</html>" * 1000)
    with pytest.raises(WeightsError, match="cannot be read as HDF5"):
        read_all(directory)
    (directory / "weights.hdf5").unlink()
    with pytest.raises(EmbedderUnavailable, match="there is no file"):
        read_all(directory)
