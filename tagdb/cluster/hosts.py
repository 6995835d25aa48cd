"""What runs in a process of the cluster: one object, of whatever an import path names, and calls of its methods."""

from __future__ import annotations

import importlib
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tagdb.errors import TagdbError


@dataclass(frozen=True)
class Outcome:
    """What a call came to: a value, or a failure that its user can act on."""

    value: Any = None
    refusal: TagdbError | None = None


class Host:
    """An actor: Ray makes it in a process of its own, and it knows as little of Ray as of what it makes.

    Args:
        cpus: how many processors the process may use.
        gpus: how much of the node's GPUs, which Ray chooses.
    """

    def __init__(self, cpus: int, gpus: float) -> None:
        _bound(cpus, gpus)
        self._object: Any = None

    def make(self, factory: str, **arguments: Any) -> Outcome:
        """Make the object whose methods are called: `factory` is "module:name"."""
        try:
            self._object = named(factory)(**arguments)
        except TagdbError as refusal:
            return Outcome(refusal=refusal)
        return Outcome(os.getpid())

    def call(self, method: str, *arguments: Any) -> Outcome:
        """Call a method of the object."""
        try:
            return Outcome(getattr(self._object, method)(*arguments))
        except TagdbError as refusal:
            return Outcome(refusal=refusal)


def named(path: str) -> Any:
    """Return what "module:name" names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _bound(cpus: int, gpus: float) -> None:
    """Let libraries that are loaded later use so many processors, and no more of a GPU's memory than they need."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(cpus)
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = str(cpus)
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    if not gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # which Ray leaves as it is
    with suppress(ImportError):
        importlib.import_module("pyarrow")  # loaded after TensorFlow, its allocator crashes
