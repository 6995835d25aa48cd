"""A migrated database for all tests of a module that leave it as they found it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tagdb.db.connection import Database, Session
from tagdb.db.embedded import EmbeddedServer
from tests.conftest import _dsn


@pytest.fixture(scope="module")
def shared_database(
    request: pytest.FixtureRequest, server: EmbeddedServer, execute: Callable[[str], None], template: str
) -> Iterator[Database]:
    """A migrated database that the tests of one module share."""
    name = request.module.__name__.rpartition(".")[2]
    execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    execute(f'ALTER DATABASE {name} SET search_path = "$user", public, tagdb')
    yield Database(_dsn(server, name), origin="test")
    execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def shared_session(shared_database: Database) -> Iterator[Session]:
    """A session on the module's database."""
    with shared_database.session() as session:
        yield session


@contextmanager
def session_with(database: Database, tables: str) -> Iterator[Session]:
    """Open a session on a database in which there are the user's tables for as long, and no source before or after."""
    with database.session() as session:
        session.run_script(tables)
        yield session
        session.run_script(
            "DROP VIEW IF EXISTS tagdb.source, tagdb.source_tag;"
            "DROP TABLE IF EXISTS questions, tags, other, own CASCADE; TRUNCATE tagdb.source_definition"
        )
