"""Is the converted ELMo the module it was made of? Both embed the same texts, and a difference is given its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagdb.elmo._tensorflow import tf
from tagdb.elmo.encoder import Elmo
from tagdb.elmo.hub._hub import tensorflow_hub
from tagdb.elmo.hub.original import Answer, OriginalElmo
from tagdb.elmo.hub.variants import variants
from tagdb.elmo.independence import TEXTS
from tagdb.errors import EmbedderUnavailable

LIMIT = 1e-4
STORED, ZERO = "stored", "zero"


@dataclass(frozen=True)
class Proof:
    """What the comparison of an ELMo with its module found; differences are the largest absolute ones.

    `default_difference` is that of the texts' vectors, `elmo_difference` that of their tokens' vectors. The module
    was asked for one text at a time, each from the state `start_state`: "zero", or "stored" in the module.
    `stateful` tells that, left to itself, it would go on from the text before; `averages_padding` that its vectors of
    texts depend on the longest text beside them (the fault of google/elmo/2); `reason` why it differs from ours.
    """

    texts: int
    default_difference: float
    elmo_difference: float
    stateful: bool
    start_state: str
    averages_padding: bool
    reason: str
    tensorflow: str
    tensorflow_hub: str

    def require(self, limit: float = LIMIT) -> None:
        """Raise EmbedderUnavailable, with the reason found, when a difference is larger than `limit`."""
        difference = float(np.max([self.default_difference, self.elmo_difference]))  # nan, where one of them is
        if not difference <= limit:
            raise EmbedderUnavailable(
                f"the converted ELMo is {difference:.1e} from its module, and {limit:.0e} is allowed: "
                f"{self.reason or 'it is nearly the same, and why not quite was not looked for'}",
                hint="weights in AllenNLP's format need no conversion: tagdb embedder add NAME original",
            )


@dataclass(frozen=True)
class _Differences:
    default: float
    elmo: float

    @property
    def are_small(self) -> bool:
        return max(self.default, self.elmo) <= LIMIT


def prove(module: Path, elmo: Elmo, texts: Sequence[str] = TEXTS) -> Proof:
    """Compare the module in a folder, evaluated by tensorflow_hub, with the ELMo it was converted to.

    A token's vector follows from the pooled vectors of the prefixes (and suffixes) with and without it. That
    multiplies float32's rounding by the token's place: at 50 tokens by 100, to some 1e-5, a tenth of LIMIT.

    Raises
    ------
    EmbedderUnavailable : the module cannot be loaded, does not answer as an ELMo does, or splits a text otherwise
    """
    original = OriginalElmo(module)
    start_state = STORED if original.stores_state() else ZERO
    answers = [original.answer(text) for text in texts]
    differences, reason = _differences(elmo, texts, answers), ""
    if not differences.are_small and start_state == STORED:
        with original.from_zero():
            from_zero = _differences(elmo, texts, [original.answer(text) for text in texts])
        # A stateful module has no start of its own: it goes on from whatever it was asked before.
        if from_zero.are_small and original.is_stateful:
            differences, start_state = from_zero, ZERO
        elif from_zero.are_small:
            reason = "it starts every text from a state that is not zero"
    if not (differences.are_small or reason):
        reason = _reason(elmo, texts, answers)
    return Proof(
        texts=len(texts),
        default_difference=differences.default,
        elmo_difference=differences.elmo,
        stateful=original.is_stateful,
        start_state=start_state,
        averages_padding=original.averages_padding(),
        reason=reason,
        tensorflow=str(tf.__version__),
        tensorflow_hub=str(tensorflow_hub().__version__),
    )


def _differences(elmo: Elmo, texts: Sequence[str], answers: Sequence[Answer]) -> _Differences:
    pooled, tokenwise = [0.0], [0.0]
    for text, tokens, answer in zip(texts, elmo.tokenize(texts), answers, strict=True):
        if answer.tokens.shape != (len(tokens), elmo.dim):
            raise EmbedderUnavailable(
                f"the module makes of {text!r} {len(answer.tokens)} tokens of {answer.tokens.shape[1]} numbers, "
                f"and the converted ELMo {len(tokens)} of {elmo.dim}",
                hint="fetch the module again, or add another one",
            )
        vector, vectors = _vectors(elmo, tokens)
        pooled.append(float(np.abs(vector - answer.pooled).max()))
        tokenwise.append(float(np.abs(vectors - answer.tokens).max()))
    return _Differences(max(pooled), max(tokenwise))


def _vectors(elmo: Elmo, tokens: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the text's vector, shape (dim,), and its tokens', shape (n_tokens, dim).

    The forward half of a token is what it adds to the sum over the prefix it ends, the backward half what it adds
    to the sum over the suffix it begins.
    """
    lengths = range(1, len(tokens) + 1)
    prefixes, suffixes = [tokens[:length] for length in lengths], [tokens[-length:] for length in lengths]
    means = elmo.embed_tokens([*prefixes, *suffixes]).astype(np.float64).reshape(2, len(tokens), elmo.dim)
    sums = np.array(lengths)[:, np.newaxis] * means
    half = elmo.dim // 2
    forward = np.diff(sums[0, :, :half], axis=0, prepend=0)
    backward = np.diff(sums[1, :, half:], axis=0, prepend=0)[::-1]
    return means[0, -1], np.concatenate([forward, backward], axis=1)


def _reason(elmo: Elmo, texts: Sequence[str], answers: Sequence[Answer]) -> str:
    means = [float(np.abs(answer.tokens.mean(axis=0) - answer.pooled).max()) for answer in answers]
    if max(means) > LIMIT:
        return "its `default` is not the mean of its `elmo`"
    tried = []
    for meaning, variant in variants(elmo, answers, LIMIT):
        if _differences(variant, texts, answers).are_small:
            return meaning
        tried.append(meaning)
    return f"none of the reasons known explains it (tried: {'; '.join(tried)})"
