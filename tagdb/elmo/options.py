"""What an options.json says of an ELMo, checked before anything is computed or read from the weights."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagdb.errors import EmbedderUnavailable, WeightsError

CHARACTER_IDS = 262
MAX_DIMENSION = 65_536
MAX_PARAMETERS = 1_000_000_000
MAX_JSON_BYTES = 2**20
ACTIVATIONS = ("relu", "tanh")
# Beside the published format: what is taken off every vector, so that cosines compare what sets texts apart.
CENTRE = "centre"
N_GATES = 4
FORGET_GATE = 2  # in the file's order: input, candidate (j), forget, output
FORGET_BIAS = 1.0  # is not in the file
RECURRENT = "RNN_"  # how the names of the LSTMs' datasets begin
COMPARE = "compare options.json with its source"


@dataclass(frozen=True)
class CharCnnOptions:
    """Sizes of the token encoder: `filters` holds (width in characters, number of filters) pairs."""

    activation: str
    filters: tuple[tuple[int, int], ...]
    n_highway: int
    embedding_dim: int
    max_characters_per_token: int

    @property
    def n_filters(self) -> int:
        """Number of features the convolutions give a token."""
        return sum(count for _, count in self.filters)

    @property
    def widest_filter(self) -> int:
        """Characters that the widest convolution sees at once."""
        return max(width for width, _ in self.filters)


@dataclass(frozen=True)
class LstmOptions:
    """Sizes of one direction's stacked LSTM; a clip of None leaves values as they are."""

    dim: int
    projection_dim: int
    n_layers: int
    use_skip_connections: bool
    cell_clip: float | None
    proj_clip: float | None


