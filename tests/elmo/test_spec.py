"""An embedder is identified without TensorFlow, and two that could differ never share a fingerprint."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tagdb.elmo import load, read_spec, spec
from tagdb.elmo.options import MAX_JSON_BYTES, parse_options
from tagdb.errors import EmbedderUnavailable, WeightsError
from tests.elmo.weights import elmo_options, random_weights, write_elmo, write_random_elmo

EMBEDDER = {
    "name": "tiny",
    "lowercase": True,
    "tokenizer": "whitespace",
    "source": "seed 0",
    "licence": "none",
}


def test_spec_tells_what_the_directory_holds(tmp_path: Path) -> None:
    spec = read_spec(write_random_elmo(tmp_path / "plain"))
    assert (spec.name, spec.kind, spec.dim, spec.directory) == ("plain", "elmo", 16, str(tmp_path / "plain"))
    assert spec.config["lowercase"] is False
    described = read_spec(write_random_elmo(tmp_path / "described", embedder=EMBEDDER))
    assert described.name == "tiny"
    assert {key: described.config[key] for key in ("lowercase", "source", "licence")} == {
        "lowercase": True,
        "source": "seed 0",
        "licence": "none",
    }
    assert json.loads(json.dumps(described.config)) == described.config
    with h5py.File(tmp_path / "plain" / "weights.hdf5", "r") as file:
        values: list[int] = []
        file.visititems(lambda _, item: values.append(item.size) if isinstance(item, h5py.Dataset) else None)
    assert spec.config["parameters"] == sum(values)


@pytest.mark.parametrize(
    ("embedder", "fingerprint"),
    [
        (None, "a18fda632c78cfdc88f58bedeee37237058f84db62490e36fbce4b7255d7fdcf"),
        (
            {"kind": "elmo", "layer_weights": None, "start_state": "zero", "start_text": ""},
            "a18fda632c78cfdc88f58bedeee37237058f84db62490e36fbce4b7255d7fdcf",
        ),
        ({"lowercase": True, "tokenizer": "words"}, "fc7bb11cf15782c736d79e15c9d74370d534a68022c34f853b74124f2fd9b30d"),
    ],
)
def test_fingerprints_are_those_of_the_first_release(
    tmp_path: Path, embedder: dict[str, Any] | None, fingerprint: str
) -> None:
    (tmp_path / "options.json").write_text(json.dumps(elmo_options()))
    (tmp_path / "weights.hdf5").write_bytes(b"weights")
    if embedder is not None:
        (tmp_path / "embedder.json").write_text(json.dumps(embedder))
    assert read_spec(tmp_path).fingerprint == fingerprint


def test_fingerprint_follows_what_changes_vectors_and_nothing_else(tmp_path: Path) -> None:
    def fingerprint(name: str, **changes: Any) -> str:
        return read_spec(write_random_elmo(tmp_path / name, **changes)).fingerprint

    original = fingerprint("original")
    assert len(original) == 64
    others = {
        fingerprint("seed", seed=1),
        fingerprint("half", dtype=np.float16),
        fingerprint("skip", skip=False),
        fingerprint("clip", clip=2),
        fingerprint("lower", embedder={"lowercase": True}),
        fingerprint("spaces", embedder={"tokenizer": "spaces"}),
        fingerprint("rounded", embedder={"precision": "bf16"}),
        fingerprint("weighted", embedder={"layer_weights": [0.5, 0.25, 0.25]}),
        fingerprint("top", embedder={"layer_weights": [0, 0, 1]}),
        fingerprint("warm", embedder={"start_state": "frozen-warm", "start_text": "hello there"}),
        fingerprint("other text", embedder={"start_state": "frozen-warm", "start_text": "hello here"}),
    }
    assert len(others | {original}) == 12
    assert fingerprint("floats", embedder={"layer_weights": [0.0, 0.0, 1.0]}) == fingerprint(
        "whole numbers", embedder={"layer_weights": [0, 0, 1]}
    )
    assert fingerprint("named", embedder={"name": "another", "licence": "CC0"}) == original
    options = json.loads((tmp_path / "original" / "options.json").read_text())
    (tmp_path / "original" / "options.json").write_text(json.dumps(options, indent=4, sort_keys=True))
    assert read_spec(tmp_path / "original").fingerprint == original


def without(key: str, section: str) -> dict[str, Any]:
    options = elmo_options()
    del options[section][key]
    return options


def changed(section: str, **values: Any) -> dict[str, Any]:
    options = elmo_options()
    options[section].update(values)
    return options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (changed("char_cnn", n_characters=261), "n_characters is 261, not 262: 261 is the training value"),
        (changed("char_cnn", activation="gelu"), "activation is 'gelu', not one of relu, tanh"),
        (changed("char_cnn", max_characters_per_token=2), "max_characters_per_token is 2"),
        (changed("char_cnn", filters=[[51, 4]]), "filters holds a filter wider than"),
        (changed("char_cnn", filters=[[1]]), "filters is not a list of"),
        (changed("char_cnn", filters=[]), "filters is not a list of"),
        (changed("char_cnn", embedding=4), "char_cnn.embedding is 4, not an object"),
        (changed("char_cnn", n_highway=-1), "n_highway is -1"),
        (changed("lstm", dim=0), "lstm.dim is 0"),
        (changed("lstm", dim=True), "lstm.dim is True"),
        (changed("lstm", projection_dim="512"), "projection_dim is '512'"),
        (changed("lstm", use_skip_connections="yes"), "use_skip_connections is 'yes'"),
        (changed("lstm", cell_clip=-3), "cell_clip is -3"),
        (changed("lstm", proj_clip=float("nan")), "proj_clip is nan"),
        (changed("lstm", dim=65_536, projection_dim=65_536), "parameters; at most"),
        (without("n_layers", "lstm"), "lstm.n_layers is missing"),
        (without("filters", "char_cnn"), "char_cnn.filters is missing"),
        ({"lstm": elmo_options()["lstm"]}, "char_cnn is missing"),
    ],
    ids=str,
)
def test_impossible_options_are_refused_by_key(options: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError) as refusal:
        parse_options(options, Path("here/options.json"))
    assert message in str(refusal.value)
    assert "here/options.json" in str(refusal.value)
    assert refusal.value.hint


def test_clips_and_highways_may_be_left_out() -> None:
    options = without("cell_clip", "lstm")
    del options["char_cnn"]["n_highway"]
    parsed = parse_options(options, Path("options.json"))
    assert parsed.lstm.cell_clip is None
    assert parsed.char_cnn.n_highway == 0


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\udce9"])
def test_options_that_are_no_json_object_are_refused(tmp_path: Path, content: str) -> None:
    write_random_elmo(tmp_path)
    (tmp_path / "options.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(WeightsError, match=r"options\.json"):
        read_spec(tmp_path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match=r"options\.json"):
        read_spec(tmp_path / "nowhere")
    options = elmo_options()
    write_elmo(tmp_path, options, random_weights(parse_options(options, tmp_path)))
    (tmp_path / "weights.hdf5").unlink()
    with pytest.raises(EmbedderUnavailable, match=r"weights\.hdf5"):
        read_spec(tmp_path)


def run_python(code: str) -> str:
    """Run code in a fresh interpreter that has no wish about TensorFlow's log; return what it wrote to stderr."""
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=Path(__file__).parents[2],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return run.stderr


