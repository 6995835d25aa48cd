"""Does a text's vector depend on the text alone? What is stored once and compared for ever has to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tagdb.elmo.precision import FLOAT32, TOLERANCES
from tagdb.errors import EmbedderUnavailable
from tagdb.models import Embedder, EmbedderSpec

TOLERANCE = TOLERANCES[FLOAT32]
"""How far a vector may move, relative to the largest number in all of them: what rounding of float32 may do."""

TEXTS = (
    "java",
    "c#",
    ".net",
    "?",
    "how to join two tables in sql",
    "the the the the the",
    "Why doesn't my list-comprehension (the 2nd one) work?!",
    "c++ c++11 objective-c ruby-on-rails-3 node.js",
    "0 1 22 333 3.14159 0x1F 1e-5",
    "UPPER lower MiXeD",
    "x[0] = y->z ; // comment",
    "Größe übergeben naïve façade",
    "日本語 の 文字列",
    "Привет мир 😀",
    "runs   of    spaces",
    " a space before and after ",
    "a\ttab and a\nline break",
    "before " + "abcdefghij" * 6 + " after",
    "x" + "é" * 30,  # cut after 48 bytes, which is inside a character
    (
        "when I read a large file line by line and write each record into a table the program takes more and more "
        "memory until it stops , although I close the file and commit after every thousand records ; what keeps it ?"
    ),
)
"""Texts to try an embedder with: each is of a kind on which two ways of reading a text could part."""


def differences(
    vectors: Callable[[Sequence[str]], NDArray[np.float32]], texts: Sequence[str] = TEXTS
) -> dict[str, float]:
    """Return how far vectors move, relative to the largest number in them, with each of what should not move them.

    `vectors` gives n texts an array of shape (n, dim).

    Raises
    ------
    EmbedderUnavailable : a vector is not finite, or all are zero
    """
    alone = np.concatenate([vectors([text]) for text in texts])
    if not np.isfinite(alone).all():
        text = texts[int(np.argmin(np.isfinite(alone).all(axis=1)))]
        raise unfit(f"it gives {text!r} a vector that is not finite")
    if not (scale := np.abs(alone).max()):
        raise unfit("it gives every text the zero vector")
    others = {
        "when it is asked again": np.concatenate([vectors([text]) for text in texts]),
        "with the texts beside it": vectors(texts),
        "with the order of the texts": vectors(texts[::-1])[::-1],
    }
    return {reason: float(np.abs(found - alone).max() / scale) for reason, found in others.items()}


def company_difference(embedder: Embedder) -> float:
    """Return the largest difference that anything but a text itself makes to its vector; see `differences`."""
    return float(np.max(list(differences(embedder.embed).values())))


def tolerance_of(spec: EmbedderSpec) -> float:
    """Return how far an embedder's vectors may move: what rounding may do in the precision that it computes in."""
    return TOLERANCES[str(spec.config.get("precision", FLOAT32))]


def unfit(problem: str) -> EmbedderUnavailable:
    """Return the refusal of an embedder for what its vectors are."""
    return EmbedderUnavailable(
        f"the embedder cannot be used: {problem}", hint="choose one whose vectors depend on the text alone"
    )
