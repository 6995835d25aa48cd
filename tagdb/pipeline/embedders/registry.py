"""Which embedder a database uses: found by name or folder, registered by fingerprint, switched without a gap.

`chosen` is the embedder that sync embeds with, `active` the one that views, neighbours and labels read. They differ
while a switch is under way; sync makes the chosen one active once it has a vector for every text.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagdb import elmo
from tagdb.db import partitions
from tagdb.db.connection import Database, Row, Session
from tagdb.errors import EmbedderUnavailable, InputRefused
from tagdb.models import Embedder, EmbedderSpec, Reporter
from tagdb.pipeline.embedders import installed
from tagdb.pipeline.running.locking import exclusive

DEFAULT = "starter"
LARGEST_DIM = partitions.LARGEST_DIM
"""The longest vectors that can be stored."""


@dataclass(frozen=True)
class StoredEmbedder:
    """An embedder as the database knows it."""

    id: int
    name: str
    kind: str
    fingerprint: str
    dim: int
    directory: str
    config: dict[str, Any]
    active: bool

    @classmethod
    def from_row(cls, row: Row) -> StoredEmbedder:
        """Take the columns of a row of `embedder`."""
        return cls(row.id, row.name, row.kind, row.fingerprint, row.dim, row.directory, row.config, row.active)


@dataclass(frozen=True)
class KnownEmbedder:
    """An embedder of this machine, or one that the database has met: its `vectors` there, and its part in words."""

    name: str
    kind: str
    dim: int
    fingerprint: str
    directory: str
    vectors: int
    state: str


def chosen(session: Session) -> StoredEmbedder:
    """Return the embedder that sync embeds with; a database that has none begins with the shipped default."""
    row = session.row("embedder.chosen")
    if row is None:
        use(session, DEFAULT)
        row = session.row("embedder.chosen")
        assert row is not None
    return StoredEmbedder.from_row(row)


def active(session: Session) -> StoredEmbedder | None:
    """Return the embedder whose vectors everything reads, None before the first one."""
    row = session.row("embedder.active")
    return StoredEmbedder.from_row(row) if row else None


def use(session: Session, name_or_directory: str) -> EmbedderSpec:
    """Choose the embedder for all texts from now on; the old vectors stay until sync has made all the new ones.

    Raises
    ------
    EmbedderUnavailable : there is no such embedder, or its vectors are longer than can be indexed
    """
    folder = installed.checked(name_or_directory)
    spec = elmo.read_spec(folder)
    if spec.dim > LARGEST_DIM:
        raise EmbedderUnavailable(
            f"vectors of embedder {spec.name!r} have {spec.dim:,} numbers; pgvector indexes {LARGEST_DIM:,} at most",
            hint=f"take a smaller one, or train one: tagdb embedder train --projection-dim {LARGEST_DIM // 2}",
        )
    with session.transaction():
        number = session.scalar(
            "embedder.register",
            name=spec.name,
            kind=spec.kind,
            fingerprint=spec.fingerprint,
            dim=spec.dim,
            directory=installed.place(folder),
            config=json.dumps(spec.config),
        )
        partitions.create(session, number, spec.dim)
        session.execute("embedder.unchoose", id=number)
        session.execute("embedder.choose", id=number)
        if not session.scalar("embedder.active_has_vectors"):
            session.execute("embedder.deactivate", id=number)
            session.execute("embedder.activate", id=number)
        session.execute("embedder.delete_unused_failures")
    return spec


def load(stored: StoredEmbedder, *, for_few: bool = False) -> Embedder:
    """Load the model of a registered embedder, having made sure that it is the same one.

    One `for_few` texts at a time is there sooner, and slower with many.

    Raises
    ------
    EmbedderUnavailable : its files are not here, or are no longer those the vectors were made with
    """
    folder = installed.checked(stored.directory)
    spec = elmo.read_spec(folder)
    if spec.fingerprint != stored.fingerprint:
        raise EmbedderUnavailable(
            f"the files of embedder {stored.name!r} in {folder} have changed since it was chosen",
            hint=f"switch to what is there now: tagdb embedder use {stored.directory}",
        )
    return elmo.load_for_few(folder, spec) if for_few else elmo.load(folder, spec)


def load_here(stored: StoredEmbedder) -> Embedder:
    """Load a registered embedder on a machine that need not keep it where the one does that chose it.

    Raises
    ------
    EmbedderUnavailable : none of the embedders here is the same one
    """
    try:
        return load(stored)
    except EmbedderUnavailable as error:
        for folder in installed.named().values():
            with suppress(EmbedderUnavailable):
                if (spec := elmo.read_spec(folder)).fingerprint == stored.fingerprint:
                    return elmo.load(installed.checked(str(folder)), spec)
        if installed.is_name(stored.directory):
            bring = f"add it as it was added there: tagdb embedder add {stored.directory} SOURCE"
        else:
            bring = f"bring the folder {stored.directory} here, or: tagdb embedder add NAME FOLDER"
        raise EmbedderUnavailable(
            f"embedder {stored.name!r}, which the running sync embeds with, is not on this machine: {error}", hint=bring
        ) from error


def promote(session: Session, embedder: StoredEmbedder) -> bool:
    """Let everything read the chosen embedder, now that no text or tag lacks its vector.

    Returns whether there was a switch to finish.
    """
    if embedder.active:
        return False
    with session.transaction():
        session.execute("embedder.deactivate", id=embedder.id)
        session.execute("embedder.activate", id=embedder.id)
        session.execute("embedder.delete_unused_failures")
    return True


def drop_unused(session: Session, reporter: Reporter) -> None:
    """Drop the vectors of embedders that are neither chosen nor active, or say why that has to wait."""
    if obstacle := partitions.drop_unused(session):
        reporter.say(f"the former embedder's vectors stay until the next sync: {obstacle}")


def choose(database: Database, name_or_directory: str) -> EmbedderSpec:
    """Choose the embedder of a database, see `use`; of a switch that is given up half way, what was made of it goes."""
    with database.session() as session, exclusive(session):
        spec = use(session, name_or_directory)
        partitions.drop_unused(session)
        return spec


def overview(database: Database) -> list[KnownEmbedder]:
    """Return the embedders of this machine and those the database has met, each with its vectors and part there."""
    with database.session() as session:
        rows = session.rows("embedder.all")
    met = {(row.fingerprint, row.directory) for row in rows}
    here = [_here(name, folder) for name, folder in installed.named().items()]
    return [
        *(_listed(row, row.vectors, _state(row)) for row in rows),
        *(each for each in here if (each.fingerprint, installed.place(Path(each.directory))) not in met),
    ]


def _here(name: str, folder: Path) -> KnownEmbedder:
    """Describe an embedder's folder, also one whose files are damaged."""
    try:
        return _listed(elmo.read_spec(folder), 0, "shipped" if installed.is_shipped(folder) else "added")
    except EmbedderUnavailable as error:
        damaged = EmbedderSpec(name, "unknown", "", 0, str(folder), {})
        return _listed(damaged, 0, f"cannot be read: {error}")


def _listed(each: Row | EmbedderSpec, vectors: int, state: str) -> KnownEmbedder:
    return KnownEmbedder(each.name, each.kind, each.dim, each.fingerprint, each.directory, vectors, state)


def _state(row: Row) -> str:
    if row.active:
        return "in use" if row.chosen else "in use until the next sync is complete"
    return "chosen: sync switches to it" if row.chosen else "no"


def remove(database: Database, name: str) -> None:
    """Delete the files of an added embedder that the database does not use.

    Raises
    ------
    EmbedderUnavailable : none was added under this name
    InputRefused : sync, or a switch under way, still needs it
    """
    folder = installed.added_under(name)
    with database.session() as session, exclusive(session):
        used = [row.directory for row in session.rows("embedder.all") if row.chosen or row.active]
        if installed.place(folder) in used:
            raise InputRefused(f"the database embeds with {name!r}", hint=f"tagdb embedder use {DEFAULT} && tagdb sync")
        installed.remove(name)
