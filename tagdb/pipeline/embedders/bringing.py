"""Turns what a person calls a source (a name, a handle, an address, a file, a folder) into a folder of files here."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tagdb import config, elmo
from tagdb.elmo import published
from tagdb.elmo.hub.spec import MODULE_FOLDER
from tagdb.errors import EmbedderUnavailable, TagdbError, UsageError, WeightsError
from tagdb.fetch import manifest
from tagdb.fetch.address import public_form
from tagdb.fetch.archive import unpack
from tagdb.fetch.download import download, require_sha256
from tagdb.models import Reporter
from tagdb.pipeline.embedders import installed

WEIGHTS = (".hdf5", ".h5")
MODULE_HOSTS = ("tfhub.dev", "kaggle.com", "www.kaggle.com")


@dataclass(frozen=True)
class Brought:
    """A folder with an embedder's files, and what is known of where they come from.

    `proof` is what an embedder that is here already was found to be worth when it was converted.
    """

    folder: Path
    source: str
    licence: str = ""
    description: str = ""
    proof: dict[str, Any] | None = None


def downloads() -> Path:
    """Return the folder where downloads wait, finished or not, until an embedder has been made of them."""
    return config.home() / "downloads"


def bring(source: str, name: str, work: Path, reporter: Reporter, *, sha256: str | None = None) -> Brought:
    """Fetch and unpack `source` for the embedder `name`; `work` is an empty folder for what is unpacked.

    An embedder that is here already is taken before a published one of the same name, which would be fetched again.
    Downloads lie in a folder of the source's own, where a second try goes on with them.

    Raises
    ------
    UsageError : the source is neither a known name nor an address, a file or a folder
    EmbedderUnavailable : it cannot be fetched
    WeightsError : what came is damaged, has another checksum, or is unsafe to unpack
    """
    if source in installed.named():
        return _from_here(source)
    if source in elmo.PUBLISHED:
        return _published(source, name, reporter, sha256)
    if "://" in source:
        return _from_network(source, name, work, reporter, sha256)
    path = installed.given_path(source)
    if path.is_dir():
        return Brought(path, str(path.resolve()))
    if path.is_file():
        if sha256 is not None:
            require_sha256(path, sha256)
        return _unpacked(path, work, str(path.resolve()), reporter)
    names = ", ".join(elmo.PUBLISHED)
    raise UsageError(
        f"{source!r} is neither a folder, nor an archive, nor an address",
        hint=f"name a folder with options.json, a .tar.gz, a tfhub.dev handle or one of {names}",
    )


def _from_here(name: str) -> Brought:
    folder = installed.checked(name)
    facts = manifest.read(folder).facts if manifest.exists(folder) else {}
    inside = folder / MODULE_FOLDER
    return Brought(inside if inside.is_dir() else folder, f"embedder {name}", proof=facts.get("proof"))


def _unpacked(archive: Path, work: Path, source: str, reporter: Reporter) -> Brought:
    with reporter.step(f"unpacking {archive.name}"):
        unpack(archive, work / "unpacked")
    return Brought(work / "unpacked", source)


def _published(source: str, name: str, reporter: Reporter, sha256: str | None) -> Brought:
    model, folder = elmo.PUBLISHED[source], _download_folder(source)
    _download_pair(model.options_url, model.weights_url, folder, name, reporter, sha256)
    return Brought(
        folder, model.weights_url, published.LICENCE, f"Allen Institute's {source!r}, trained on: {model.corpus}"
    )


def _from_network(source: str, name: str, work: Path, reporter: Reporter, sha256: str | None) -> Brought:
    shown, address = public_form(source), urlsplit(source)
    folder, file = _download_folder(source), address.path.rpartition("/")[2]
    if address.hostname in MODULE_HOSTS:
        from tagdb.elmo.hub import fetch_module

        with reporter.step(f"fetching {shown}"):
            return Brought(fetch_module(source, folder), shown)
    if file.endswith(WEIGHTS):
        options = address._replace(path=address.path.removesuffix(file) + _options_beside(file))
        _download_pair(options.geturl(), source, folder, name, reporter, sha256)
        return Brought(folder, shown)
    _download(source, folder / "archive", reporter, f"tagdb embedder add {name} FILE", sha256)
    return _unpacked(folder / "archive", work, shown, reporter)


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


def _download_pair(
    options_url: str, weights_url: str, folder: Path, name: str, reporter: Reporter, sha256: str | None
) -> None:
    """Fetch both files of an ELMo; the checksum is that of the weights."""
    for file, url, other in (
        ("options.json", options_url, "weights.hdf5"),
        ("weights.hdf5", weights_url, "options.json"),
    ):
        elsewhere = f"put it beside {other} of the same place into a folder, and: tagdb embedder add {name} FOLDER"
        _download(url, folder / file, reporter, elsewhere, sha256 if url == weights_url else None)


def _download(url: str, path: Path, reporter: Reporter, elsewhere: str, sha256: str | None) -> None:
    """Fetch what a first try has not fetched; `path` exists only when all of the file is there."""
    if sha256 is not None or not path.exists():
        download(url, path, reporter, sha256=sha256, elsewhere=elsewhere)


@contextmanager
def fetched(source: str, name: str, work: Path, reporter: Reporter, *, sha256: str | None = None) -> Iterator[Brought]:
    """Bring a source and forget what was downloaded of it once it was used: with success, or found to be of no use.

    What could not be fetched to its end stays, see `bring`.
    """
    try:
        brought = bring(source, name, work, reporter, sha256=sha256)
    except WeightsError:
        _forget(source)
        raise
    try:
        yield _gathered(brought)
    except TagdbError:
        _forget(source)
        raise
    _forget(source)


def _forget(source: str) -> None:
    shutil.rmtree(_downloads_of(source), ignore_errors=True)


def _gathered(brought: Brought) -> Brought:
    """Return the folder that really holds the files, where they lie in the one folder of an archive."""
    inside = [each for each in brought.folder.iterdir() if not each.name.startswith((".", "__MACOSX"))]
    if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink():
        return replace(brought, folder=inside[0])
    return brought
