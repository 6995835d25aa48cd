"""What the tests of several use cases share: small databases, and an eye on what reaches the solver and on what sync
compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tagdb import classify
from tagdb.classify import FitResult
from tagdb.db.connection import Database, Session
from tagdb.db.embedded import EmbeddedServer
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.syncing import comparing, moved
from tagdb.pipeline.syncing.moved import Look, Moved
from tests.pipeline import stored
from tests.pipeline.world import World, load_once

LABELS = ("java", "python", "ruby")


class Shared(NamedTuple):
    """A database and the vectors of its texts."""

    database: Database
    vectors: dict[str, stored.Vector]


@dataclass
class Fits:
    """What was handed to `classify.fit`, call by call, copied before it was overwritten."""

    X: list[np.ndarray] = field(default_factory=list)
    y: list[np.ndarray] = field(default_factory=list)
    weight: list[np.ndarray] = field(default_factory=list)

    def texts(self, vectors: dict[str, stored.Vector], call: int = -1) -> list[str]:
        """Name the texts of a call's rows by their vectors."""
        names = {vector.tobytes(): text for text, vector in vectors.items()}
        return [names[row.tobytes()] for row in self.X[call]]


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    """Watch the solver."""
    seen, fit = Fits(), classify.fit

    def watched(X: Any, y: Any, weight: Any, *args: Any, **options: Any) -> FitResult:
        seen.X.append(X.copy())
        seen.y.append(y.copy())
        seen.weight.append(weight.copy())
        return fit(X, y, weight, *args, **options)

    monkeypatch.setattr(classify, "fit", watched)
    return seen


@pytest.fixture
def vectors(database: Database) -> dict[str, stored.Vector]:
    """90 texts of three labels on 180 questions, embedded; every text is repeated, the n-th one 1 + n % 3 times."""
    return _fill(database)


@pytest.fixture(scope="module")
def shared(
    request: pytest.FixtureRequest, server: EmbeddedServer, execute: Callable[[str], None], template: str
) -> Iterator[Shared]:
    """The same questions in a database that the tests of a module share."""
    name = request.module.__name__.rpartition(".")[2]
    with stored.shared_database(server, execute, template, name) as database:
        yield Shared(database, _fill(database))


def _fill(database: Database) -> dict[str, stored.Vector]:
    labels = [LABELS[number % 3] for number in range(90)]
    drawn = dict(zip(stored.numbered(labels), stored.clustered(labels), strict=True))
    repeated = [
        (text, label)
        for number, (text, label) in enumerate(zip(drawn, labels, strict=True))
        for _ in range(1 + number // 3 % 3)
    ]
    stored.fill(database, [text for text, _ in repeated], drawn, labels=[label for _, label in repeated])
    return drawn


@pytest.fixture
def synced(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Ten questions that have been synced."""
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    made.put({number: f"t{number} shared" for number in range(10)})
    made.sync()
    return made


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Moved]:
    """Collect what each sync is told to compare; however few questions there are, those that moved count as few."""
    found: list[Moved] = []
    look = moved.look

    def collect(session: Session, max_tokens: int, **options: Any) -> Look:
        found.append((seen := look(session, max_tokens, **options)).moved)
        return seen

    monkeypatch.setattr(moved, "look", collect)
    monkeypatch.setattr(moved, "LARGEST_SHARE", 1e9)
    return found


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Collect one entry each time that texts are compared."""
    calls: list[None] = []
    stage = comparing._stage_changes

    def count(*arguments: Any, **options: Any) -> None:
        calls.append(None)
        stage(*arguments, **options)

    monkeypatch.setattr(comparing, "_stage_changes", count)
    return calls
