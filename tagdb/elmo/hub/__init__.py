"""TF-Hub modules: an ELMo becomes tagdb's own files, proven against the module; others run as they are.

Nothing here loads TensorFlow before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tagdb.elmo.hub.spec import read_module_spec as read_module_spec

if TYPE_CHECKING:
    from tagdb.elmo.hub._hub import fetch_module as fetch_module
    from tagdb.elmo.hub.conversion import convert as convert
    from tagdb.elmo.hub.conversion import is_elmo as is_elmo
    from tagdb.elmo.hub.module import ModuleEmbedder as ModuleEmbedder
    from tagdb.elmo.hub.module import prepare_module as prepare_module
    from tagdb.elmo.hub.proof import Proof as Proof
    from tagdb.elmo.hub.proof import prove as prove

_HOMES = {
    "ModuleEmbedder": "module",
    "Proof": "proof",
    "convert": "conversion",
    "fetch_module": "_hub",
    "is_elmo": "conversion",
    "prepare_module": "module",
    "prove": "proof",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
