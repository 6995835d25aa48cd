"""Which embedder a database uses: found by name or folder, registered by fingerprint, switched without a gap.

`chosen` is the embedder that sync embeds with, `active` the one that views, neighbours and labels read. They differ
while a switch is under way; sync makes the chosen one active once it has a vector for every text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagdb import elmo
from tagdb.db.connection import Database, Row, Session
from tagdb.errors import EmbedderUnavailable
from tagdb.models import EmbedderSpec
from tagdb.pipeline.locking import exclusive

DEFAULT = "starter"
STORED_DIM = 1024
"""Length of the vectors that the schema has columns for."""

_SHIPPED = Path(__file__).resolve().parent.parent / "embedders"


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


def shipped() -> list[EmbedderSpec]:
    """Return the embedders that came with this tagdb."""
    return [elmo.read_spec(folder) for folder in sorted(_SHIPPED.iterdir()) if (folder / "options.json").exists()]


def locate(name_or_directory: str) -> Path:
    """Return the folder of an embedder: a shipped one by name, any other by its path.

    Raises
    ------
    EmbedderUnavailable : it is neither
    """
    candidate = _SHIPPED / name_or_directory
    if "/" not in name_or_directory and (candidate / "options.json").exists():
        return candidate
    folder = Path(name_or_directory).expanduser()
    if (folder / "options.json").exists():
        return folder.resolve()
    raise EmbedderUnavailable(
        f"there is no embedder {name_or_directory!r}: neither a shipped one nor a folder with options.json",
        hint="tagdb embedder list",
    )


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

    Of a switch that is given up half way, what was made of it goes. Raises EmbedderUnavailable when there is no such
    embedder, or its vectors are not of the length that is stored.
    """
    folder = locate(name_or_directory)
    spec = elmo.read_spec(folder)
    if spec.dim != STORED_DIM:
        raise EmbedderUnavailable(
            f"embedder {spec.name!r} makes vectors of {spec.dim:,} numbers, and only {STORED_DIM:,} can be stored",
            hint="tagdb embedder train --projection-dim 512",
        )
    place = folder.name if folder.parent == _SHIPPED else str(folder)
    with session.transaction():
        number = session.scalar(
            "embedder.register",
            name=spec.name,
            kind=spec.kind,
            fingerprint=spec.fingerprint,
            dim=spec.dim,
            directory=place,
            config=json.dumps(spec.config),
        )
        session.execute("embedder.unchoose", id=number)
        session.execute("embedder.choose", id=number)
        if session.row("embedder.active") is None:
            session.execute("embedder.activate", id=number)
        _delete_unused(session)
    return spec


def load(stored: StoredEmbedder) -> elmo.Elmo:
    """Load the model of a registered embedder, having made sure that it is the same one.

    Raises
    ------
    EmbedderUnavailable : its files are not here, or are no longer those the vectors were made with
    """
    folder = locate(stored.directory)
    if elmo.read_spec(folder).fingerprint != stored.fingerprint:
        raise EmbedderUnavailable(
            f"the files of embedder {stored.name!r} in {folder} have changed since it was chosen",
            hint=f"switch to what is there now: tagdb embedder use {stored.directory}",
        )
    return elmo.Elmo.load(folder)


def promote(session: Session, embedder: StoredEmbedder) -> bool:
    """Let everything read the chosen embedder, now that no text or tag lacks its vector; the old one's vectors go.

    Returns whether there was a switch to finish.
    """
    if embedder.active:
        return False
    with session.transaction():
        session.execute("embedder.deactivate", id=embedder.id)
        session.execute("embedder.activate", id=embedder.id)
        _delete_unused(session)
    return True


def _delete_unused(session: Session) -> None:
    """Delete what embedders made that are neither chosen nor active."""
    for relation in ("vectors", "tag_vectors", "failures"):
        session.execute(f"embedder.delete_unused_{relation}")


def describe(name_or_directory: str) -> EmbedderSpec:
    """Return what an embedder is, without loading its model."""
    return elmo.read_spec(locate(name_or_directory))


def choose(database: Database, name_or_directory: str) -> EmbedderSpec:
    """Choose the embedder of a database; see `use`."""
    with database.session() as session, exclusive(session):
        return use(session, name_or_directory)


def overview(database: Database) -> list[dict[str, Any]]:
    """Return the shipped embedders and those the database has met, each with its vectors there and its part in it."""
    with database.session() as session:
        rows = {row.fingerprint: row for row in session.rows("embedder.all")}
    listed = [
        {
            "name": row.name,
            "kind": row.kind,
            "dim": row.dim,
            "fingerprint": row.fingerprint,
            "vectors": row.vectors,
            "state": _state(row),
            "directory": row.directory,
        }
        for row in rows.values()
    ]
    listed += [
        {
            "name": spec.name,
            "kind": spec.kind,
            "dim": spec.dim,
            "fingerprint": spec.fingerprint,
            "vectors": 0,
            "state": "shipped",
            "directory": spec.directory,
        }
        for spec in shipped()
        if spec.fingerprint not in rows
    ]
    return listed


def _state(row: Row) -> str:
    if row.active:
        return "in use" if row.chosen else "in use until the next sync is complete"
    return "chosen: sync switches to it" if row.chosen else "no"
