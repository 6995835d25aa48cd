"""A real PostgreSQL for every test: one embedded server for the run, one database cloned from a template per test."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import psycopg2
import pytest

from tagdb.config import DEFAULT_SCHEMA
from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.db.embedded import SUPERUSER, EmbeddedServer
from tagdb.db.rights import quoted
from tests import elsewhere
from tests.elmo.weights import write_random_elmo
from tests.examples import SAME_EACH_RUN, examples

if elsewhere.SCHEMA != DEFAULT_SCHEMA:
    elsewhere.work_in(elsewhere.SCHEMA)

# A landing must not hang on the luck of the draw; at a desk every run looks somewhere else.
hypothesis.settings.register_profile("ci", derandomize=True, max_examples=examples(100))
if SAME_EACH_RUN:
    hypothesis.settings.load_profile("ci")

_NUMBERS = itertools.count()
_SETTINGS = ("TAGDB_DATABASE_URL", "DATABASE_URL")

SHARED = Path(__file__).resolve().parents[2] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="real data is not beside this checkout (../shared)")


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder with a path short enough for sockets, which the server's own user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="tagdb-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(short_folder: Path) -> Iterator[EmbeddedServer]:
    """The embedded server of this test run."""
    embedded = EmbeddedServer(short_folder / "home")
    embedded.acquire()
    _trade_safety_for_speed(embedded)
    yield embedded
    embedded.stop(force=True)


@pytest.fixture(scope="session")
def execute(server: EmbeddedServer) -> Callable[[str], None]:
    """Run a statement in the server's maintenance database."""

    def run(statement: str) -> None:
        connection = psycopg2.connect(_dsn(server, "postgres"))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    return run


@pytest.fixture(scope="session")
def template(server: EmbeddedServer, execute: Callable[[str], None]) -> str:
    """The name of a database with a migrated schema and nothing in it."""
    execute("CREATE DATABASE template_tagdb")
    execute(f'ALTER DATABASE template_tagdb SET search_path = "$user", public, {quoted(elsewhere.SCHEMA)}')
    schema.migrate(Database(_dsn(server, "template_tagdb"), origin="test"))
    return "template_tagdb"


@pytest.fixture
def database(server: EmbeddedServer, execute: Callable[[str], None], template: str) -> Iterator[Database]:
    """A migrated database of this test's own, which the command line uses too."""
    name = f"test_{next(_NUMBERS)}"
    execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    execute(f'ALTER DATABASE {name} SET search_path = "$user", public, {quoted(elsewhere.SCHEMA)}')
    dsn = _dsn(server, name)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TAGDB_DATABASE_URL", dsn)
        yield Database(dsn, origin="test")
    execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database(server: EmbeddedServer, execute: Callable[[str], None]) -> Iterator[Database]:
    """A database without schema tagdb."""
    name = f"test_{next(_NUMBERS)}"
    execute(f"CREATE DATABASE {name}")
    yield Database(_dsn(server, name), origin="test")
    execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def tiny_embedder(short_folder: Path) -> Path:
    """A folder with a random ELMo of 1024 dimensions that is quick to evaluate."""
    return write_random_elmo(short_folder / "tiny", projection_dim=512, dim=8)


@pytest.fixture(autouse=True)
def _clean_settings(monkeypatch: pytest.MonkeyPatch, short_folder: Path) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name in _SETTINGS or name.startswith(("TAGDB_", "PG"))]:
        monkeypatch.delenv(name)
    if elsewhere.SCHEMA != DEFAULT_SCHEMA:
        monkeypatch.setenv("TAGDB_SCHEMA", elsewhere.SCHEMA)
    monkeypatch.setenv("TAGDB_HOME", str(short_folder / "home"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")


def _trade_safety_for_speed(server: EmbeddedServer) -> None:
    """Let the server of the tests wait for no disk: nobody misses its data after a power cut."""
    connection = psycopg2.connect(_dsn(server, "postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute(f"ALTER SYSTEM SET {setting} = off")
        cursor.execute("SELECT pg_reload_conf()")
    connection.close()


def _dsn(server: EmbeddedServer, name: str) -> str:
    return f"postgresql://{SUPERUSER}@/{name}?host={server.socket_folder}"
