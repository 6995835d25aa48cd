"""The wheel holds everything, and what is installed from it works away from the working copy."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.pipeline.embedders.installed import describe

_ROOT = Path(__file__).resolve().parents[1]
_PLACES = {"tagdb": "tagdb", "sql": "tagdb/_sql", "migrations": "tagdb/_migrations"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this working copy."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel; pip install -e '.[dev]'")
    folder = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=_ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment with the wheel in it, which shares the other packages of this one."""
    environment = tmp_path_factory.mktemp("environment")
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)])
    python = environment / "bin" / "python"
    _run([sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)])
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin"


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _files(top: str) -> Iterator[str]:
    for path in (_ROOT / top).rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
            yield f"{_PLACES[top]}/{path.relative_to(_ROOT / top)}"


def test_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {name for top in _PLACES for name in _files(top)}
    assert wanted - names == set()
    assert {
        "tagdb/py.typed",
        "tagdb/_sql/queries/sync.sql",
        "tagdb/_migrations/env.py",
        "tagdb/_migrations/versions/0001_relations.py",
        "tagdb/embedders/starter/weights.hdf5",
        "tagdb/embedders/starter/NOTICE",
        "tagdb/sample/questions.csv.gz",
    } <= names
    assert not [name for name in names if "tests/" in name or "__pycache__" in name]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_installed_copy_is_what_runs(installed: Path, tmp_path: Path) -> None:
    script = "import tagdb; from tagdb.db import resources; print(tagdb.__file__, resources.folder('sql'))"
    for place in _run([str(installed / "python"), "-c", script], cwd=tmp_path).split():
        assert Path(place).is_relative_to(installed.parent)
        assert not Path(place).is_relative_to(_ROOT)


def test_installed_copy_answers_and_migrates(installed: Path, tmp_path: Path, empty_database: Database) -> None:
    tagdb = str(installed / "tagdb")
    assert "Usage: tagdb demo" in _run([tagdb, "demo", "--help"], cwd=tmp_path)
    assert "up to date now" in _run([tagdb, "db", "migrate", "--db-url", empty_database.dsn], cwd=tmp_path)
    with empty_database.session() as session:
        schema.require_current(session)
    status = _run([tagdb, "status", "--json", "--db-url", empty_database.dsn], cwd=tmp_path)
    assert status.startswith("{")


def test_installed_copy_brings_the_same_embedder(installed: Path, tmp_path: Path) -> None:
    script = (
        "from tagdb.pipeline.embedders import installed; "
        "print(installed.locate('starter'), installed.describe('starter').fingerprint)"
    )
    directory, fingerprint = _run([str(installed / "python"), "-c", script], cwd=tmp_path).split()
    assert Path(directory).is_relative_to(installed.parent)
    assert fingerprint == describe("starter").fingerprint
