"""Places that are not tagdb's own: a DBA's server, poolers before it, a standby behind it."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places.dba import DbaServer, running, servers_folder

_NUMBERS = itertools.count()

needs_pgbouncer = pytest.mark.skipif(
    shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin") is None, reason="PgBouncer is not installed"
)


@pytest.fixture(scope="session")
def places() -> Iterator[Path]:
    """A folder for servers."""
    with servers_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def dba(places: Path) -> Iterator[DbaServer]:
    """A server on loopback that can be replicated; roles and databases on it are of each test's own making."""
    with running(DbaServer(places / "primary", {"wal_level": "replica", "max_wal_senders": "4"})) as server:
        yield server


@pytest.fixture
def owner(dba: DbaServer) -> Iterator[str]:
    """A role without any special right, but that it may log in with its name as password."""
    with dba.role(f"owner_{next(_NUMBERS)}") as name:
        yield name


@pytest.fixture
def shop(dba: DbaServer, owner: str) -> Iterator[str]:
    """A database of `owner`'s that the DBA has put pgvector into, in schema public."""
    with dba.database(f"shop_{next(_NUMBERS)}", f"OWNER {owner}") as name:
        dba.admin("CREATE EXTENSION vector", name)
        yield name
