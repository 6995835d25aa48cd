"""How this tagdb was installed, so that a hint can name the command that brings a newer one, or a missing package."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_NAME = "tagdb"
_TOOLS = {
    "pipx_metadata.json": (["pipx", "install", "--force"], ["pipx", "upgrade", _NAME]),
    "uv-receipt.toml": (["uv", "tool", "install", "--reinstall"], ["uv", "tool", "upgrade", _NAME]),
}
"""Tools with an environment for each program: a file they leave there, how they install a folder, how they upgrade."""


def upgrade_command() -> str:
    """Return the command that puts a newer tagdb in the place of this one."""
    distribution = _distribution()
    if distribution is None:
        return _pull(Path(__file__).resolve().parents[1])
    origin: dict[str, Any] = json.loads(distribution.read_text("direct_url.json") or "{}")
    tool = next((commands for file, commands in _TOOLS.items() if Path(sys.prefix, file).exists()), None)
    if "dir_info" in origin:
        folder = unquote(urlsplit(origin["url"]).path)
        editable = ["--editable"] if origin["dir_info"].get("editable") else []
        return f"{_pull(Path(folder))} && {shlex.join([*(tool[0] if tool else _pip_install()), *editable, folder])}"
    return shlex.join(tool[1] if tool else [*_pip_install(), "--upgrade", _published(origin)])


def install_command(*packages: str) -> str:
    """Return the command that installs packages here; those that tagdb requires in the releases it requires."""
    distribution = _distribution()
    listed = distribution.requires or [] if distribution else []
    required = {re.split(r"[^\w.-]", each)[0]: each.split(";")[0].strip() for each in listed}
    return shlex.join([*_pip_install(), *(required.get(package, package) for package in packages)])


def run_command(module: str, *arguments: str) -> str:
    """Return the command that runs a module of a package that is installed here."""
    return shlex.join([sys.executable, "-m", module, *arguments])


def _distribution() -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(_NAME)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pull(clone: Path) -> str:
    return shlex.join(["git", "-C", str(clone), "pull"])


def _published(origin: dict[str, Any]) -> str:
    """Return what names tagdb where it was published: its address, without a name or password in it, or its name."""
    if "url" not in origin:
        return _NAME
    parts = urlsplit(origin["url"])
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return f"{origin['vcs_info']['vcs']}+{address}" if "vcs_info" in origin else address


def _pip_install() -> list[str]:
    """Return how to install into this environment, which a plain `pip` may not be that of."""
    pip = Path(sys.prefix, "bin", "pip")
    if pip.exists():
        return [str(pip), "install"]
    distribution = _distribution()
    if distribution and (distribution.read_text("INSTALLER") or "").strip() == "uv":
        return ["uv", "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install"]
