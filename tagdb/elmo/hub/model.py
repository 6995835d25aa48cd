"""A module as a function from texts to vectors, whichever way it offers one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tagdb.elmo._tensorflow import require_unforked, tf
from tagdb.elmo.hub._hub import gist, load_module, quiet
from tagdb.elmo.options import MAX_DIMENSION
from tagdb.elmo.weights import FloatArray
from tagdb.errors import EmbedderUnavailable, InputRefused

_SIGNATURES = ("default", "serving_default")
_PROBES = ("tagdb", "text to vector")


@dataclass(frozen=True)
class ModuleFacts:
    """How a module is asked: by which signature ("" calls the module itself) for which output ("": the only one)."""

    signature: str
    output: str
    dim: int


class TextModel:
    """A module in a folder, loaded, with the function and the output that `facts` name, or else those it offers.

    Taken is the signature `default` (TF1-Hub's), else the module itself where it can be called (TensorFlow 2's), else
    `serving_default`; of several outputs the one called `default`, else the only one of shape (batch, dim).

    Raises EmbedderUnavailable when the module cannot be loaded or does not turn texts into vectors.
    """

    def __init__(self, module: Path, facts: ModuleFacts | None = None) -> None:
        require_unforked()
        self._path = module
        self._module = load_module(module)
        self._signature = self._offered() if facts is None else facts.signature
        function = self._module if self._signature == "" else self._signatures().get(self._signature)
        if not callable(function):
            raise self._refusal(f"cannot be asked by signature {self._signature!r}")
        self._function: Callable[..., Any] = function
        self.facts = facts or self._find_output()

    def vectors(self, texts: Sequence[str]) -> FloatArray:
        """Return the vectors of texts, in one batch, shape (n_texts, dim).

        Raises InputRefused when the module takes one of them as wrong or has no room for them, EmbedderUnavailable
        when no text would fare better.
        """
        try:
            outputs = self._outputs(texts)
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, tf.errors.ResourceExhaustedError) as error:
            raise InputRefused(
                f"the module refuses the text: {gist(error)}", hint="change the text, or choose another embedder"
            ) from error
        except (tf.errors.OpError, TypeError, ValueError) as error:
            raise self._refusal(f"cannot be run: {gist(error)}") from error
        found = outputs.get(self.facts.output)
        if found is None or found.shape != (len(texts), self.facts.dim):
            raise self._refusal(f"gives {len(texts)} texts no vectors of {self.facts.dim} numbers")
        vectors: FloatArray = found.astype(np.float32, copy=False)
        return vectors

    def _offered(self) -> str:
        offered = self._signatures()
        names = [name for name in _SIGNATURES if name in offered]
        if callable(self._module):
            names.insert(1 if "default" in names else 0, "")
        if not names:
            raise self._refusal("offers neither a signature `default` nor a call")
        return names[0]

    def _signatures(self) -> Mapping[str, Any]:
        return getattr(self._module, "signatures", None) or {}

    def _find_output(self) -> ModuleFacts:
        try:
            outputs = self._outputs(_PROBES)
        except Exception as error:  # a function of other arguments can raise almost anything
            raise self._refusal(f"does not take a list of texts: {gist(error)}") from error
        vectors = {
            name: values
            for name, values in outputs.items()
            if values.ndim == 2 and values.dtype.kind == "f" and len(values) == len(_PROBES)
        }
        if len(vectors) != 1 and "default" not in vectors:
            shapes = ", ".join(f"{name or 'its answer'} {values.shape}" for name, values in outputs.items())
            raise self._refusal(f"has {len(vectors)} outputs that could be vectors of {len(_PROBES)} texts: {shapes}")
        output = "default" if "default" in vectors else next(iter(vectors))
        dim = vectors[output].shape[1]
        if not 1 <= dim <= MAX_DIMENSION:
            raise self._refusal(f"makes vectors of {dim:,} numbers")
        return ModuleFacts(self._signature, output, dim)

    def _outputs(self, texts: Sequence[str]) -> dict[str, Any]:
        with quiet():
            answer = self._function(tf.constant(texts))
        named = answer if isinstance(answer, Mapping) else {"": answer}
        return {name: np.asarray(value.numpy()) for name, value in named.items()}

    def _refusal(self, problem: str) -> EmbedderUnavailable:
        return EmbedderUnavailable(
            f"{self._path} {problem}", hint="choose a module of TF-Hub's kind text embedding, or an ELMo"
        )
