"""Random ELMos on disk, in the format of the published ones, so that tests need no large file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from tagdb.elmo.options import ElmoOptions, parse_options

TINY_FILTERS = ((1, 4), (2, 4), (3, 8))


def elmo_options(
    *,
    projection_dim: int = 8,
    dim: int = 12,
    filters: Sequence[tuple[int, int]] = TINY_FILTERS,
    n_layers: int = 2,
    skip: bool = True,
    n_highway: int = 1,
    activation: str = "relu",
    char_dim: int = 4,
    clip: float | None = 3,
    max_characters: int = 50,
) -> dict[str, Any]:
    """Return the content of an options.json."""
    return {
        "lstm": {
            "use_skip_connections": skip,
            "projection_dim": projection_dim,
            "cell_clip": clip,
            "proj_clip": clip,
            "dim": dim,
            "n_layers": n_layers,
        },
        "char_cnn": {
            "activation": activation,
            "filters": [list(pair) for pair in filters],
            "n_highway": n_highway,
            "embedding": {"dim": char_dim},
            "n_characters": 262,
            "max_characters_per_token": max_characters,
        },
    }


def random_weights(options: ElmoOptions, *, seed: int = 0, scale: float = 1.0) -> dict[str, NDArray[np.float32]]:
    """Return every dataset of a weights file, drawn so that values neither vanish nor saturate on the way.

    With `scale` above 1 the gates saturate and the clips take hold.
    """
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in options.dataset_shapes().items():
        deviation = 1.0 if name == "char_embed" else 0.1 if len(shape) == 1 else np.prod(shape[:-1]) ** -0.5
        weights[name] = rng.normal(0, scale * deviation, shape).astype(np.float32)
    return weights


def write_elmo(
    directory: Path,
    options: dict[str, Any],
    weights: dict[str, NDArray[np.float32]],
    *,
    dtype: DTypeLike = np.float32,
    embedder: dict[str, Any] | None = None,
) -> Path:
    """Write options.json, weights.hdf5 and, when given, embedder.json; return the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "options.json").write_text(json.dumps(options))
    if embedder is not None:
        (directory / "embedder.json").write_text(json.dumps(embedder))
    with h5py.File(directory / "weights.hdf5", "w") as file:
        for name, values in weights.items():
            file.create_dataset(name, data=values.astype(dtype))
    return directory


def write_random_elmo(
    directory: Path,
    *,
    seed: int = 0,
    scale: float = 1.0,
    dtype: DTypeLike = np.float32,
    embedder: dict[str, Any] | None = None,
    **shape: Any,
) -> Path:
    """Write an ELMo of seeded random weights to `directory`, of the shape that `elmo_options` takes; return it.

    `write_random_elmo(path, projection_dim=512, dim=8)` is a small embedder of 1024-d vectors.
    """
    options = elmo_options(**shape)
    weights = random_weights(parse_options(options, directory / "options.json"), seed=seed, scale=scale)
    return write_elmo(directory, options, weights, dtype=dtype, embedder=embedder)
