"""`tagdb index`: HNSW indexes on the half-precision vectors, built when there is enough to index, after bulk work."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass

from tagdb.db.connection import Database, Session
from tagdb.errors import TagdbError
from tagdb.models import Progress, Reporter
from tagdb.pipeline.locking import exclusive
from tagdb.pipeline.recording import recorded

ENOUGH = {"text_vector": 20_000, "tag_vector": 2_000}
"""From how many vectors on an index answers sooner than reading them all."""

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class IndexStatus:
    """One index: what it is on, whether it stands, its size, and how many vectors there are to index."""

    relation: str
    built: bool
    bytes: int
    vectors: int

    @property
    def worthwhile(self) -> bool:
        """Whether there are enough vectors for the index to pay."""
        return self.vectors >= ENOUGH[self.relation]


def status(session: Session) -> list[IndexStatus]:
    """Return the state of both indexes."""
    return [IndexStatus(r.relation, r.built, r.bytes, r.vectors) for r in session.rows("index.status")]


def show(database: Database) -> list[IndexStatus]:
    """Return the state of both indexes, on a connection of its own."""
    with database.session() as session:
        return status(session)


def build(database: Database, reporter: Reporter) -> list[IndexStatus]:
    """Build each index that does not stand and has something to index."""
    with database.session() as session, exclusive(session), recorded(session, "index build", {}) as counts:
        missing = [each for each in status(session) if not each.built and each.vectors]
        for each in missing:
            build_one(database, session, each, reporter)
        counts.read = counts.written = sum(each.vectors for each in missing)
        return status(session)


def drop(database: Database) -> list[IndexStatus]:
    """Drop both indexes."""
    with database.session() as session, exclusive(session), recorded(session, "index drop", {}):
        for relation in ENOUGH:
            session.execute(f"index.drop_{relation}")
        return status(session)


def build_one(database: Database, session: Session, index: IndexStatus, reporter: Reporter) -> None:
    """Build one index, reporting how many vectors are in it; an invalid left-over goes first."""
    session.execute(f"index.drop_{index.relation}")
    with reporter.step(f"indexing {index.relation}", index.vectors, "vectors") as progress:
        finished = threading.Event()
        watcher = threading.Thread(target=_watch, args=(database, index.relation, progress, finished), daemon=True)
        watcher.start()
        try:
            session.execute(f"index.build_{index.relation}")
        finally:
            finished.set()
            watcher.join()


def _watch(database: Database, relation: str, progress: Progress, finished: threading.Event) -> None:
    """Look at how far the build is; it goes on unwatched where the server grants no second connection."""
    done = 0
    with suppress(TagdbError), database.session() as session:
        while not finished.wait(_POLL_SECONDS):
            row = session.row("index.progress", relation=relation)
            if row and row.tuples_done > done:
                progress.advance(row.tuples_done - done)
                done = row.tuples_done
