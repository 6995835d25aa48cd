"""What a training run leaves in its directory: an embedder in AllenNLP's format, replaced whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tagdb.elmo.files import replaced_whole, write_text
from tagdb.elmo.options import ElmoOptions
from tagdb.elmo.spec import OPTIONS_FILE, WEIGHTS_FILE, Description, read_spec, write_description
from tagdb.elmo.training.damage import damage_reported
from tagdb.elmo.training.settings import Settings
from tagdb.errors import InputRefused

_RUN = "run.json"


def claim(
    directory: Path, folder: str, settings: Settings, options: ElmoOptions, init: Path | None, texts: str
) -> Path:
    """Make, or find again, the checkpoint folder of a run in `directory`.

    Raises
    ------
    InputRefused : the directory cannot be written, holds another run (or one on other texts, by what `texts` says of
        them), or an embedder that no run of ours made
    WeightsError : what it holds of a run is damaged
    """
    checkpoints = directory / folder
    # How long a run goes on may be changed on the way.
    lasting = replace(settings, epochs=1, hours=None, patience=1)
    described = {
        **asdict(lasting),
        **asdict(options.char_cnn),
        **asdict(options.lstm),
        "init": None if init is None else read_spec(init).fingerprint,
        "texts": texts,
    }
    try:
        if (checkpoints / _RUN).exists():
            _require_same(checkpoints, described)
            return checkpoints
        if (directory / WEIGHTS_FILE).exists():
            raise InputRefused(
                f"{directory} holds an embedder already, and no run to go on with",
                hint=f"train into another folder; to go on from these weights: --init {directory}",
            )
        checkpoints.mkdir(parents=True, exist_ok=True)
        write_text(checkpoints / _RUN, json.dumps(described))
    except OSError as error:
        raise InputRefused(
            f"cannot write to {directory}: {error.strerror or error}", hint="name a folder that you may write to"
        ) from error
    return checkpoints


def _require_same(checkpoints: Path, described: dict[str, Any]) -> None:
    now = json.loads(json.dumps(described))  # lists and tuples are alike
    with damage_reported(checkpoints / _RUN):
        before = json.loads((checkpoints / _RUN).read_text(encoding="utf-8"))
        differences = [f"{key} was {before[key]!r}" for key, value in now.items() if before[key] != value]
    if differences:
        raise InputRefused(
            f"{checkpoints.parent} holds a run with other settings: {', '.join(differences)}",
            hint="repeat them to go on, or train into another folder",
        )


def write_embedder(
    directory: Path, options: ElmoOptions, weights: Mapping[str, Any], description: Description, number_format: str
) -> None:
    """Write options.json, weights.hdf5 (its numbers float16 or float32) and embedder.json."""
    write_text(directory / OPTIONS_FILE, json.dumps(options.to_json()) + "\n")
    with replaced_whole(directory / WEIGHTS_FILE) as partial, h5py.File(partial, "w") as file:
        for name, variable in weights.items():
            values = variable.numpy().astype(np.dtype(number_format))
            file.create_dataset(name, data=values, compression="gzip", shuffle=True)
    write_description(directory, description)
