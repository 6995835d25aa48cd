"""Labelled questions of which the command line can make use."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tagdb.db.connection import Database
from tagdb.db.embedded import EmbeddedServer
from tests.pipeline import stored

LABELS = [("java", "python", "ruby")[number % 3] for number in range(60)]


@pytest.fixture
def world(database: Database) -> Database:
    """60 questions of three labels with a text, a vector and two tags each."""
    _fill(database)
    return database


@pytest.fixture(scope="module")
def _read_only(
    request: pytest.FixtureRequest, server: EmbeddedServer, execute: Callable[[str], None], template: str
) -> Iterator[Database]:
    name = request.module.__name__.rpartition(".")[2]
    with stored.shared_database(server, execute, template, name) as database:
        _fill(database)
        yield database


@pytest.fixture
def standing_world(_read_only: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The same questions in a database that the tests of a module share and leave as it is."""
    monkeypatch.setenv("TAGDB_DATABASE_URL", _read_only.dsn)
    return _read_only


def _fill(database: Database) -> None:
    texts = stored.numbered(LABELS)
    tags = [[label, f"tag{number % 5}"] for number, label in enumerate(LABELS)]
    vectors = dict(zip(texts, stored.clustered(LABELS), strict=True))
    stored.fill(database, texts, vectors, labels=LABELS, tags=tags)
