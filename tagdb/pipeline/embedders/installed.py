"""Which embedders are on this machine: shipped with tagdb, added to its own folder, or anywhere else by their path."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tagdb import config, elmo
from tagdb.elmo.hub.spec import MODULE_FOLDER
from tagdb.elmo.spec import ELMO, kind_of
from tagdb.errors import EmbedderUnavailable, InputRefused, UsageError
from tagdb.fetch import manifest
from tagdb.models import EmbedderSpec

_SHIPPED = Path(__file__).resolve().parents[2] / "embedders"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def is_name(name: str) -> bool:
    """Whether an embedder may be called so."""
    return _NAME.fullmatch(name) is not None


def added_folder() -> Path:
    """Return the folder that `tagdb embedder add` fills, one folder an embedder."""
    return (config.home() / "embedders").resolve()


def named() -> dict[str, Path]:
    """Return the folders of all embedders that have a name here, shipped and added, by their names."""
    return {folder.name: folder for shelf in _shelves() for folder in _embedders_in(shelf)}


def _shelves() -> list[Path]:
    return [added_folder(), _SHIPPED] if config.home_if_any() else [_SHIPPED]


def is_shipped(folder: Path) -> bool:
    """Whether an embedder came with this tagdb."""
    return folder.parent == _SHIPPED


def _embedders_in(shelf: Path) -> list[Path]:
    if not shelf.is_dir():
        return []
    return sorted(each for each in shelf.iterdir() if elmo.is_embedder(each) and not each.name.startswith("."))


def locate(name_or_directory: str) -> Path:
    """Return the folder of an embedder: a shipped or an added one by name, any other by its path.

    Raises
    ------
    EmbedderUnavailable : it is none of them
    """
    if (folder := named().get(name_or_directory)) is not None:
        return folder
    folder = given_path(name_or_directory)
    if elmo.is_embedder(folder):
        return folder.resolve()
    raise EmbedderUnavailable(
        f"there is no embedder {name_or_directory!r}: neither a shipped or added one nor a folder with options.json",
        hint=_hint(name_or_directory, folder),
    )


def given_path(typed: str) -> Path:
    """Return a path as it was typed, "~" expanded.

    Raises
    ------
    UsageError : nothing can have such a path, or it may not be looked at
    """
    try:
        path = Path(typed).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"{typed!r}: {getattr(error, 'strerror', None) or error}", hint="tagdb embedder list"
        ) from None
    return path


def checked(name_or_directory: str) -> Path:
    """Return the folder of an embedder that may be read: its files are those its manifest was written for.

    Raises
    ------
    EmbedderUnavailable : there is none, or it is a program that was not added
    WeightsError : a file is damaged, or not the one that was added
    """
    folder = locate(name_or_directory)
    if kind_of(folder) != ELMO and folder.parent not in _shelves():
        raise EmbedderUnavailable(
            f"{folder} holds a program, and it was not added",
            hint=f"if you trust it: tagdb embedder add NAME {folder / MODULE_FOLDER}",
        )
    if manifest.exists(folder):
        manifest.verify(folder)
    return folder


def _hint(wanted: str, folder: Path) -> str:
    if elmo.is_module(folder):
        return f"it is a TF-Hub module: tagdb embedder add NAME {wanted}"
    return f"tagdb embedder add {wanted} {wanted}" if wanted in elmo.PUBLISHED else "tagdb embedder list"


def place(folder: Path) -> str:
    """Return how a database remembers an embedder's folder: by name where tagdb keeps it, by its path elsewhere."""
    return folder.name if folder.parent in _shelves() else str(folder)


def describe(name_or_directory: str) -> EmbedderSpec:
    """Return what an embedder is, without loading its model."""
    return elmo.read_spec(locate(name_or_directory))


def added_under(name: str) -> Path:
    """Return the folder of an added embedder.

    Raises
    ------
    EmbedderUnavailable : none was added under this name
    """
    folder = added_folder() / name
    if is_name(name) and folder.is_dir():
        return folder
    raise EmbedderUnavailable(f"no embedder was added as {name!r}", hint="tagdb embedder list")


def remove(name: str) -> None:
    """Delete the files of an added embedder.

    Raises
    ------
    EmbedderUnavailable : none was added under this name
    InputRefused : its files cannot be deleted
    """
    folder = added_under(name)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise InputRefused(
            f"{folder} cannot be deleted: {error.strerror or error}", hint="delete it as the user who added it"
        ) from error
