"""Weights drawn at random, of the sizes that are measured: they cost what trained ones cost, and tell nothing."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from tagdb.elmo.options import ElmoOptions, parse_options

STARTER = Path(__file__).parent.parent / "tagdb" / "embedders" / "starter"
WIDE_FILTERS = [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]]
# Cells, width of a direction's output, convolutions: the published ELMo, and one for trying benchmarks out.
SIZES = {"original": (4096, 512, WIDE_FILTERS), "tiny": (96, 32, [[1, 16], [2, 16], [3, 32]])}


def write_random(directory: Path, size: str) -> ElmoOptions:
    """Write options.json and weights.hdf5, drawn from seed 0 so that values neither vanish nor saturate.

    `size` is one of `SIZES` or the starter's, whose other options are taken over.
    """
    content = json.loads((STARTER / "options.json").read_text(encoding="utf-8"))
    if size in SIZES:
        content["lstm"]["dim"], content["lstm"]["projection_dim"], content["char_cnn"]["filters"] = SIZES[size]
    options = parse_options(content, STARTER)
    (directory / "options.json").write_text(json.dumps(content), encoding="utf-8")
    rng = np.random.default_rng(0)
    with h5py.File(directory / "weights.hdf5", "w") as file:
        for name, shape in options.dataset_shapes().items():
            deviation = 1.0 if name == "char_embed" else 0.1 if len(shape) == 1 else np.prod(shape[:-1]) ** -0.5
            file[name] = rng.standard_normal(shape, dtype=np.float32) * np.float32(deviation)
    return options
