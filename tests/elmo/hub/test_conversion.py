"""The variables of a module become AllenNLP's files; what is not an ELMo's is refused before it is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tagdb.elmo._tensorflow import tf
from tagdb.elmo.hub import convert, is_elmo
from tagdb.elmo.options import parse_options, read_options
from tagdb.elmo.spec import read_description
from tagdb.errors import EmbedderUnavailable, WeightsError
from tests.elmo.hub.modules import ElmoModule, cell_name, variable_values
from tests.elmo.weights import elmo_options, random_weights
from tests.examples import examples

Values = dict[str, NDArray[Any]]
CELL_PARTS = {"W_0": "kernel", "B": "bias", "W_P_0": "projection/kernel"}


def write_checkpoint(module: Path, values: Mapping[str, Any], shapes: Mapping[str, str] | None = None) -> Path:
    """Write variables as a module has them; `shapes` makes one a slice of a larger variable that is not there."""
    (module / "variables").mkdir(parents=True)
    prefix, names = str(module / "variables" / "variables"), list(values)
    slices = [(shapes or {}).get(name, "") for name in names]
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=slices, tensors=list(values.values()))
    return module


def converted(module: Path, target: Path) -> Path:
    convert(module, target, name="tiny", source="seed 0", licence="MIT", description="of a test")
    return target


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, Any]:
    size = st.integers(1, 5)
    return {
        "projection_dim": draw(size),
        "dim": draw(size),
        "filters": draw(st.lists(st.tuples(st.integers(1, 50), size), min_size=1, max_size=12)),
        "n_layers": draw(st.integers(1, 3)),
        "n_highway": draw(st.integers(0, 2)),
        "char_dim": draw(size),
    }


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=shapes(), rows=st.sampled_from([261, 262]), scope=st.sampled_from(["", "module/"]), state=st.booleans())
def test_every_size_is_told_from_shapes_and_every_value_kept(
    tmp_path_factory: pytest.TempPathFactory, shape: dict[str, Any], rows: int, scope: str, state: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    options = parse_options(elmo_options(**shape), folder)
    weights = random_weights(options)
    values: Values = {"aggregation/weights": np.zeros(1 + shape["n_layers"], np.float32)}
    values["aggregation/scaling"] = np.float32(1)  # type: ignore[assignment]
    for name, value in weights.items():
        group, _, part = name.partition("/LSTMCell/")
        values[f"bilm/{group}/rnn/lstm_cell/{CELL_PARTS[part]}" if part else f"bilm/{name}"] = value
    if rows == 262:
        values["bilm/char_embed"] = np.pad(values["bilm/char_embed"], ((1, 0), (0, 0)), constant_values=7)
    if state:
        values["bilm/Variable"] = np.zeros((128, shape["dim"]), np.float32)
        values["bilm/Variable_1"] = np.zeros((128, shape["projection_dim"]), np.float32)
        values["global_step"] = np.int64(935588)  # type: ignore[assignment]
    module = write_checkpoint(folder / "module", {scope + name: value for name, value in values.items()})
    assert is_elmo(module)
    target = converted(module, folder / "target")
    assert read_options(target / "options.json") == options
    with h5py.File(target / "weights.hdf5", "r") as file:
        for name, value in weights.items():
            np.testing.assert_array_equal(file[name][()], value)
            assert file[name].dtype == np.float32


def test_mix_and_description_are_written(tmp_path: Path) -> None:
    values = variable_values(ElmoModule(mix=(0.0, 1.0, -1.0), scaling=2.0))
    description = read_description(converted(write_checkpoint(tmp_path / "module", values), tmp_path / "target"))
    exponentials = np.exp([0.0, 1.0, -1.0])
    assert description.layer_weights is not None
    np.testing.assert_allclose(description.layer_weights, 2 * exponentials / exponentials.sum(), rtol=1e-7)
    assert (description.name, description.source, description.licence) == ("tiny", "seed 0", "MIT")
    assert description.tokenizer == "spaces"


@pytest.mark.parametrize("logit", [0.0, 3.5])
def test_equal_weights_are_the_plain_mean(tmp_path: Path, logit: float) -> None:
    values = variable_values(ElmoModule(mix=(logit,) * 3))
    target = converted(write_checkpoint(tmp_path / "module", values), tmp_path / "target")
    assert "layer_weights" not in json.loads((target / "embedder.json").read_text())


def test_other_modules_are_no_elmo(tmp_path: Path) -> None:
    assert not is_elmo(tmp_path)
    assert not is_elmo(write_checkpoint(tmp_path / "other", {"embeddings": np.zeros((3, 4), np.float32)}))
    with pytest.raises(WeightsError, match="char_embed is missing"):
        converted(tmp_path / "other", tmp_path / "target")
    with pytest.raises(EmbedderUnavailable, match=r"variables\.index"):
        converted(tmp_path / "nothing", tmp_path / "target")


KERNEL = f"{cell_name(1, 1)}/kernel"


def _drop(name: str) -> Callable[[Values], None]:
    return lambda values: values.__delitem__(name)


def _put(name: str, value: Any) -> Callable[[Values], None]:
    return lambda values: values.__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop(KERNEL), f"{KERNEL} is missing"),
        (_drop("aggregation/scaling"), "aggregation/scaling is missing"),
        (_drop("bilm/CNN/b_cnn_1"), "b_cnn_1 is missing"),
        (_drop(f"{cell_name(0, 0)}/kernel"), "kernel is missing"),
        (_put(KERNEL, np.zeros((16, 44), np.float32)), r"kernel has shape \(16, 44\), expected \(16, 48\)"),
        (_put(KERNEL, np.zeros((16, 48))), "kernel holds float64, expected float32"),
        (_put("aggregation/weights", np.zeros(4, np.float32)), r"weights has shape \(4,\), expected \(3,\)"),
        (_put("aggregation/scaling", np.float32(0)), "scaling is 0"),
        (_put("aggregation/scaling", np.float32(np.nan)), "scaling holds 1 values that are not finite"),
        (_put("bilm/char_embed", np.zeros((260, 4), np.float32)), r"char_embed has shape \(260, 4\)"),
        (_put("bilm/CNN/W_cnn_0", np.zeros((1, 4), np.float32)), r"W_cnn_0 has shape \(1, 4\), not 4 dim"),
        (_put("bilm/adapter/W", np.zeros((3, 3), np.float32)), r"bilm/adapter/W of shape \(3, 3\) is no variable"),
        (_put("bilm/Variable", np.zeros((4, 5), np.float32)), "bilm/Variable of shape"),
        (_put(f"{cell_name(0, 1)}/bias", np.full(48, np.inf, np.float32)), "bias holds 48 values that are not finite"),
    ],
)
def test_what_is_no_elmo_is_refused_by_name(tmp_path: Path, change: Callable[[Values], None], message: str) -> None:
    values: Values = dict(variable_values(ElmoModule()))
    change(values)
    module = write_checkpoint(tmp_path / "module", values)
    with pytest.raises(WeightsError, match=message):
        converted(module, tmp_path / "target")
    assert not (tmp_path / "target" / "weights.hdf5").exists()
    assert not (tmp_path / "target" / "embedder.json").exists()


def test_a_variable_outside_the_scope_is_refused(tmp_path: Path) -> None:
    values = {f"module/{name}": value for name, value in variable_values(ElmoModule()).items()}
    values["bilm/CNN/b_cnn_0"] = values["module/bilm/CNN/b_cnn_0"]
    with pytest.raises(WeightsError, match="variables: bilm/CNN/b_cnn_0 of shape"):
        converted(write_checkpoint(tmp_path / "module", values), tmp_path / "target")


FIRST_KERNEL, STATE = f"{cell_name(0, 0)}/kernel", "bilm/Variable"


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        (FIRST_KERNEL, "16 4000000000 0,16:0,48", "dim is 1000000000, not a whole number"),
        (FIRST_KERNEL, "131072 262144 0,16:0,48", "parameters; at most"),
        (STATE, "1000000000 8 0,4:0,8", "numbers; at most"),
    ],
)
def test_giants_are_refused_by_their_shape(tmp_path: Path, name: str, shape: str, message: str) -> None:
    values = variable_values(ElmoModule()) | {STATE: np.zeros((4, 8), np.float32)}
    module = write_checkpoint(tmp_path / "module", values, {name: shape})
    with pytest.raises(WeightsError, match=message):
        converted(module, tmp_path / "target")


def test_damage_is_reported(tmp_path: Path) -> None:
    module = write_checkpoint(tmp_path / "module", variable_values(ElmoModule()))
    (data,) = (module / "variables").glob("variables.data-*")
    whole = data.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]):
        data.write_bytes(damaged)
        with pytest.raises(WeightsError, match="cannot be read as a checkpoint"):
            converted(module, tmp_path / "target")
        assert not list((tmp_path / "target").glob("*.json"))
    index = module / "variables" / "variables.index"
    for content, message in ((b"no index", "cannot be read as a checkpoint"), (bytes(2**24 + 1), "is larger than")):
        index.write_bytes(content)
        with pytest.raises(WeightsError, match=message):
            is_elmo(module)