@dataclass(frozen=True)
class ElmoOptions:
    """An options.json of AllenNLP's format, read and checked."""

    char_cnn: CharCnnOptions
    lstm: LstmOptions

    @property
    def dim(self) -> int:
        """Length of the vectors: the forward half and the backward half."""
        return 2 * self.lstm.projection_dim

    @property
    def n_parameters(self) -> int:
        """Number of weights in the datasets of the published format."""
        return sum(math.prod(shape) for shape in self.dataset_shapes().values())

    def to_json(self) -> dict[str, Any]:
        """Return the content of an options.json that says the same."""
        cnn, lstm = self.char_cnn, self.lstm
        return {
            "lstm": {
                "use_skip_connections": lstm.use_skip_connections,
                "projection_dim": lstm.projection_dim,
                "cell_clip": lstm.cell_clip,
                "proj_clip": lstm.proj_clip,
                "dim": lstm.dim,
                "n_layers": lstm.n_layers,
            },
            "char_cnn": {
                "activation": cnn.activation,
                "filters": [list(pair) for pair in cnn.filters],
                "n_highway": cnn.n_highway,
                "embedding": {"dim": cnn.embedding_dim},
                "n_characters": CHARACTER_IDS,
                "max_characters_per_token": cnn.max_characters_per_token,
            },
        }

    def dataset_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name and shape of every dataset of the published format (see `optional_datasets`)."""
        cnn, features, projection = self.char_cnn, self.char_cnn.n_filters, self.lstm.projection_dim
        shapes: dict[str, tuple[int, ...]] = {"char_embed": (CHARACTER_IDS - 1, cnn.embedding_dim)}
        for i, (width, count) in enumerate(cnn.filters):
            shapes[f"CNN/W_cnn_{i}"] = (1, width, cnn.embedding_dim, count)
            shapes[f"CNN/b_cnn_{i}"] = (count,)
        for k in range(cnn.n_highway):
            for gate in ("carry", "transform"):
                shapes[f"CNN_high_{k}/W_{gate}"] = (features, features)
                shapes[f"CNN_high_{k}/b_{gate}"] = (features,)
        if features != projection:
            shapes["CNN_proj/W_proj"] = (features, projection)
            shapes["CNN_proj/b_proj"] = (projection,)
        for direction in (0, 1):
            for layer in range(self.lstm.n_layers):
                cell = lstm_cell_name(direction, layer)
                shapes[f"{cell}/W_0"] = (2 * projection, 4 * self.lstm.dim)
                shapes[f"{cell}/B"] = (4 * self.lstm.dim,)
                shapes[f"{cell}/W_P_0"] = (self.lstm.dim, projection)
        return shapes

    def token_encoder_datasets(self) -> list[str]:
        """Return the names of the datasets of layer 0: those outside the LSTMs."""
        return [name for name in self.dataset_shapes() if not name.startswith(RECURRENT)]

    def optional_datasets(self) -> dict[str, tuple[int, ...]]:
        """Return name and shape of what a file may hold or leave out.

        These are the projections of cells that are as wide as their output, and the centre of its vectors.
        """
        optional: dict[str, tuple[int, ...]] = {CENTRE: (self.dim,)}
        if self.lstm.dim == self.lstm.projection_dim:
            optional |= {name: shape for name, shape in self.dataset_shapes().items() if name.endswith("/W_P_0")}
        return optional


def lstm_cell_name(direction: int, layer: int) -> str:
    """Return the HDF5 group of one LSTM cell; direction 0 is forward, 1 backward."""
    return f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"


def read_options(path: Path) -> ElmoOptions:
    """Read and check an options.json.

    Raises EmbedderUnavailable when the file cannot be read, WeightsError when it says something impossible.
    """
    return parse_options(read_json_object(path), path)


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; the errors raised are those of `read_options`."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_JSON_BYTES + 1)
        if len(text) > MAX_JSON_BYTES:
            raise WeightsError(f"{path} is larger than {MAX_JSON_BYTES:,} bytes", hint="fetch the file again")
        content = json.loads(text.decode())
    except OSError as error:
        raise EmbedderUnavailable(
            f"cannot read {path}: {error.strerror or error}",
            hint="name a directory that holds options.json and weights.hdf5",
        ) from error
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path} is not JSON: {error}", hint="fetch the file again") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds no JSON object", hint="fetch the file again")
    return content


def parse_options(content: dict[str, Any], path: Path) -> ElmoOptions:
    """Check the content of an options.json; `path` is where messages say it came from."""
    root = _Section(content, path, "")
    options = ElmoOptions(_char_cnn(root.section("char_cnn")), _lstm(root.section("lstm")))
    if options.n_parameters > MAX_PARAMETERS:
        problem = f"describes {options.n_parameters:,} parameters; at most {MAX_PARAMETERS:,} are taken"
        raise WeightsError(f"{path} {problem}", hint=COMPARE)
    return options


def _char_cnn(section: _Section) -> CharCnnOptions:
    n_characters = section.integer("n_characters", 1, MAX_DIMENSION)
    if n_characters != CHARACTER_IDS:
        raise section.refusal(
            "n_characters",
            f"is {n_characters}, not {CHARACTER_IDS}: 261 is the training value, "
            "which leaves out the id that marks positions without a token",
            hint=f'set "n_characters": {CHARACTER_IDS}',
        )
    filters = section.filters("filters")
    options = CharCnnOptions(
        activation=section.choice("activation", ACTIVATIONS),
        filters=filters,
        n_highway=section.integer("n_highway", 0, 16, default=0),
        embedding_dim=section.section("embedding").integer("dim", 1, MAX_DIMENSION),
        max_characters_per_token=section.integer("max_characters_per_token", 3, 1024),
    )
    if options.widest_filter > options.max_characters_per_token:
        raise section.refusal("filters", "holds a filter wider than max_characters_per_token")
    return options


def _lstm(section: _Section) -> LstmOptions:
    return LstmOptions(
        dim=section.integer("dim", 1, MAX_DIMENSION),
        projection_dim=section.integer("projection_dim", 1, MAX_DIMENSION),
        n_layers=section.integer("n_layers", 1, 16),
        use_skip_connections=section.boolean("use_skip_connections"),
        cell_clip=section.clip("cell_clip"),
        proj_clip=section.clip("proj_clip"),
    )


class _Section:
    """One object of an options.json, which names the file and the key in every refusal."""

    def __init__(self, content: dict[str, Any], path: Path, prefix: str) -> None:
        self._content, self._path, self._prefix = content, path, prefix

    def refusal(self, key: str, problem: str, hint: str = COMPARE) -> WeightsError:
        return WeightsError(f"{self._path}: {self._prefix}{key} {problem}", hint=hint)

    def _required(self, key: str) -> Any:
        if key not in self._content:
            raise self.refusal(key, "is missing")
        return self._content[key]

    def section(self, key: str) -> _Section:
        if not isinstance(value := self._required(key), dict):
            raise self.refusal(key, f"is {value!r}, not an object")
        return _Section(value, self._path, f"{self._prefix}{key}.")

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self._content.get(key, default) if default is not None else self._required(key)
        if not _is_integer_within(value, low, high):
            raise self.refusal(key, f"is {value!r}, not a whole number from {low} to {high}")
        return int(value)

    def boolean(self, key: str) -> bool:
        if not isinstance(value := self._required(key), bool):
            raise self.refusal(key, f"is {value!r}, not true or false")
        return value

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        if (value := self._required(key)) not in choices:
            raise self.refusal(key, f"is {value!r}, not one of {', '.join(choices)}")
        return str(value)

    def clip(self, key: str) -> float | None:
        value = self._content.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise self.refusal(key, f"is {value!r}, not a number above 0 or null")
        return float(value)

    def filters(self, key: str) -> tuple[tuple[int, int], ...]:
        value = self._required(key)
        if not isinstance(value, list) or not 0 < len(value) <= 64 or not all(map(_is_filter, value)):
            raise self.refusal(key, "is not a list of [width, number of filters] pairs")
        return tuple((width, count) for width, count in value)


def _is_filter(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(_is_integer_within(number, 1, MAX_DIMENSION) for number in value)
    )


def _is_integer_within(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
