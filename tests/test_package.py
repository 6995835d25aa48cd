"""The package: its version, and a surface that answers at once because it loads no model and no solver."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import tagdb
from tagdb.db.connection import Database

_ROOT = Path(__file__).resolve().parents[1]
_SLOW = {"tensorflow", "tensorflow_hub", "sklearn", "scipy", "h5py", "matplotlib", "pyarrow", "alembic"}

_EVERY_HELP = """
import sys
from typer.main import get_command
from typer.testing import CliRunner
from tagdb.cli import app

def visit(command, path):
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from visit(child, [*path, name])

for path in visit(get_command(app), []):
    done = CliRunner().invoke(app, [*path, "--help"])
    assert done.exit_code == 0 and "Usage: " in done.output, (path, done.output)
    print("tagdb", *path, file=sys.stderr)
print(*sys.modules)
"""

_STATUS = """
import sys
from typer.testing import CliRunner
from tagdb.cli import app

done = CliRunner().invoke(app, ["status", "--db-url", sys.argv[1]])
assert done.exit_code == 0, done.output
print(*sys.modules)
"""


def _run(script: str, *arguments: str) -> tuple[set[str], list[str]]:
    """Return the top-level modules that a script printed as loaded, and the lines it wrote to stderr."""
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.split()}, done.stderr.splitlines()


def test_version_is_that_of_the_project_file() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert tagdb.__version__ == project["version"]


def test_importing_tagdb_loads_nothing_slow_and_offers_the_embedder() -> None:
    loaded, _ = _run("import sys, tagdb; assert 'Elmo' in tagdb.__all__; print(*sys.modules)")
    assert "tagdb" in loaded
    assert loaded & (_SLOW | {"sqlalchemy", "numpy", "typer"}) == set()


def test_naming_a_collection_loads_nothing_slow_and_opening_it_no_model(database: Database) -> None:
    loaded, _ = _run("import sys, tagdb; tagdb.Collection('postgresql://nowhere/x'); print(*sys.modules)")
    assert loaded & (_SLOW | {"sqlalchemy", "psycopg2", "numpy", "rich", "typer"}) == set()
    loaded, _ = _run("import sys, tagdb; tagdb.connect(sys.argv[1]).status(); print(*sys.modules)", database.dsn)
    assert "sqlalchemy" in loaded
    assert loaded & (_SLOW | {"rich", "typer"}) == set()


def test_all_that_is_offered_is_there() -> None:
    assert sorted(tagdb.__all__) == tagdb.__all__
    assert all(getattr(tagdb, name) is not None for name in tagdb.__all__)
    raised = {name for name, each in vars(tagdb.errors).items() if isinstance(each, type)}
    assert raised <= set(tagdb.__all__)


def test_help_of_every_command_loads_nothing_slow() -> None:
    loaded, commands = _run(_EVERY_HELP)
    assert {"tagdb", "tagdb sync", "tagdb demo", "tagdb db migrate", "tagdb embedder list"} <= set(commands)
    assert loaded & (_SLOW | {"sqlalchemy", "psycopg2", "numpy"}) == set()


def test_command_without_a_model_loads_nothing_slow(database: Database) -> None:
    loaded, _ = _run(_STATUS, database.dsn)
    assert "sqlalchemy" in loaded
    assert loaded & _SLOW == set()


def test_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "tagdb", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"tagdb {tagdb.__version__}\n"
