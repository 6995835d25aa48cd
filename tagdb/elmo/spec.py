"""What identifies an ELMo on disk, found without TensorFlow so that any command can tell embedders apart."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tagdb.elmo.options import ElmoOptions, read_json_object, read_options
from tagdb.elmo.tokenizers import TOKENIZERS, WHITESPACE
from tagdb.errors import EmbedderUnavailable, WeightsError
from tagdb.models import EmbedderSpec

OPTIONS_FILE = "options.json"
WEIGHTS_FILE = "weights.hdf5"
DESCRIPTION_FILE = "embedder.json"
# Raised by one whenever the same files begin to give other vectors.
NUMERICS_VERSION = 1


@dataclass(frozen=True)
class Description:
    """An embedder.json: how texts become tokens, and where the weights come from."""

    name: str
    lowercase: bool = False
    tokenizer: str = WHITESPACE
    source: str = ""
    licence: str = ""
    description: str = ""


def read_spec(directory: Path) -> EmbedderSpec:
    """Return the spec of the ELMo in `directory`: options.json, weights.hdf5 and an optional embedder.json.

    The weights are hashed, not opened. Raises EmbedderUnavailable when a file is missing, WeightsError when
    options.json or embedder.json says something impossible.
    """
    directory = Path(directory)
    options = read_options(directory / OPTIONS_FILE)
    description = read_description(directory)
    return EmbedderSpec(
        name=description.name,
        kind="elmo",
        fingerprint=_fingerprint(options, description, directory / WEIGHTS_FILE),
        dim=options.dim,
        directory=str(directory),
        config=_summary(options, description),
    )


def read_description(directory: Path) -> Description:
    """Read embedder.json; a directory without one is an embedder of the directory's name that keeps case."""
    path = directory / DESCRIPTION_FILE
    if not path.exists():
        return Description(name=directory.resolve().name)
    content = read_json_object(path)
    defaults = asdict(Description(name=directory.resolve().name))
    for key, value in content.items():
        if key not in defaults:
            raise WeightsError(f"{path}: unknown key {key!r}", hint=f"the keys are {', '.join(defaults)}")
        if type(value) is not type(defaults[key]):
            expected = "true or false" if isinstance(defaults[key], bool) else "a string"
            raise WeightsError(f"{path}: {key} is {value!r}, not {expected}", hint=f"edit {path}")
    description = Description(**{**defaults, **content})
    if description.tokenizer not in TOKENIZERS:
        raise WeightsError(
            f"{path}: tokenizer is {description.tokenizer!r}, not one of {', '.join(TOKENIZERS)}",
            hint=f'set "tokenizer": "{WHITESPACE}"',
        )
    return description


def _fingerprint(options: ElmoOptions, description: Description, weights: Path) -> str:
    try:
        with weights.open("rb") as file:
            weights_hash = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EmbedderUnavailable(
            f"cannot read {weights}: {error.strerror or error}",
            hint=f"put {WEIGHTS_FILE} beside {OPTIONS_FILE}",
        ) from error
    numerics = {
        "layer_mix": "mean",
        "lowercase": description.lowercase,
        "number_format": "float32",
        "numerics_version": NUMERICS_VERSION,
        "options": asdict(options),
        "pooling": "mean",
        "start_state": "zero",
        "tokenizer": description.tokenizer,
        "weights_sha256": weights_hash,
    }
    canonical = json.dumps(numerics, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _summary(options: ElmoOptions, description: Description) -> dict[str, object]:
    lstm, cnn = options.lstm, options.char_cnn
    return {
        "cell_dim": lstm.dim,
        "projection_dim": lstm.projection_dim,
        "n_layers": lstm.n_layers,
        "use_skip_connections": lstm.use_skip_connections,
        "n_filters": cnn.n_filters,
        "n_highway": cnn.n_highway,
        "max_characters_per_token": cnn.max_characters_per_token,
        "lowercase": description.lowercase,
        "tokenizer": description.tokenizer,
        "source": description.source,
        "licence": description.licence,
        "description": description.description,
    }
