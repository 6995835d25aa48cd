"""Finds `sql/` and `migrations/`: inside an installed package, or beside it in a working copy."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def folder(name: str) -> Path:
    """Return the folder `name` ("sql" or "migrations"); a wheel carries it inside the package as `_name`."""
    installed = _PACKAGE / f"_{name}"
    return installed if installed.is_dir() else _PACKAGE.parent / name