def test_reading_a_spec_loads_neither_tensorflow_nor_h5py(tmp_path: Path) -> None:
    write_random_elmo(tmp_path)
    run_python(
        "import sys, pathlib, tagdb, tagdb.elmo\n"
        f"tagdb.elmo.read_spec(pathlib.Path({str(tmp_path)!r}))\n"
        "assert not {'tensorflow', 'h5py', 'keras'} & set(sys.modules)"
    )


def test_the_encoder_loads_quietly_and_leaves_keras_usable() -> None:
    written = run_python(
        "import sys\n"
        "from tagdb import Elmo\n"
        "assert 'tensorflow' in sys.modules and 'keras' not in sys.modules\n"
        "print('ready', file=sys.stderr)\n"
        "from tensorflow.keras.layers import Dense"
    )
    assert written == "ready\n"


@pytest.mark.parametrize("name", ["options.json", "embedder.json"])
def test_a_giant_of_a_json_file_is_refused_unread(tmp_path: Path, name: str) -> None:
    write_random_elmo(tmp_path, embedder=EMBEDDER)
    with (tmp_path / name).open("a") as file:
        file.write(" " * MAX_JSON_BYTES)
    with pytest.raises(WeightsError, match=f"{name} is larger than 1,048,576 bytes"):
        read_spec(tmp_path)


def test_a_spec_at_hand_saves_hashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_spec(write_random_elmo(tmp_path))
    monkeypatch.setattr(spec, "sha256", lambda _: pytest.fail("a file was hashed"))
    assert load(tmp_path, found).spec is found
