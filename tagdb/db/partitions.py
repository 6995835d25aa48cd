"""Each embedder's vectors lie in partitions of their own: with an index of their own, and dropped as tables."""

from __future__ import annotations

from tagdb.db.connection import Session
from tagdb.errors import DatabaseError

RELATIONS = ("text_vector", "tag_vector")
LARGEST_DIM = 4_000
"""The longest vectors for which pgvector makes an HNSW index: 4,000 numbers, in half precision."""


def name(relation: str, embedder: int) -> str:
    """Return the name, in the collection's schema, of the partition that holds what an embedder made."""
    return f"{relation}_{embedder}"


def create(session: Session, embedder: int, dim: int) -> None:
    """Make the partitions of an embedder, for vectors of `dim` numbers, where they are missing; readers go on."""
    for relation in RELATIONS:
        if not session.scalar("partition.exists", name=name(relation, embedder)):
            session.run_script(session.script("partition.create", relation=relation, embedder=embedder, dim=dim))


def drop_unused(session: Session) -> str | None:
    """Drop the partitions of embedders that are neither chosen nor active.

    For a moment that takes relations which others may be reading. When they do not let go at once, the partitions stay
    for the next call, and what was in the way is returned.
    """
    obstacle = None
    for row in session.rows("partition.unused"):
        try:
            with session.transaction():
                session.execute("partition.wait_briefly")
                session.run_script(session.script("partition.drop", embedder=row.embedder))
        except DatabaseError as error:
            obstacle = str(error)
    return obstacle
