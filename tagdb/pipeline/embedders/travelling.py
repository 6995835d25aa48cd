"""An embedder on its way to other machines: its files as arrays, which a cluster hands to each node once."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagdb import elmo
from tagdb.errors import EmbedderUnavailable
from tagdb.models import Embedder
from tagdb.pipeline.embedders import installed
from tagdb.pipeline.embedders.registry import StoredEmbedder

Files = Mapping[str, NDArray[np.uint8]]
"""The bytes of each file by its path below the embedder's folder, whose own name is the first part of it."""


def packed(stored: StoredEmbedder) -> Files:
    """Read the files of an embedder of this machine.

    Raises
    ------
    EmbedderUnavailable : they are not here
    """
    folder = installed.checked(stored.directory)
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    return {str(each.relative_to(folder.parent)): np.fromfile(each, dtype=np.uint8) for each in files}


def load(files: Files, fingerprint: str) -> Embedder:
    """Load the model out of its files, having made sure that it is the one of that fingerprint.

    The files lie in a temporary folder for as long as that takes.

    Raises
    ------
    EmbedderUnavailable : it is another one
    """
    with tempfile.TemporaryDirectory(prefix="tagdb-embedder-") as place:
        for name, content in files.items():
            path = Path(place, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            content.tofile(path)
        folder = Path(place, Path(next(iter(files))).parts[0])
        spec = elmo.read_spec(folder)
        if spec.fingerprint != fingerprint:
            raise EmbedderUnavailable(f"the files of embedder {spec.name!r} are not those of the vectors there are")
        return elmo.load(folder, spec)
