"""Which embedders are on this machine: shipped with tagdb, added to its own folder, or anywhere else by their path."""

from __future__ import annotations

import shutil
from pathlib import Path

from tagdb import config, elmo
from tagdb.errors import EmbedderUnavailable, InputRefused
from tagdb.fetch import manifest
from tagdb.models import Embedder, EmbedderSpec

_SHIPPED = Path(__file__).resolve().parent.parent / "embedders"


def added_folder() -> Path:
    """Return the folder that `tagdb embedder add` fills, one folder an embedder."""
    return config.home() / "embedders"


def shipped() -> list[EmbedderSpec]:
    """Return the embedders that came with this tagdb."""
    return [elmo.read_spec(folder) for folder in _embedders_in(_SHIPPED)]


def added() -> list[EmbedderSpec]:
    """Return the embedders that were added on this machine."""
    return [elmo.read_spec(folder) for folder in _embedders_in(added_folder())]


def named() -> dict[str, Path]:
    """Return the folders of all embedders that have a name here, shipped and added, by their names."""
    return {folder.name: folder for shelf in (added_folder(), _SHIPPED) for folder in _embedders_in(shelf)}


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
    folder = Path(name_or_directory).expanduser()
    if elmo.is_embedder(folder):
        return folder.resolve()
    raise EmbedderUnavailable(
        f"there is no embedder {name_or_directory!r}: neither a shipped or added one nor a folder with options.json",
        hint=_hint(name_or_directory, folder),
    )


def _hint(wanted: str, folder: Path) -> str:
    if elmo.is_module(folder):
        return f"it is a TF-Hub module: tagdb embedder add NAME {wanted}"
    return f"tagdb embedder add {wanted} {wanted}" if wanted in elmo.PUBLISHED else "tagdb embedder list"


def place(folder: Path) -> str:
    """Return how a database remembers an embedder's folder: by name where tagdb keeps it, by its path elsewhere."""
    return folder.name if folder.parent in (_SHIPPED, added_folder()) else str(folder)


def describe(name_or_directory: str) -> EmbedderSpec:
    """Return what an embedder is, without loading its model."""
    return elmo.read_spec(locate(name_or_directory))


def load(folder: Path) -> Embedder:
    """Load an embedder's model; where tagdb wrote its manifest, the files have to be those it was written for.

    Raises
    ------
    WeightsError : a file is damaged, or not the one that was added
    """
    if manifest.exists(folder):
        manifest.verify(folder)
    return elmo.load(folder)


def added_under(name: str) -> Path:
    """Return the folder of an added embedder.

    Raises
    ------
    EmbedderUnavailable : none was added under this name
    """
    folder = added_folder() / name
    if folder in _embedders_in(added_folder()):
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
