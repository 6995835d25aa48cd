"""What concerns this machine rather than a collection: files of embedders, the embedded server, other tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tagdb.door import signals
from tagdb.door.reporting import Progressing, reporter

if TYPE_CHECKING:
    from tagdb.models import EmbedderSpec, Reporter
    from tagdb.pipeline.embedders.adding import Added
    from tagdb.pipeline.embedders.verifying import Verified


def add_embedder(
    name: str,
    source: str,
    *,
    tokenizer: str | None = None,
    lowercase: bool | None = None,
    start_state: str | None = None,
    start_text: str | None = None,
    precision: str | None = None,
    licence: str | None = None,
    sha256: str | None = None,
    progress: Progressing = None,
) -> Added:
    """Make an embedder of this machine out of a published name, a handle, an address, an archive or a folder.

    Raises
    ------
    UsageError : the name is no name, or the source no source
    InputRefused : the name is taken, or the folder cannot be written
    EmbedderUnavailable : the source cannot be fetched, holds no embedder, or gives other vectors than it should
    WeightsError : its files are damaged
    """
    from tagdb.pipeline.embedders import adding

    reading = adding.Reading(tokenizer, lowercase, start_state, start_text, precision)
    with signals.handed_on():
        return adding.add(name, source, reading, reporter(progress), licence=licence, sha256=sha256)


def describe_embedder(name_or_directory: str) -> EmbedderSpec:
    """Return what an embedder is, without loading its model.

    Raises
    ------
    EmbedderUnavailable : there is no such embedder
    """
    from tagdb.pipeline.embedders import installed

    return installed.describe(name_or_directory)


def require_added(name: str) -> None:
    """Pass where an embedder was added under this name.

    Raises
    ------
    EmbedderUnavailable : none was
    """
    from tagdb.pipeline.embedders import installed

    installed.added_under(name)


def verify_embedder(name_or_directory: str, *, progress: Progressing = None) -> Verified:
    """Check an embedder's files against their checksums, and that it gives vectors that depend on the text alone.

    Raises
    ------
    EmbedderUnavailable : there is no such embedder
    WeightsError : a file is damaged, or not the one that was added
    CheckFailed : a text's vector depends on more than the text
    """
    from tagdb.pipeline.embedders import verifying

    with signals.handed_on(), reporter(progress).step("verifying"):
        return verifying.verify(name_or_directory)


def database_url(url: str | None, schema: str | None, report: Reporter) -> str:
    """Return a database's URL without its password; an embedded server is told to run on."""
    from tagdb.pipeline.running import server

    return server.url(url, report, schema=schema)


def run_psql(url: str | None, schema: str | None, arguments: Sequence[str], report: Reporter) -> int:
    """Run psql on a database and return its exit code."""
    from tagdb.pipeline.running import server

    return server.psql(url, arguments, report, schema=schema)


def start_server(report: Reporter, url: str | None, schema: str | None) -> str:
    """Start the embedded server, let it run on, and return its URL; `url` is refused."""
    from tagdb.pipeline.running import server

    return server.start(report, url, schema=schema)


def stop_server(url: str | None, *, force: bool = False) -> bool:
    """Stop the embedded server; False when it was not running; `url` is refused."""
    from tagdb.pipeline.running import server

    return server.stop(url, force=force)
