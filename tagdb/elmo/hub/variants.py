"""Where a converted ELMo and its module differ: is there another reading of the same weights that agrees?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tagdb.elmo.encoder import Elmo
from tagdb.elmo.hub.original import Answer
from tagdb.elmo.hub.variables import scratch_folder
from tagdb.elmo.options import read_json_object
from tagdb.elmo.spec import DESCRIPTION_FILE, OPTIONS_FILE, WEIGHTS_FILE

# What the shapes of the weights do not tell; the ELMo's own reading is among them, and is left out.
_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "it has skip connections": ("lstm", {"use_skip_connections": True}),
    "it has no skip connections": ("lstm", {"use_skip_connections": False}),
    "its token encoder's activation is relu": ("char_cnn", {"activation": "relu"}),
    "its token encoder's activation is tanh": ("char_cnn", {"activation": "tanh"}),
    "it clips cells and projections at 3": ("lstm", {"cell_clip": 3.0, "proj_clip": 3.0}),
    "it clips nothing": ("lstm", {"cell_clip": None, "proj_clip": None}),
    "it clips projections alone": ("lstm", {"cell_clip": None, "proj_clip": 3.0}),
    "it clips cells alone": ("lstm", {"cell_clip": 3.0, "proj_clip": None}),
}


def variants(elmo: Elmo, answers: Sequence[Answer], tolerance: float) -> Iterator[tuple[str, Elmo]]:
    """Yield, with what each would mean of the module, the ELMos that its weights make when they are read otherwise."""
    directory = Path(elmo.spec.directory)
    options, description = (read_json_object(directory / name) for name in (OPTIONS_FILE, DESCRIPTION_FILE))
    mix = fitted_layer_weights(answers, tolerance)
    if mix is not None:
        meaning = f"it mixes its layers by {', '.join(f'{weight:.4g}' for weight in mix)}"
        yield meaning, _load(directory, options, description | {"layer_weights": mix})
    for meaning, (section, changes) in _OPTIONS.items():
        changed = options | {section: options[section] | changes}
        if changed != options:
            yield meaning, _load(directory, changed, description)


def fitted_layer_weights(answers: Sequence[Answer], tolerance: float) -> list[float] | None:
    """Return what layers are to be multiplied with to give the tokens' vectors, None when no such numbers do."""
    layers = np.concatenate([answer.layers.reshape(len(answer.layers), -1) for answer in answers], axis=1)
    tokens = np.concatenate([answer.tokens.ravel() for answer in answers])
    weights = np.linalg.lstsq(layers.T, tokens, rcond=None)[0]
    return weights.tolist() if np.abs(weights @ layers - tokens).max() <= tolerance else None


def _load(directory: Path, options: dict[str, Any], description: dict[str, Any]) -> Elmo:
    with scratch_folder() as folder:
        (folder / OPTIONS_FILE).write_text(json.dumps(options), encoding="utf-8")
        (folder / DESCRIPTION_FILE).write_text(json.dumps(description), encoding="utf-8")
        (folder / WEIGHTS_FILE).symlink_to((directory / WEIGHTS_FILE).resolve())
        return Elmo.load(folder)
