"""`tagdb index`: HNSW indexes on the half-precision vectors, built when there is enough to index, after bulk work."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass

from tagdb import advice
from tagdb.db import partitions
from tagdb.db.connection import Database, Session
from tagdb.errors import TagdbError
from tagdb.models import Progress, Reporter
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import recorded

ENOUGH = {"text_vector": 20_000, "tag_vector": 2_000}
"""From how many vectors on an index answers sooner than reading them all."""

_POLL_SECONDS = 0.5
_NODE_BYTES = 720  # of a node in a graph under construction, beside its vector: measured with pgvector 0.8, m = 16


@dataclass(frozen=True)
class IndexStatus:
    """One index: whose vectors it is on, whether it stands, its size, and how many vectors there are to index.

    The embedder is `active` unless a switch to it is under way.
    """

    relation: str
    embedder_id: int
    embedder: str
    dim: int
    active: bool
    built: bool
    bytes: int
    vectors: int

    @property
    def worthwhile(self) -> bool:
        """Whether there are enough vectors for the index to pay."""
        return self.vectors >= ENOUGH[self.relation]

    @property
    def graph_bytes(self) -> int:
        """How much memory the graph takes while it is built."""
        return self.vectors * (2 * self.dim + _NODE_BYTES)

    @property
    def table(self) -> str:
        """The partition that it is on."""
        return partitions.name(self.relation, self.embedder_id)

    @property
    def name(self) -> str:
        """What it is called in the database."""
        return f"{self.table}_hnsw"


def status(session: Session) -> list[IndexStatus]:
    """Return the state of the two indexes of the active embedder, and of those of one that is being switched to."""
    return [IndexStatus(**row._asdict()) for row in session.rows("index.status")]


def any_due(session: Session, embedder: int) -> bool:
    """Return whether an index of an embedder's does not stand that would pay; no more vectors are counted than tell."""
    missing = session.rows("index.missing", embedder=embedder)
    return any(has_vectors(session, row.relation, embedder, ENOUGH[row.relation]) for row in missing)


def has_vectors(session: Session, relation: str, embedder: int, at_least: int) -> bool:
    """Return whether there are so many vectors of an embedder's."""
    parts = {"relation": session.qualified(relation)}
    found: int = session.rows_with("index.count_up_to", parts, embedder=embedder, most=at_least)[0][0]
    return found >= at_least


def show(database: Database) -> list[IndexStatus]:
    """Return the state of the indexes, on a connection of its own."""
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
    """Drop the indexes."""
    with database.session() as session, exclusive(session), recorded(session, "index drop", {}):
        for each in status(session):
            drop_one(session, each)
        return status(session)


def drop_one(session: Session, index: IndexStatus) -> None:
    """Drop one index, or what an interrupted build left of it."""
    session.run_script(session.script("index.drop", index=index.name))


def build_one(database: Database, session: Session, index: IndexStatus, reporter: Reporter) -> None:
    """Build one index, reporting how many vectors are in it; an invalid left-over goes first."""
    drop_one(session, index)
    memory: int = session.scalar("index.maintenance_bytes")
    if memory < index.graph_bytes:
        needed = f"{-(-index.graph_bytes // 2**30)}GB"
        again = advice.addressed("tagdb index build", session.schema)
        reporter.say(
            f"indexing {index.relation} takes several times as long with {memory / 2**30:.1f} GB of memory as with "
            f"{needed}; if the server has it: PGOPTIONS='-c maintenance_work_mem={needed}' {again}"
        )
    with reporter.step(f"indexing {index.relation}", index.vectors, "vectors") as progress:
        finished = threading.Event()
        watcher = threading.Thread(target=_watch, args=(database, index, progress, finished), daemon=True)
        watcher.start()
        try:
            session.run_script(session.script("index.build", index=index.name, table=index.table, dim=index.dim))
        finally:
            finished.set()
            watcher.join()


def _watch(database: Database, index: IndexStatus, progress: Progress, finished: threading.Event) -> None:
    """Look at how far the build is; it goes on unwatched where the server grants no second connection."""
    done = 0
    with suppress(TagdbError), database.second_session() as session:
        while session and not finished.wait(_POLL_SECONDS):
            row = session.row("index.progress", table=index.table)
            if row and row.tuples_done > done:
                progress.advance(row.tuples_done - done)
                done = row.tuples_done
