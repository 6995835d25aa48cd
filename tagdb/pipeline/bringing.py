"""Turns what a person calls a source (a name, a handle, an address, a file, a folder) into a folder of files here."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from tagdb import config, elmo
from tagdb.elmo import published
from tagdb.errors import EmbedderUnavailable, UsageError
from tagdb.fetch.archive import unpack
from tagdb.fetch.download import download
from tagdb.models import Reporter
from tagdb.pipeline import installed

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
WEIGHTS = (".hdf5", ".h5")
_MODULE_HOSTS = ("tfhub.dev", "kaggle.com", "www.kaggle.com")


@dataclass(frozen=True)
class Brought:
    """A folder with an embedder's files, and what is known of where they come from."""

    folder: Path
    source: str
    licence: str = ""
    description: str = ""


def downloads() -> Path:
    """Return the folder where downloads wait, finished or not, until an embedder has been made of them."""
    return config.home() / "downloads"


def bring(source: str, name: str, work: Path, reporter: Reporter) -> Brought:
    """Fetch and unpack `source` for the embedder `name`; `work` is an empty folder for what is unpacked.

    An embedder that is here already is taken before a published one of the same name, which would be fetched again.

    Downloads lie in a folder of the source's own, where a second try goes on with them.

    Raises
    ------
    UsageError : the source is neither a known name nor an address, a file or a folder
    EmbedderUnavailable : it cannot be fetched
    WeightsError : what came is damaged, or unsafe to unpack
    """
    if (folder := installed.named().get(source)) is not None:
        return Brought(folder, f"embedder {source}")
    if source in elmo.PUBLISHED:
        return _published(source, name, reporter)
    if "://" in source:
        return _from_network(source, name, work, reporter)
    path = Path(source).expanduser()
    if path.is_dir():
        return Brought(path, str(path.resolve()))
    if path.is_file() and path.name.endswith(ARCHIVES):
        with reporter.step(f"unpacking {path.name}"):
            unpack(path, work / "unpacked")
        return Brought(work / "unpacked", str(path.resolve()))
    names = ", ".join(elmo.PUBLISHED)
    raise UsageError(
        f"{source!r} is neither a folder, nor an archive, nor an address",
        hint=f"name a folder with options.json, a .tar.gz, a tfhub.dev handle or one of {names}",
    )


def _published(source: str, name: str, reporter: Reporter) -> Brought:
    model, folder = elmo.PUBLISHED[source], _download_folder(source)
    _download_pair(model.options_url, model.weights_url, folder, name, reporter)
    return Brought(
        folder, model.weights_url, published.LICENCE, f"Allen Institute's {source!r}, trained on: {model.corpus}"
    )


def _from_network(source: str, name: str, work: Path, reporter: Reporter) -> Brought:
    address = urlsplit(source)
    if address.hostname in _MODULE_HOSTS:
        from tagdb.elmo.hub import fetch_module

        with reporter.step(f"fetching {source}"):
            return Brought(fetch_module(source, _download_folder(source)), source)
    file = address.path.rpartition("/")[2]
    shown = f"{address.scheme}://{address.hostname}{address.path}"
    folder = _download_folder(source)
    if file.endswith(WEIGHTS):
        options = address.path.removesuffix(file) + _options_beside(file)
        _download_pair(address._replace(path=options).geturl(), source, folder, name, reporter)
        return Brought(folder, shown)
    if file.endswith(ARCHIVES):
        _download(source, folder / file, reporter, f"tagdb embedder add {name} {file}")
        with reporter.step(f"unpacking {file}"):
            unpack(folder / file, work / "unpacked")
        return Brought(work / "unpacked", shown)
    raise UsageError(
        f"{shown} names neither an archive ({', '.join(ARCHIVES)}) nor weights ({', '.join(WEIGHTS)})",
        hint="give the address of the file itself",
    )


def _options_beside(weights: str) -> str:
    """Return the name of the options of a weights file, as the published ones are called."""
    stem = weights.rpartition(".")[0]
    return stem.removesuffix("weights") + "options.json" if stem.endswith("weights") else "options.json"


def _download_folder(source: str) -> Path:
    folder = _downloads_of(source)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbedderUnavailable(
            f"cannot make the folder {folder}: {error.strerror or error}", hint="set TAGDB_HOME to a folder of yours"
        ) from error
    return folder


def _downloads_of(source: str) -> Path:
    return downloads() / hashlib.sha256(source.encode()).hexdigest()[:16]


def _download_pair(options_url: str, weights_url: str, folder: Path, name: str, reporter: Reporter) -> None:
    files = {"options.json": options_url, "weights.hdf5": weights_url}
    for file, url in files.items():
        (other,) = files.keys() - {file}
        elsewhere = f"put it beside {other} of the same place into a folder, and: tagdb embedder add {name} FOLDER"
        _download(url, folder / file, reporter, elsewhere)


def _download(url: str, path: Path, reporter: Reporter, elsewhere: str) -> None:
    """Fetch what a first try has not fetched; `path` exists only when all of the file is there."""
    if not path.exists():
        download(url, path, reporter, elsewhere=elsewhere)


def forget_downloads(source: str) -> None:
    """Delete what was downloaded from `source`, now that it has become an embedder."""
    shutil.rmtree(_downloads_of(source), ignore_errors=True)


def gathered(brought: Brought) -> Brought:
    """Return the folder that really holds the files, where they lie in the one folder of an archive."""
    inside = [each for each in brought.folder.iterdir() if not each.name.startswith(".")]
    if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink():
        return replace(brought, folder=inside[0])
    return brought
