"""Texts that lack a vector get one: staged as rows, on which this process works like any other, or workers alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import TypeAlias

from tagdb.db.connection import Database, Session
from tagdb.models import Embedder, Reporter
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.running.stopping import finishing_blocks
from tagdb.pipeline.syncing import clustered, staging
from tagdb.pipeline.syncing.blocks import NO_TOKEN
from tagdb.pipeline.syncing.clustered import Workers
from tagdb.pipeline.syncing.crew import Crew
from tagdb.pipeline.syncing.seats import Seats
from tagdb.pipeline.syncing.staging import Work
from tagdb.pipeline.syncing.tally import Embedded, Tally
from tagdb.pipeline.syncing.working import Worker

__all__ = ["DEFAULT_MAX_TOKENS", "NO_TOKEN", "Embedded", "Loader", "Workers", "embed_due", "loading"]

DEFAULT_MAX_TOKENS = 512
_PAUSE_SECONDS = 0.2

Loader: TypeAlias = Callable[[StoredEmbedder], Embedder]


@contextmanager
def loading(embedder: StoredEmbedder, *, ahead: bool, load: Loader | None = None) -> Iterator[Callable[[], Embedder]]:
    """Give the function that returns the embedder's model: loaded when called or, `ahead`, in the background by then.

    What keeps it from being loaded is raised by the call alone. Somebody who keeps models has a `load` of their own.
    """
    load = load or registry.load
    if not ahead:
        yield partial(load, embedder)
        return
    with ThreadPoolExecutor(1, "tagdb-load") as loader:
        yield loader.submit(load, embedder).result


def embed_due(
    database: Database,
    session: Session,
    run: int,
    embedder: StoredEmbedder,
    load: Callable[[], Embedder],
    done: Embedded,
    reporter: Reporter,
    *,
    limit: int | None = None,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    block_size: int | None = None,
    workers: Workers | None = None,
    moved_only: bool = False,
) -> None:
    """Embed every text that has neither a vector of `embedder` nor a recorded failure, at most `limit` of them.

    With `moved_only`, only texts of the questions in the temporary table `moved` are looked at.

    Each range, of `block_size` texts or of as many as take some seconds or a little of all the time, commits on its own
    and is counted in `done` then, whatever becomes of the next one. This process embeds, or the `workers` that it
    starts; others may join. The model is loaded here only when something is due.
    """
    work = staging.stage(
        session, run, embedder, limit=limit, max_tokens=max_tokens, block_size=block_size, moved_only=moved_only
    )
    done.due = work.texts
    if work.texts:
        started = time.perf_counter()
        try:
            if workers is None:
                started = _work(database, session, work, load, done, reporter)
            else:
                _have_worked(database, session, work, done, reporter, workers)
        finally:
            done.seconds = time.perf_counter() - started
        if not moved_only:
            session.execute("sync.analyze_vectors")
    staging.clear(session, run)


def _work(
    database: Database,
    session: Session,
    work: Work,
    load: Callable[[], Embedder],
    done: Embedded,
    reporter: Reporter,
) -> float:
    """Embed here; return when that began, the model being loaded."""
    reporter.say(f"loading embedder {work.embedder.name!r}")
    encoder = load()
    started = time.perf_counter()
    with finishing_blocks() as stop, reporter.step("embedding", work.texts, "texts") as progress:
        with closing(Seats(database, session, reporter, stop)) as seats:
            tally = Tally(done, progress, reporter, work.run)
            Worker(seats, work, encoder, tally, stop).run()
        tally.settle(session)
    return started


def _have_worked(
    database: Database, session: Session, work: Work, done: Embedded, reporter: Reporter, workers: Workers
) -> None:
    """Let processes of their own embed, and show how far all of them are."""
    with finishing_blocks() as stop, reporter.step("embedding", work.texts, "texts") as progress:
        tally = Tally(done, progress, reporter, work.run)
        if workers.ray is not None:
            clustered.have_embedded(database, session, work, workers, tally, stop, reporter)
        else:
            assert workers.count is not None
            with Crew(database, workers.count, work, reporter) as crew:
                while not stop.requested and session.scalar("work.is_left", run=work.run):
                    tally.wait(session, None)
                    crew.look_after(session)
                    time.sleep(_PAUSE_SECONDS)
                crew.dismiss()
        tally.settle(session)
