"""What identifies an ELMo on disk, found without TensorFlow so that any command can tell embedders apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tagdb.elmo.files import sha256, write_text
from tagdb.elmo.options import ElmoOptions, read_json_object, read_options
from tagdb.elmo.precision import FLOAT32, PRECISIONS
from tagdb.elmo.tokenizers import SPACY, TOKENIZERS, WHITESPACE, identify, is_known
from tagdb.errors import EmbedderUnavailable, InputRefused, WeightsError
from tagdb.models import EmbedderSpec

OPTIONS_FILE = "options.json"
WEIGHTS_FILE = "weights.hdf5"
DESCRIPTION_FILE = "embedder.json"
# Raised by one whenever the same files begin to give other vectors.
NUMERICS_VERSION = 1

ELMO = "elmo"
ZERO, FROZEN_WARM = "zero", "frozen-warm"
DEFAULT_START_TEXT = (
    "The server reads every table once and keeps an index of its rows in memory . "
    "When a program asks for a key that is not there , the function returns an error . "
    "How do you write a test for code like this ?"
)
"""A start text for ELMos that learnt from tokenised prose: plain technical sentences, punctuation set apart."""

_PLAIN_MEAN = "leave layer_weights out for the plain mean"
_LARGEST_FLOAT32, _SMALLEST_FLOAT32 = 3.4028234663852886e38, 2.0**-126


@dataclass(frozen=True)
class Description:
    """An embedder.json: how texts become tokens and layers one vector, and where the weights come from.

    `layer_weights` holds a multiplier for each layer, layer 0's first, such as AllenNLP's gamma * softmax(s); None is
    the plain mean. In the start state "frozen-warm" every text is read as if it followed `start_text`. `precision` is
    what the LSTMs' matrix products are taken in.
    """

    name: str
    lowercase: bool = False
    tokenizer: str = WHITESPACE
    layer_weights: tuple[float, ...] | None = None
    start_state: str = ZERO
    start_text: str = ""
    precision: str = FLOAT32
    source: str = ""
    licence: str = ""
    description: str = ""


def read_spec(directory: Path) -> EmbedderSpec:
    """Return the spec of the ELMo in `directory`: options.json, weights.hdf5 and an optional embedder.json.

    The weights are hashed, not opened. Raises EmbedderUnavailable when a file, spaCy or a model of spaCy's is missing,
    WeightsError when options.json or embedder.json says something impossible.
    """
    directory = Path(directory)
    options = read_options(directory / OPTIONS_FILE)
    description = read_description(directory)
    _require_weight_for_each_layer(description, options, directory / DESCRIPTION_FILE)
    return EmbedderSpec(
        name=description.name,
        kind=ELMO,
        fingerprint=_fingerprint(options, description, directory / WEIGHTS_FILE),
        dim=options.dim,
        directory=str(directory),
        config=_summary(options, description),
    )


def kind_of(directory: Path) -> str:
    """Return the kind of embedder that embedder.json names; without one, or where it names none, an ELMo."""
    kind = _read_content(directory).get("kind", ELMO)
    if not isinstance(kind, str):
        raise WeightsError(
            f"{directory / DESCRIPTION_FILE}: kind is {kind!r}, not a string", hint=f'set "kind": "{ELMO}"'
        )
    return kind


def read_description(directory: Path) -> Description:
    """Read an ELMo's embedder.json; a directory without one is an embedder of the directory's name that keeps case.

    Raises WeightsError when it is of another kind or says something impossible.
    """
    path = directory / DESCRIPTION_FILE
    if (kind := kind_of(directory)) != ELMO:
        raise WeightsError(
            f"{path}: kind is {kind!r}, not {ELMO!r}", hint="update tagdb: a later one may know embedders of this kind"
        )
    content = _read_content(directory)
    content.pop("kind", None)
    defaults = asdict(_default(directory))
    for key, value in content.items():
        if key not in defaults:
            raise WeightsError(f"{path}: unknown key {key!r}", hint=f"the keys are {', '.join(['kind', *defaults])}")
        if key != "layer_weights" and type(value) is not type(defaults[key]):
            expected = "true or false" if isinstance(defaults[key], bool) else "a string"
            raise WeightsError(f"{path}: {key} is {value!r}, not {expected}", hint=f"edit {path}")
    weights = _parse_layer_weights(content.get("layer_weights"), path)
    description = Description(**{**defaults, **content, "layer_weights": weights})
    _require_possible(description, path)
    return description


def write_description(directory: Path, description: Description) -> None:
    """Write embedder.json, replaced whole or not at all: the name, and what differs from the defaults.

    Raises WeightsError, and writes nothing, when the description says something impossible; InputRefused when the file
    cannot be written.
    """
    path = directory / DESCRIPTION_FILE
    _require_possible(description, path)
    defaults = asdict(_default(directory))
    content = {key: value for key, value in asdict(description).items() if key == "name" or value != defaults[key]}
    try:
        write_text(path, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise InputRefused(
            f"cannot write {path}: {error.strerror or error}", hint="name a folder that you may write to"
        ) from error


def _read_content(directory: Path) -> dict[str, Any]:
    path = directory / DESCRIPTION_FILE
    return read_json_object(path) if path.exists() else {}


def _default(directory: Path) -> Description:
    return Description(name=directory.resolve().name)


def _parse_layer_weights(value: object, path: Path) -> tuple[float, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(type(weight) in (int, float) for weight in value):
        raise WeightsError(f"{path}: layer_weights is {value!r}, not a list of numbers", hint=_PLAIN_MEAN)
    return tuple(value)


def _require_possible(description: Description, path: Path) -> None:
    for problem, hint in _problems(description):
        raise WeightsError(f"{path}: {problem}", hint=hint)


def _problems(description: Description) -> Iterator[tuple[str, str]]:
    """Yield what is impossible about a description, and what to do about it."""
    tokenizer, weights, state = description.tokenizer, description.layer_weights, description.start_state
    if not is_known(tokenizer):
        known = ", ".join([*TOKENIZERS, f"{SPACY}MODEL"])
        yield f"tokenizer is {tokenizer!r}, not one of {known}", f'set "tokenizer": "{WHITESPACE}"'
    if weights is not None and not all(abs(weight) <= _LARGEST_FLOAT32 for weight in weights):
        yield f"layer_weights {list(weights)} are not all finite", _PLAIN_MEAN
    if weights and all(abs(weight) < _SMALLEST_FLOAT32 for weight in weights):
        yield "layer_weights are all zero", _PLAIN_MEAN
    if state not in (ZERO, FROZEN_WARM):
        yield f"start_state is {state!r}, not one of {ZERO}, {FROZEN_WARM}", f'set "start_state": "{ZERO}"'
    if description.precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        yield f"precision is {description.precision!r}, not one of {known}", f'set "precision": "{FLOAT32}"'
    is_blank = not description.start_text.strip()
    if state == FROZEN_WARM and is_blank:
        yield f"start_state is {FROZEN_WARM}, and start_text holds no token", 'set "start_text" to a sentence'
    if state == ZERO and not is_blank:
        yield f"there is a start_text, and start_state is {ZERO}", f'set "start_state": "{FROZEN_WARM}"'


def _require_weight_for_each_layer(description: Description, options: ElmoOptions, path: Path) -> None:
    n_layers = 1 + options.lstm.n_layers
    if description.layer_weights is not None and len(description.layer_weights) != n_layers:
        problem = f"layer_weights holds {len(description.layer_weights)} numbers for {n_layers} layers"
        raise WeightsError(f"{path}: {problem}", hint="give layer 0, the token's own, a weight too")


def _fingerprint(options: ElmoOptions, description: Description, weights_file: Path) -> str:
    try:
        weights_hash = sha256(weights_file)
    except OSError as error:
        raise EmbedderUnavailable(
            f"cannot read {weights_file}: {error.strerror or error}",
            hint=f"put {WEIGHTS_FILE} beside {OPTIONS_FILE}",
        ) from error
    weights, is_warm = description.layer_weights, description.start_state == FROZEN_WARM
    numerics = {
        "layer_mix": "mean" if weights is None else [float(weight) for weight in weights],
        "lowercase": description.lowercase,
        "number_format": description.precision,
        "numerics_version": NUMERICS_VERSION,
        "options": asdict(options),
        "pooling": "mean",
        "start_state": [FROZEN_WARM, description.start_text] if is_warm else ZERO,
        "tokenizer": identify(description.tokenizer),
        "weights_sha256": weights_hash,
    }
    canonical = json.dumps(numerics, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _summary(options: ElmoOptions, description: Description) -> dict[str, object]:
    lstm, cnn, weights = options.lstm, options.char_cnn, description.layer_weights
    return {
        "parameters": options.n_parameters,
        "cell_dim": lstm.dim,
        "projection_dim": lstm.projection_dim,
        "n_layers": lstm.n_layers,
        "use_skip_connections": lstm.use_skip_connections,
        "n_filters": cnn.n_filters,
        "n_highway": cnn.n_highway,
        "max_characters_per_token": cnn.max_characters_per_token,
        "lowercase": description.lowercase,
        "tokenizer": description.tokenizer,
        "layer_weights": None if weights is None else list(weights),
        "start_state": description.start_state,
        "start_text": description.start_text,
        "precision": description.precision,
        "source": description.source,
        "licence": description.licence,
        "description": description.description,
    }
