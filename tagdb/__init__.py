"""tagdb keeps ELMo vectors, labels and neighbours of your questions current inside PostgreSQL."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tagdb import config, errors
from tagdb.errors import (
    Busy,
    CheckFailed,
    ConnectionFailed,
    DatabaseError,
    EmbedderUnavailable,
    InputRefused,
    QueryRefused,
    SchemaMismatch,
    Stopped,
    TagdbError,
    Unavailable,
    UsageError,
    WeightsError,
)

if TYPE_CHECKING:
    from tagdb.door.collection import Collection as Collection
    from tagdb.door.collection import connect as connect
    from tagdb.door.machine import add_embedder as add_embedder
    from tagdb.door.machine import describe_embedder as describe_embedder
    from tagdb.door.machine import verify_embedder as verify_embedder
    from tagdb.door.reporting import Event as Event
    from tagdb.elmo import Elmo as Elmo
    from tagdb.plain import as_json as as_json

__version__ = config.VERSION
__all__ = [
    "Busy",
    "CheckFailed",
    "Collection",
    "ConnectionFailed",
    "DatabaseError",
    "Elmo",
    "EmbedderUnavailable",
    "Event",
    "InputRefused",
    "QueryRefused",
    "SchemaMismatch",
    "Stopped",
    "TagdbError",
    "Unavailable",
    "UsageError",
    "WeightsError",
    "__version__",
    "add_embedder",
    "as_json",
    "connect",
    "describe_embedder",
    "errors",
    "verify_embedder",
]

_LOADED_ON_FIRST_USE = {
    "Collection": "tagdb.door.collection",
    "Elmo": "tagdb.elmo",
    "Event": "tagdb.door.reporting",
    "add_embedder": "tagdb.door.machine",
    "as_json": "tagdb.plain",
    "connect": "tagdb.door.collection",
    "describe_embedder": "tagdb.door.machine",
    "verify_embedder": "tagdb.door.machine",
}


def __getattr__(name: str) -> Any:
    """Load what takes time on first use, so that `import tagdb` stays instant."""
    if name in _LOADED_ON_FIRST_USE:
        return getattr(import_module(_LOADED_ON_FIRST_USE[name]), name)
    raise AttributeError(f"module 'tagdb' has no attribute {name!r}")
