"""ELMo: exact vectors of texts, evaluated over tries of their prefixes and suffixes.

`read_spec` identifies an embedder without loading TensorFlow; `Elmo` loads it on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tagdb.elmo.spec import read_spec

if TYPE_CHECKING:
    from tagdb.elmo.encoder import Elmo as Elmo

__all__ = ["Elmo", "read_spec"]


def __getattr__(name: str) -> Any:
    if name == "Elmo":
        from tagdb.elmo.encoder import Elmo

        return Elmo
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
