"""`tagdb embedder verify`: are the files those that were added, and do vectors depend on the text alone?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tagdb import elmo
from tagdb.errors import CheckFailed
from tagdb.fetch import manifest
from tagdb.models import Embedder
from tagdb.pipeline import installed
from tagdb.pipeline.adding import proof_in_words

LIMIT = 1e-5
"""How far a text's vector may move with the company it is embedded in (relative to the largest number in it)."""

_TEXTS = (
    "java",
    "how to join two tables",
    "c# .net node.js",
    "why does python say 'list index out of range' when I loop over a list and remove from it",
    "ü 日本語",
)


@dataclass(frozen=True)
class Verified:
    """What was checked; `files` counts those with a checksum, 0 where tagdb did not add the embedder itself."""

    name: str
    files: int
    texts: int
    largest_difference: float
    proof: dict[str, Any] | None
    fingerprint: str

    @property
    def conversion(self) -> str | None:
        """What was found when it was converted, None where it was not."""
        return proof_in_words(self.proof)


def verify(name_or_directory: str) -> Verified:
    """Check files and vectors of an embedder.

    Raises
    ------
    EmbedderUnavailable : there is no such embedder
    WeightsError : a file is damaged, or not the one that was added
    CheckFailed : a text's vector depends on more than the text
    """
    folder = installed.checked(name_or_directory)
    embedder = elmo.load(folder)
    difference = company_difference(embedder)
    if not difference <= LIMIT:
        raise CheckFailed(
            f"{name_or_directory}: the vector of a text moves by {difference:.1e} with the texts around it",
            hint="tagdb embedder remove it, and add it again",
        )
    facts = manifest.read(folder) if manifest.exists(folder) else None
    return Verified(
        embedder.spec.name,
        len(facts.files) if facts else 0,
        len(_TEXTS),
        difference,
        facts.facts.get("proof") if facts else None,
        embedder.spec.fingerprint,
    )


def company_difference(embedder: Embedder) -> float:
    """Return the largest relative difference between vectors of texts alone and together."""
    together = embedder.embed(_TEXTS)
    alone = np.concatenate([embedder.embed([text]) for text in _TEXTS])
    return float(np.abs(together - alone).max() / np.abs(alone).max())
