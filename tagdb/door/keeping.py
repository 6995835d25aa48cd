"""The embedder that a collection keeps loaded between calls: loading one takes seconds, a short text milliseconds."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tagdb.models import Embedder
    from tagdb.pipeline.embedders.registry import StoredEmbedder


class KeptEmbedder:
    """One embedder at most, the last that was asked for; threads take turns at it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known_as: tuple[str, str] | None = None
        self._embedder: Embedder | None = None
        self._process = os.getpid()

    def embed(self, stored: StoredEmbedder, text: str) -> NDArray[np.float32]:
        """Return the vector of a text, by a registered embedder that is loaded where it is not yet.

        Raises
        ------
        EmbedderUnavailable : see `registry.load`; also in a process forked off one in which TensorFlow was loaded
        """
        self._begin_anew_after_fork()
        with self._lock:
            known_as = (stored.fingerprint, stored.directory)
            if self._embedder is None or self._known_as != known_as:
                self._embedder = None  # before another one takes as much memory
                self._embedder, self._known_as = _load(stored), known_as
            return cast("NDArray[np.float32]", self._embedder.embed([text])[0])

    def forget(self) -> None:
        """Let go of the embedder, once no thread is at it."""
        self._begin_anew_after_fork()
        with self._lock:
            self._embedder = None

    def _begin_anew_after_fork(self) -> None:
        """Leave behind the parent's embedder, which is of no use here, and its lock, which nobody here would open."""
        if self._process != os.getpid():
            self._embedder = None
            self._lock, self._process = threading.Lock(), os.getpid()


def _load(stored: StoredEmbedder) -> Embedder:
    from tagdb.pipeline.embedders import registry

    return registry.load(stored, for_few=True)
