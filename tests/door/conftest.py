"""A small collection that programs work with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tests.pipeline.world import World

QUESTIONS = {number: f"{('java', 'python', 'ruby')[number % 3]} t{number % 7} v{number}" for number in range(1, 61)}


@pytest.fixture
def world(database: Database, tiny_embedder: Path) -> World:
    """60 questions that no sync has seen yet, in the database that TAGDB_DATABASE_URL names."""
    made = World(database, tiny_embedder)
    made.put(QUESTIONS)
    made.run("UPDATE questions SET label = (ARRAY['java', 'python', 'ruby'])[1 + id % 3]")
    return made
