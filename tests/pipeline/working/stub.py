"""An embedder without a model, for many processes in little time: slow, deadly or broken as the environment says.

A text's vector is drawn from its words, so that whoever made it, it can be told from all others.
"""

from __future__ import annotations

import os
import signal
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagdb import elmo
from tagdb.errors import EmbedderUnavailable
from tagdb.models import Embedder, EmbedderSpec
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.embedders.registry import StoredEmbedder

DIM = 1024
SLOW, BROKEN = "STUB_SECONDS_A_TEXT", "STUB_IS_BROKEN"
POISON = "poison"
ROOT = Path(__file__).resolve().parents[3]


def vector(text: str) -> NDArray[np.float32]:
    """Return the vector of a text."""
    return np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIM, dtype=np.float32)


class Stub:
    """Stands in for a model; one with the token "poison" kills the process, as one that takes all memory would."""

    dim = DIM

    def __init__(self, stored: StoredEmbedder) -> None:
        self.spec = EmbedderSpec(stored.name, stored.kind, stored.fingerprint, DIM, stored.directory, {})

    def tokenize(self, texts: Sequence[str]) -> list[list[str]]:
        """Split texts at blanks."""
        return [text.split() for text in texts]

    def embed(self, texts: Sequence[str], *, max_tokens: int = 512) -> NDArray[np.float32]:
        """Return vectors of texts."""
        return self.embed_tokens([tokens[:max_tokens] for tokens in self.tokenize(texts)])

    def embed_tokens(self, tokenized: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """Return vectors, after a while where that is asked for."""
        if any(POISON in tokens for tokens in tokenized):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(os.environ.get(SLOW, "0")) * len(tokenized))
        return np.array([vector(" ".join(tokens)) for tokens in tokenized])


def load(stored: StoredEmbedder, *, for_few: bool = False) -> Embedder:
    """Stand in for `registry.load`."""
    if os.environ.get(BROKEN):
        raise EmbedderUnavailable("the stub is broken")
    return Stub(stored)


def limit_threads(threads: int) -> None:
    """Stand in for `elmo.limit_threads`, for there is nothing to limit."""


def install() -> None:
    """Let this process embed with the stub."""
    registry.load = registry.load_here = load
    elmo.limit_threads = limit_threads


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a Python in which, and in all whose parent it is, the stub is installed."""
    hook = "from tests.pipeline.working import stub\nstub.install()\n"
    (folder / "sitecustomize.py").write_text(hook, encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(folder), str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}
