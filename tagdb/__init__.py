"""tagdb keeps ELMo vectors, labels and neighbours of your questions current inside PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tagdb import config

if TYPE_CHECKING:
    from tagdb.elmo import Elmo as Elmo

__version__ = config.VERSION
__all__ = ["Elmo", "__version__"]


def __getattr__(name: str) -> Any:
    """Load `Elmo` on first use, so that `import tagdb` stays instant and free of TensorFlow."""
    if name == "Elmo":
        from tagdb.elmo import Elmo

        return Elmo
    raise AttributeError(f"module 'tagdb' has no attribute {name!r}")
