"""Two collections beside the default one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.pipeline.embedders import registry
from tests.pipeline.running.collected import NASTY, PLAIN
from tests.pipeline.world import load_once


@pytest.fixture
def two(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Database, Database]:
    """Two new collections beside the default one, which stays empty."""
    monkeypatch.setattr(registry, "load", load_once)
    made = database.beside(NASTY), database.beside(PLAIN)
    for each in made:
        assert schema.migrate(each)
        registry.choose(each, str(tiny_embedder))
    return made
