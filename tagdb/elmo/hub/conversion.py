"""An ELMo in TF-Hub's format becomes one in AllenNLP's: the same numbers under other names, and no graph is run.

Names are those of google/elmo's checkpoints, which are bilm-tf's in a scope `bilm`.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from pathlib import Path

import h5py
import numpy as np

from tagdb.elmo.files import replaced_whole, write_text
from tagdb.elmo.hub.variables import Variables, checkpoint_index
from tagdb.elmo.options import CHARACTER_IDS, MAX_PARAMETERS, ElmoOptions, lstm_cell_name, parse_options
from tagdb.elmo.spec import OPTIONS_FILE, WEIGHTS_FILE, Description, write_description
from tagdb.elmo.tokenizers import SPACES
from tagdb.elmo.weights import REFETCH, FloatArray
from tagdb.errors import WeightsError

_PREFIXES = ("", "module/")
_CHARACTERS, _MIX, _SCALE = "bilm/char_embed", "aggregation/weights", "aggregation/scaling"
_CELL = {"W_0": "kernel", "B": "bias", "W_P_0": "projection/kernel"}
_STATE = re.compile(r"(?:.*/)?Variable(?:_\d+)?")
_STEPS = "global_step"


def is_elmo(module: Path) -> bool:
    """Whether the module in a folder is an ELMo, by the names of its variables.

    Raises WeightsError when it has a checkpoint that is damaged.
    """
    return checkpoint_index(module).is_file() and _prefix(Variables(module)) is not None


def is_state(name: str) -> bool:
    """Whether a variable of this name can be one that bilm-tf carries from batch to batch, which it leaves unnamed."""
    return _STATE.fullmatch(name) is not None


def convert(module: Path, target: Path, *, name: str, source: str, licence: str = "", description: str = "") -> None:
    """Write the ELMo in folder `module` to folder `target`: options.json, weights.hdf5 (float32), embedder.json.

    Sizes follow from the variables' shapes. What shapes cannot tell (both clips 3, relu, skip connections, 50
    characters a token) is as published; `prove` finds out whether that is so.

    Raises
    ------
    EmbedderUnavailable : the folder holds no checkpoint of an ELMo
    WeightsError : a variable is missing, unknown, damaged, or of another shape or type than the rest call for
    """
    variables = Variables(module)
    prefix = _prefix(variables)
    if prefix is None:
        raise WeightsError(f"{variables.path}: {_CHARACTERS} is missing", hint="name the folder of an ELMo module")
    elmo = _ElmoVariables(variables, prefix)
    elmo.check()
    layer_weights = elmo.layer_weights()
    target.mkdir(parents=True, exist_ok=True)
    with replaced_whole(target / WEIGHTS_FILE) as partial, h5py.File(partial, "w") as file:
        for dataset in elmo.names:
            file.create_dataset(dataset, data=elmo.read(dataset))
    write_text(target / OPTIONS_FILE, json.dumps(elmo.options.to_json()) + "\n")
    write_description(
        target,
        Description(
            name=name,
            tokenizer=SPACES,
            layer_weights=layer_weights,
            source=source,
            licence=licence,
            description=description,
        ),
    )


def _prefix(variables: Variables) -> str | None:
    return next((prefix for prefix in _PREFIXES if prefix + _CHARACTERS in variables.shapes), None)


class _ElmoVariables:
    """The variables of an ELMo module by the names of AllenNLP's datasets; `check` them before the first is read."""

    def __init__(self, variables: Variables, prefix: str) -> None:
        self._variables, self._prefix = variables, prefix
        self._shapes = {
            name[len(prefix) :]: shape for name, shape in variables.shapes.items() if name.startswith(prefix)
        }
        self.options = self._sizes()

    @property
    def names(self) -> list[str]:
        """The datasets that the module has values for."""
        return [name for name in self.options.dataset_shapes() if _variable(name) in self._shapes]

    def check(self) -> None:
        """Hold names, shapes and types of all variables against what an ELMo of these sizes has."""
        if (total := sum(map(math.prod, self._variables.shapes.values()))) > MAX_PARAMETERS:
            problem = f"holds {total:,} numbers; at most {MAX_PARAMETERS:,} are taken"
            raise WeightsError(f"{self._variables.path} {problem}", hint=REFETCH)
        expected = self._expected()
        optional = {_variable(name) for name in self.options.optional_datasets()}
        for name in expected:
            if name not in self._shapes and name not in optional:
                raise self._refusal(name, "is missing")
        known = {self._prefix + name for name in expected}
        for name, found in self._variables.shapes.items():
            if name not in known and not self._is_left_out(name.removeprefix(self._prefix), found):
                problem = f"{name} of shape {found} is no variable of an ELMo that tagdb knows"
                raise WeightsError(f"{self._variables.path}: {problem}", hint=REFETCH)
        for name in expected.keys() & self._shapes.keys():
            # Row 0 of 262 stands for "no token", which tagdb never looks up.
            accepted = [expected[name]] + ([(CHARACTER_IDS, *expected[name][1:])] if name == _CHARACTERS else [])
            if (found := self._shapes[name]) not in accepted:
                raise self._refusal(name, f"has shape {found}, expected {expected[name]}")
            if (dtype := self._variables.dtypes[self._prefix + name]) != "float32":
                raise self._refusal(name, f"holds {dtype}, expected float32")

    def read(self, dataset: str) -> FloatArray:
        """Return the values of a dataset of AllenNLP's format."""
        values = self._variables.read(self._prefix + _variable(dataset))
        return values[-(CHARACTER_IDS - 1) :] if dataset == "char_embed" else values

    def layer_weights(self) -> tuple[float, ...] | None:
        """Return what each layer is multiplied with, layer 0 first; None where that is the plain mean.

        bilm-tf adds 1/n to the logits, which softmax does not notice.
        """
        logits, scale = (self._variables.read(self._prefix + name).astype(np.float64) for name in (_MIX, _SCALE))
        exponentials = np.exp(logits - logits.max())
        weights = (scale * exponentials / exponentials.sum()).tolist()
        if not any(weights):
            raise self._refusal(_SCALE, "is 0, which makes every vector zero")
        return None if all(weight == 1 / len(weights) for weight in weights) else tuple(weights)

    def _expected(self) -> dict[str, tuple[int, ...]]:
        shapes = {_variable(name): shape for name, shape in self.options.dataset_shapes().items()}
        return shapes | {_MIX: (1 + self.options.lstm.n_layers,), _SCALE: ()}

    def _is_left_out(self, name: str, shape: tuple[int, ...]) -> bool:
        """Whether a variable has no part in the vectors: a state carried from batch to batch, the step of training."""
        sizes = (self.options.lstm.dim, self.options.lstm.projection_dim)
        return (is_state(name) and len(shape) == 2 and shape[1] in sizes) or (name == _STEPS and shape == ())

    def _sizes(self) -> ElmoOptions:
        filters = range(self._count("bilm/CNN/W_cnn_{}"))
        kernel = _variable(f"{lstm_cell_name(0, 0)}/W_0")
        content = {
            "char_cnn": {
                "activation": "relu",
                "filters": [[self._size(f"bilm/CNN/W_cnn_{i}", axis, 4) for axis in (1, 3)] for i in filters],
                "n_highway": self._count("bilm/CNN_high_{}/W_carry"),
                "embedding": {"dim": self._size(_CHARACTERS, 1, 2)},
                "n_characters": CHARACTER_IDS,
                "max_characters_per_token": 50,
            },
            "lstm": {
                "use_skip_connections": True,
                "projection_dim": self._size(kernel, 0, 2) // 2,
                "cell_clip": 3,
                "proj_clip": 3,
                "dim": self._size(kernel, 1, 2) // 4,
                "n_layers": self._count(kernel.replace("/Cell0/", "/Cell{}/")),
            },
        }
        try:
            return parse_options(content, self._variables.path)
        except WeightsError as error:
            raise WeightsError(f"by the shapes of the variables, {error}", hint=REFETCH) from error

    def _count(self, pattern: str) -> int:
        return next(number for number in itertools.count() if pattern.format(number) not in self._shapes)

    def _size(self, name: str, axis: int, rank: int) -> int:
        if name not in self._shapes:
            raise self._refusal(name, "is missing")
        if len(self._shapes[name]) != rank:
            raise self._refusal(name, f"has shape {self._shapes[name]}, not {rank} dimensions")
        return self._shapes[name][axis]

    def _refusal(self, name: str, problem: str) -> WeightsError:
        return WeightsError(f"{self._variables.path}: {self._prefix}{name} {problem}", hint=REFETCH)


def _variable(dataset: str) -> str:
    """Return a module's name for a dataset of AllenNLP's format."""
    group, _, part = dataset.rpartition("/LSTMCell/")
    return f"bilm/{group}/rnn/lstm_cell/{_CELL[part]}" if group else f"bilm/{dataset}"
