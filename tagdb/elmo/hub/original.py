"""An ELMo as the module it was published as, evaluated by TensorFlow: the measure of what tagdb makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagdb.elmo._tensorflow import tf
from tagdb.elmo.hub._hub import gist, load_module, quiet
from tagdb.elmo.hub.conversion import is_state
from tagdb.elmo.hub.variables import Variables, scratch_folder
from tagdb.elmo.weights import FloatArray
from tagdb.errors import EmbedderUnavailable

_PROBE = "a text of some tokens"
_SHORTER_PROBE = "tokens"
_SAME = 1e-5  # of the largest number: what rounding may move


@dataclass(frozen=True)
class Answer:
    """What a module gives a text of n tokens: `pooled` (dim,), `tokens` (n, dim), `layers` (1 + n_layers, n, dim).

    A module that does not tell its layers apart leaves `layers` empty, shape (0, n, dim).
    """

    pooled: FloatArray
    tokens: FloatArray
    layers: FloatArray


class OriginalElmo:
    """The module in a folder, asked through its signature `default`, always from the same start state.

    bilm-tf carries the LSTMs' states from batch to batch. Where the module does so too, it `is_stateful`, and its
    variables are restored before every question.

    Raises EmbedderUnavailable when the folder holds no module, or one that does not answer as an ELMo does.
    """

    def __init__(self, module: Path) -> None:
        self._path = module
        self._variables = Variables(module)
        self._checkpoint = self._variables.prefix
        self._module = load_module(module)  # its variables live as long as it does
        signature = getattr(self._module, "signatures", {}).get("default")
        if signature is None:
            raise self._refusal("has no signature `default`")
        self._signature: Callable[..., Mapping[str, Any]] = signature
        first, second = (self._call([_PROBE])["elmo"] for _ in range(2))
        self.is_stateful = not _are_close(first, second)

    def stores_state(self) -> bool:
        """Whether the module came with a state other than zero."""
        return any(self._variables.read(name).any() for name in self._variables.shapes if is_state(name))

    @contextmanager
    def from_zero(self) -> Iterator[None]:
        """Let every answer start from the zero state, whatever the module came with."""
        stored = self._checkpoint
        with scratch_folder() as folder:
            self._checkpoint = str(folder / "variables")
            self._variables.write(self._checkpoint, zeroed=is_state)
            self._restore()
            try:
                yield
            finally:
                self._checkpoint = stored
                self._restore()

    def answer(self, text: str) -> Answer:
        """Return what the module gives a text that is alone in its batch."""
        outputs = self._ask([text])
        names = ["word_emb", *takewhile(outputs.__contains__, (f"lstm_outputs{layer}" for layer in count(1)))]
        tokens = outputs["elmo"][0]
        # Layer 0 is of half the length, since it serves both directions.
        layers = [np.tile(outputs[name][0], 2 if name == "word_emb" else 1) for name in names if name in outputs]
        if any(layer.shape != tokens.shape for layer in layers):
            raise self._refusal(f"has layers of other shapes than its `elmo`, {tokens.shape}")
        return Answer(outputs["default"][0], tokens, np.reshape(layers, (len(layers), *tokens.shape)))

    def averages_padding(self) -> bool:
        """Whether `default`, unlike `elmo`, depends on the longest text beside a text, as in google/elmo/2."""
        alone, together = self._ask([_SHORTER_PROBE]), self._ask([_SHORTER_PROBE, _PROBE])
        tokens_agree = _are_close(alone["elmo"][0], together["elmo"][0, : len(alone["elmo"][0])])
        return tokens_agree and not _are_close(alone["default"][0], together["default"][0])

    def _ask(self, texts: Sequence[str]) -> dict[str, FloatArray]:
        if self.is_stateful:
            self._restore()
        return self._call(texts)

    def _restore(self) -> None:
        # Older modules hold variables that Python sees nothing of; their own restoring reaches all.
        self._module.restore(self._checkpoint)

    def _call(self, texts: Sequence[str]) -> dict[str, FloatArray]:
        try:
            with quiet():
                outputs = {name: value.numpy() for name, value in self._signature(tf.constant(texts)).items()}
        except (tf.errors.OpError, TypeError, ValueError) as error:
            raise self._refusal(f"cannot embed {texts[0]!r}: {gist(error)}") from error
        for name, rank in (("default", 2), ("elmo", 3)):
            if name not in outputs or outputs[name].ndim != rank:
                raise self._refusal(f"has no output `{name}` of {rank} dimensions")
            if not np.isfinite(outputs[name]).all():
                raise self._refusal(f"gives {texts[0]!r} a vector that is not finite")
        return outputs

    def _refusal(self, problem: str) -> EmbedderUnavailable:
        return EmbedderUnavailable(f"{self._path} {problem}", hint="fetch the module again, or add another one")


def _are_close(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.shape == other.shape and float(np.abs(one - other).max()) <= _SAME * float(np.abs(one).max())
