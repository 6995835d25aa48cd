"""ELMo: exact vectors of texts, evaluated over tries of their prefixes and suffixes; and TF-Hub modules beside it.

`read_spec` identifies an embedder without loading TensorFlow; `load`, and `Elmo`, load it on first use, and
`load_for_few` only where a module needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagdb.elmo import hub
from tagdb.elmo import spec as elmo_spec
from tagdb.elmo.hub.spec import KIND as MODULE
from tagdb.elmo.hub.spec import is_module
from tagdb.elmo.published import PUBLISHED
from tagdb.models import Embedder, EmbedderSpec

if TYPE_CHECKING:
    from tagdb.elmo.encoder import Elmo as Elmo

__all__ = [
    "PUBLISHED",
    "Elmo",
    "is_embedder",
    "is_module",
    "limit_threads",
    "load",
    "load_for_few",
    "read_spec",
]


def is_embedder(directory: Path) -> bool:
    """Whether a folder holds what `load` reads: an ELMo in AllenNLP's format, or a module that tagdb took."""
    return (directory / elmo_spec.OPTIONS_FILE).exists() or (directory / elmo_spec.DESCRIPTION_FILE).exists()


def read_spec(directory: Path) -> EmbedderSpec:
    """Return what identifies the embedder in `directory`; see `spec.read_spec`."""
    if elmo_spec.kind_of(directory) == MODULE:
        return hub.read_module_spec(directory)
    return elmo_spec.read_spec(directory)


def load(directory: Path, spec: EmbedderSpec | None = None) -> Embedder:
    """Load the embedder in `directory`; `spec`, where `read_spec` gave it just before, saves hashing its files again.

    Raises EmbedderUnavailable when a file is missing, WeightsError when one is damaged or does not fit the others.
    """
    if elmo_spec.kind_of(directory) == MODULE:
        return hub.ModuleEmbedder.load(directory, spec=spec)
    from tagdb.elmo.encoder import Elmo

    return Elmo.load(directory, spec=spec)


def load_for_few(directory: Path, spec: EmbedderSpec | None = None) -> Embedder:
    """Load what `load` loads, for texts that come one or a few at a time: at once, and with the same vectors."""
    if elmo_spec.kind_of(directory) == MODULE:
        return load(directory, spec)
    from tagdb.elmo.few import FewTexts

    return FewTexts.load(directory, spec=spec)


def limit_threads(threads: int) -> None:
    """Let the network compute with so many threads of the processors, unless this process has computed before."""
    from tagdb.elmo import _tensorflow

    _tensorflow.limit_threads(threads)


def __getattr__(name: str) -> Any:
    if name == "Elmo":
        from tagdb.elmo.encoder import Elmo

        return Elmo
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
