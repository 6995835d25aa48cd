"""What a run begins with: random weights, or another embedder's with all that has to be kept of how it uses them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tagdb.elmo.options import CENTRE, ElmoOptions, read_options
from tagdb.elmo.precision import FLOAT32
from tagdb.elmo.spec import OPTIONS_FILE, WEIGHTS_FILE, ZERO, Description, read_description
from tagdb.elmo.training.card import Provenance
from tagdb.elmo.training.network import initial_weights
from tagdb.elmo.training.settings import Settings, Size
from tagdb.elmo.weights import FloatArray, open_weights


@dataclass(frozen=True)
class Beginning:
    """The state of a network before its first step, and what follows from it for the run.

    `layer_weights` are those of embedder.json, None for the plain mean; `news` is what the user has to know of it.
    """

    options: ElmoOptions
    weights: dict[str, FloatArray]
    settings: Settings
    provenance: Provenance
    layer_weights: tuple[float, ...] | None = None
    news: str | None = None


def begin_anew(size: Size, settings: Settings, provenance: Provenance) -> Beginning:
    """Begin with random weights."""
    options = size.options()
    return Beginning(options, initial_weights(options, settings.seed), settings, provenance)


def begin_from(init: Path, settings: Settings, provenance: Provenance) -> Beginning:
    """Begin with the weights of an ELMo, its tokens and its layer mix; all of the network learns from the start.

    Raises
    ------
    EmbedderUnavailable : a file of it is missing
    WeightsError : one is damaged
    """
    options, description = read_options(init / OPTIONS_FILE), read_description(init)
    learnt = replace(settings, lowercase=description.lowercase, tokenizer=description.tokenizer, token_epochs=0)
    return Beginning(
        options,
        _read_weights(init / WEIGHTS_FILE, options),
        learnt,
        provenance.begun_from(description),
        description.layer_weights,
        _news(description),
    )


def _read_weights(path: Path, options: ElmoOptions) -> dict[str, FloatArray]:
    with open_weights(path, options) as file:
        # A cell as wide as its output may come without a projection: the identity stands for it.
        weights = {
            name: file.read(name) if name in file else np.eye(*shape, dtype=np.float32)
            for name, shape in options.dataset_shapes().items()
        }
        if CENTRE in file:
            weights[CENTRE] = file.read(CENTRE)
    return weights


def _news(description: Description) -> str | None:
    left = {
        "reads every text after a start text; what is trained now reads it from the zero state": (
            description.start_state != ZERO
        ),
        f"multiplies in {description.precision}; what is trained now does in float32": description.precision != FLOAT32,
    }
    return "; ".join(f"{description.name} {what}" for what, is_left in left.items() if is_left) or None
