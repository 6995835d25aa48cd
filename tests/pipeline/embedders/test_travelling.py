"""An embedder that travels as arrays gives the vectors that it gives at home, and leaves no file behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from tagdb.db.connection import Database
from tagdb.errors import EmbedderUnavailable
from tagdb.pipeline.embedders import registry, travelling

TEXTS = ["java spring", "python pandas"]


def test_embedder_is_the_same_after_the_journey(
    database: Database, tiny_embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.choose(database, str(tiny_embedder))
    with database.session() as session:
        stored = registry.chosen(session)
    files = travelling.packed(stored)
    assert {Path(name).name for name in files} >= {"options.json", "weights.hdf5"}
    for content in files.values():
        content.flags.writeable = False
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    arrived = travelling.load(files, stored.fingerprint)
    assert arrived.spec.fingerprint == stored.fingerprint
    np.testing.assert_array_equal(arrived.embed(TEXTS), registry.load(stored).embed(TEXTS))
    assert list(tmp_path.iterdir()) == []

    with pytest.raises(EmbedderUnavailable, match="are not those of the vectors there are"):
        travelling.load(files, "another")
