"""Centroids of the tags: recomputed, by `avg` in the database, for the tags whose questions or texts changed."""

from __future__ import annotations

from tagdb.db.connection import Session
from tagdb.pipeline.embedders import StoredEmbedder


def refresh(session: Session, embedder: StoredEmbedder) -> tuple[int, int]:
    """Bring `tag_vector` to what questions and vectors say; return how many centroids were computed, and removed."""
    with session.transaction():
        session.execute("tag_vectors.freeze")
        session.execute("tag_vectors.stage_members", embedder=embedder.id)
        removed = session.execute("tag_vectors.delete_gone", embedder=embedder.id)
        session.execute("tag_vectors.create_stale", embedder=embedder.id)
        stale: int = session.scalar("tag_vectors.count_stale")
        if stale:
            session.execute("tag_vectors.analyze_stale")
            session.execute("tag_vectors.create_stale_pairs")
            session.execute("tag_vectors.create_scales", dim=embedder.dim)
            session.execute("tag_vectors.analyze_pairs")
            session.execute("tag_vectors.prefer_workers")
            session.execute("tag_vectors.create_centroids", embedder=embedder.id, dim=embedder.dim)
            session.execute("tag_vectors.upsert", embedder=embedder.id)
        session.execute("tag_vectors.drop_work")
    if stale:
        session.execute("tag_vectors.analyze")
    return stale, removed
