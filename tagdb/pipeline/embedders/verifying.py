"""`tagdb embedder verify`: are the files those that were added, and do vectors depend on the text alone?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tagdb import elmo
from tagdb.elmo.independence import TEXTS, company_difference, tolerance_of
from tagdb.errors import CheckFailed
from tagdb.fetch import manifest
from tagdb.pipeline.embedders import installed
from tagdb.pipeline.embedders.adding import proof_in_words


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
    embedder = elmo.load(folder, elmo.read_spec(folder))
    difference = company_difference(embedder)
    if not difference <= tolerance_of(embedder.spec):
        raise CheckFailed(
            f"{name_or_directory}: the vector of a text moves by {difference:.1e} with the texts around it",
            hint="tagdb embedder remove it, and add it again",
        )
    facts = manifest.read(folder) if manifest.exists(folder) else None
    return Verified(
        embedder.spec.name,
        len(facts.files) if facts else 0,
        len(TEXTS),
        difference,
        facts.facts.get("proof") if facts else None,
        embedder.spec.fingerprint,
    )
