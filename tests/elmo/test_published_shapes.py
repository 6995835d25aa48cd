"""Files of the shapes that AllenNLP publishes are read: the names below are the format's own, not taken from tagdb."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tagdb.elmo import Elmo, read_spec
from tagdb.elmo.options import read_options
from tagdb.elmo.weights import open_weights
from tagdb.errors import WeightsError
from tests.elmo.reference import ReferenceElmo

FILTERS = [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]]
SMALL = {"dim": 1024, "projection_dim": 128, "n_highway": 1}
ORIGINAL = {"dim": 4096, "projection_dim": 512, "n_highway": 2}
PARAMETERS = {"small": 13_593_296, "original": 93_600_848}


def published_options(dim: int, projection_dim: int, n_highway: int) -> dict[str, Any]:
    lstm = {"use_skip_connections": True, "projection_dim": projection_dim, "cell_clip": 3, "proj_clip": 3}
    characters = {"embedding": {"dim": 16}, "n_characters": 262, "max_characters_per_token": 50}
    return {
        "lstm": {**lstm, "dim": dim, "n_layers": 2},
        "char_cnn": {"activation": "relu", "filters": FILTERS, "n_highway": n_highway, **characters},
    }


def published_shapes(dim: int, projection_dim: int, n_highway: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"char_embed": (261, 16)}
    for i, (width, count) in enumerate(FILTERS):
        shapes |= {f"CNN/W_cnn_{i}": (1, width, 16, count), f"CNN/b_cnn_{i}": (count,)}
    for k in range(n_highway):
        for gate in ("carry", "transform"):
            shapes |= {f"CNN_high_{k}/W_{gate}": (2048, 2048), f"CNN_high_{k}/b_{gate}": (2048,)}
    shapes |= {"CNN_proj/W_proj": (2048, projection_dim), "CNN_proj/b_proj": (projection_dim,)}
    for cell in (f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell" for direction in (0, 1) for layer in (0, 1)):
        shapes |= {f"{cell}/W_0": (2 * projection_dim, 4 * dim), f"{cell}/B": (4 * dim,)}
        shapes[f"{cell}/W_P_0"] = (dim, projection_dim)
    return shapes


def test_a_file_as_small_as_the_published_one_gives_the_defined_vectors(tmp_path: Path) -> None:
    (tmp_path / "options.json").write_text(json.dumps(published_options(**SMALL)))
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "weights.hdf5", "w") as file:
        for name, shape in published_shapes(**SMALL).items():
            deviation = 0.1 if len(shape) == 1 else math.prod(shape[:-1]) ** -0.5
            values = rng.standard_normal(shape, dtype=np.float32) * (1 if name == "char_embed" else deviation)
            file.create_dataset(name, data=values.astype(np.float16))
    elmo = Elmo.load(tmp_path)
    assert elmo.spec.config["parameters"] == PARAMETERS["small"]
    tokens = ["Java", "8"]
    expected = ReferenceElmo.load(tmp_path).embed(tokens)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(elmo.embed_tokens([tokens])[0], expected, atol=1e-5)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A file of all datasets and none of their values: HDF5 makes room for values when they are written."""
    (tmp_path / "options.json").write_text(json.dumps(published_options(**ORIGINAL)))
    with h5py.File(tmp_path / "weights.hdf5", "w") as file:
        for name, shape in published_shapes(**ORIGINAL).items():
            file.create_dataset(name, shape, np.float32)
    return tmp_path


def test_a_file_as_large_as_the_published_one_has_every_name_and_shape(original: Path) -> None:
    assert (original / "weights.hdf5").stat().st_size < 100_000
    spec = read_spec(original)
    assert (spec.dim, spec.config["parameters"]) == (1024, PARAMETERS["original"])
    shapes = published_shapes(**ORIGINAL)
    assert sum(math.prod(shape) for shape in shapes.values()) == PARAMETERS["original"]
    with open_weights(original / "weights.hdf5", read_options(original / "options.json")) as weights:
        assert all(name in weights for name in shapes)
        assert weights.read("CNN_high_1/b_transform").shape == (2048,)


def test_the_large_file_does_not_pass_for_the_small_one(original: Path) -> None:
    (original / "options.json").write_text(json.dumps(published_options(**SMALL)))
    with (
        pytest.raises(WeightsError, match=r"which options\.json does not call for"),
        open_weights(original / "weights.hdf5", read_options(original / "options.json")),
    ):
        pass
