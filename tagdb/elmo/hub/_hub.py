"""The one place that imports tensorflow_hub: it loads modules and fetches them by their handles, and stays quiet."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import socket
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import responses
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from tagdb import installation
from tagdb.elmo._tensorflow import tf
from tagdb.elmo.hub.spec import is_module, module_files
from tagdb.errors import EmbedderUnavailable

_MISSING_OPERATION = re.compile(r"Op type not registered '(\w+)'")
_SECONDS_OF_SILENCE = 60.0


def tensorflow_hub() -> Any:
    """Import tensorflow_hub; raises EmbedderUnavailable where that does not work."""
    try:
        with warnings.catch_warnings():
            # Release 0.16.1 imports pkg_resources, which warns of its own end.
            warnings.simplefilter("ignore")
            return import_module("tensorflow_hub")
    except ImportError as error:
        raise EmbedderUnavailable(
            f"tensorflow_hub cannot be imported: {error}",
            hint=installation.install_command("tensorflow-hub", "tf-keras", "setuptools"),
        ) from error


def load_module(module: Path) -> Any:
    """Load a module, of TF1-Hub's format or a SavedModel of TensorFlow 2, from its folder.

    Raises
    ------
    EmbedderUnavailable : the folder holds no module, a damaged one, or one with operations that nobody here has
    """
    module_files(module)
    try:
        return _loaded(module)
    except _MissingOperationError as error:
        try:
            # Its operations are registered by its import.
            import_module("tensorflow_text")
        except ImportError:
            release = ".".join(tf.__version__.split(".")[:2])
            raise EmbedderUnavailable(
                f"{module} needs the operation {error}, which TensorFlow alone does not have",
                hint=installation.install_command(f"tensorflow-text=={release}.*"),
            ) from error
    try:
        return _loaded(module)
    except _MissingOperationError as error:
        raise EmbedderUnavailable(
            f"{module} needs the operation {error}, which neither TensorFlow nor tensorflow_text has",
            hint="ask where the module comes from for the package that has it",
        ) from error


class _MissingOperationError(Exception):
    """The name of an operation that the module needs and nothing imported has."""


def _loaded(module: Path) -> Any:
    hub = tensorflow_hub()
    try:
        with quiet():
            return hub.load(str(module))
    except Exception as error:  # what a damaged module makes TensorFlow raise is of almost any class
        if missing := _MISSING_OPERATION.search(str(error)):
            raise _MissingOperationError(missing[1]) from error
        raise EmbedderUnavailable(
            f"{module} cannot be loaded as a module: {gist(error)}",
            hint="fetch the module again, and compare its size with the source's",
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what TensorFlow's Python part warns of off stderr: that a module is as old as it is."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def gist(error: Exception) -> str:
    """Return the line in which an error says what happened: of a graph's, the one before it names the node."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    node = next((number for number, line in enumerate(lines) if "[[{{node" in line), 0)
    return lines[max(0, node - 1)][:300]


def fetch_module(handle: str, cache: Path) -> Path:
    """Fetch a module by its handle (https://tfhub.dev/..., https://www.kaggle.com/models/...) into a folder of `cache`.

    The folder has the name that tensorflow_hub gives it, so what it has fetched there before is found. A fetch that
    fails leaves nothing behind.

    Raises
    ------
    EmbedderUnavailable : the handle is none, cannot be reached, or what comes is no module
    """
    shown = _public_form(handle)
    place = cache / hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest()
    if is_module(place):
        return place
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=cache) as fresh, _settings(Path(fresh)):
        found = _resolved(handle, shown)
        if not is_module(found):
            raise _unreachable(shown, "what comes from there is no module")
        shutil.rmtree(place, ignore_errors=True)
        found.replace(place)
    return place


def _public_form(handle: str) -> str:
    """Return a handle without user, password, query and fragment, any of which may be a secret."""
    try:
        address = urlsplit(handle)
        # After an unquoted "/" or "?" in a password, the rest of it would pass for a path or a query.
        is_misread = "@" in address.path + address.query + address.fragment
        is_handle = address.scheme in ("http", "https") and address.hostname and not is_misread
    except ValueError:
        is_handle = False
    if not is_handle:
        raise EmbedderUnavailable(
            "this is no handle of a module: it cannot be read as http(s)://HOST/PATH",
            hint="such as https://tfhub.dev/google/elmo/3",
        )
    return address._replace(netloc=address.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _resolved(handle: str, shown: str) -> Path:
    hub = tensorflow_hub()
    with warnings.catch_warnings():
        # Of a download that breaks off, tensorflow_hub leaves the connection to be closed with its error.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return Path(hub.resolve(handle))
        except Exception as error:  # of urllib's, tarfile's, zlib's and TensorFlow's classes
            reason = _reason(error, may_quote=handle == shown)
    # Raised out here, it carries no error whose words could repeat the handle.
    raise _unreachable(shown, reason)


def _reason(error: Exception, *, may_quote: bool) -> str:
    """Return why a fetch failed, in words that cannot hold a part of the handle unless they may be quoted."""
    if isinstance(error, HTTPError):
        error.close()
        return f"HTTP {error.code} {responses.get(error.code, '')}".rstrip()
    if may_quote:
        return gist(error)
    cause = error.reason if isinstance(error, URLError) else error
    # Of what is left, the system's own words alone tell nothing of the address.
    words = cause.strerror if isinstance(cause, OSError) else None
    return words or f"it ends in {type(cause).__name__}, whose words could repeat what is secret in the address"


def _unreachable(shown: str, reason: str) -> EmbedderUnavailable:
    return EmbedderUnavailable(
        f"cannot fetch {shown}: {reason}",
        hint=f"where there is a network, download {shown}?tf-hub-format=compressed; then tagdb embedder add NAME FILE",
    )


@contextmanager
def _settings(cache: Path) -> Iterator[None]:
    """Let tensorflow_hub work in `cache` for a while, without progress of its own and without endless waiting."""
    ours: Mapping[str, str] = {
        "TFHUB_CACHE_DIR": str(cache),
        "TFHUB_MODEL_LOAD_FORMAT": "COMPRESSED",
        "TFHUB_DOWNLOAD_PROGRESS": "",
    }
    theirs = {name: os.environ.get(name) for name in ours}
    timeout = socket.getdefaulttimeout()
    os.environ.update(ours)
    socket.setdefaulttimeout(_SECONDS_OF_SILENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(timeout)
        for name, value in theirs.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
