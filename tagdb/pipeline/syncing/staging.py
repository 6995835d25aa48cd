"""What a sync has to embed becomes rows that every worker sees; what those of a dead run had tried is kept in mind."""

from __future__ import annotations

from dataclasses import dataclass

from tagdb.db.connection import Row, Session
from tagdb.errors import DatabaseError
from tagdb.pipeline.embedders.registry import StoredEmbedder


@dataclass(frozen=True)
class Work:
    """What is to be embedded in a run, and how; `bytes` is how long all its texts are together."""

    run: int
    embedder: StoredEmbedder
    max_tokens: int
    block_size: int | None
    texts: int
    bytes: int


def stage(
    session: Session,
    run: int,
    embedder: StoredEmbedder,
    *,
    limit: int | None,
    max_tokens: int,
    block_size: int | None,
    moved_only: bool = False,
) -> Work:
    """Stage the texts that have neither a vector of `embedder` nor a recorded failure, at most `limit` of them.

    With `moved_only`, those of the questions in the temporary table `moved`.

    Ranges that workers of a dead run had begun with keep how often they were tried: a text that kills its worker is so
    found even where the worker is the sync itself.
    """
    with session.transaction():
        session.execute("work.keep_tried", embedder=embedder.id)
        clear(session, run)
        session.execute(f"work.stage_{'moved' if moved_only else 'texts'}", run=run, embedder=embedder.id, limit=limit)
        session.execute("work.analyze")
        staged = session.row("work.measure", run=run)
        texts, size = (staged.texts, staged.bytes) if staged else (0, 0)
        session.execute("work.stage_tried", run=run)
        session.execute("work.stage_rest", run=run, texts=texts)
        session.execute("work.drop_tried")
        announced = {"embedder": embedder.id, "max_tokens": max_tokens, "block_size": block_size}
        session.execute("work.announce", run=run, texts=texts, bytes=size, **announced)
    return Work(run, embedder, max_tokens, block_size, texts, size)


def clear(session: Session, run: int) -> None:
    """Remove what is staged, and the workers of other runs than `run`; what a late worker still holds stays."""
    session.execute("work.delete_former_workers", run=run)
    if session.scalar("work.is_clear"):
        return
    try:
        with session.transaction():
            session.execute("work.lock_all")
            session.execute("work.empty")
    except DatabaseError:
        session.execute("work.delete_due")
        session.execute("work.delete_free_ranges")


def announced(session: Session, row: Row) -> Work:
    """Return the work of a running sync by what it has announced."""
    embedder = session.row("work.embedder", id=row.embedder_id)
    assert embedder is not None
    return Work(row.run, StoredEmbedder.from_row(embedder), row.max_tokens, row.block_size, row.texts, row.bytes)
