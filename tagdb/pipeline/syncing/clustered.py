"""Workers on the nodes of a Ray cluster: each embeds for the sync that is running, as `tagdb work` does."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from tagdb import elmo
from tagdb.db.connection import Database, Session
from tagdb.models import Reporter, Silent
from tagdb.pipeline.embedders import travelling
from tagdb.pipeline.embedders.travelling import Files
from tagdb.pipeline.running import hands
from tagdb.pipeline.running.stopping import StopRequest
from tagdb.pipeline.syncing import staging
from tagdb.pipeline.syncing.seats import Seats
from tagdb.pipeline.syncing.staging import Work
from tagdb.pipeline.syncing.tally import Embedded, Tally
from tagdb.pipeline.syncing.working import Worker

HAND = f"{__name__}:embed"
"""What each of them does."""


@dataclass(frozen=True)
class Workers:
    """Processes that embed: `count` of this machine or, with `ray`, those of the cluster at that address.

    In a cluster there are as many as it has room for, at most `count`, and each takes so many `gpus` of its node.
    """

    count: int | None = None
    ray: str | None = None
    gpus: float = 0.0


def have_embedded(
    database: Database,
    session: Session,
    work: Work,
    workers: Workers,
    tally: Tally,
    stop: StopRequest,
    reporter: Reporter,
) -> None:
    """Let a worker on each node with room embed until all is done; after a signal, until what they have at hand is.

    Raises
    ------
    Unavailable : there is no such cluster, or it cannot work on this database, or all workers have died
    EmbedderUnavailable : the embedder's files are not on this machine
    """
    assert workers.ray is not None
    files = travelling.packed(work.embedder)
    called_off = False

    def tick() -> None:
        nonlocal called_off
        tally.wait(session, None)
        if stop.requested and not called_off:
            called_off = True
            session.execute("work.call_off", run=work.run)

    hands.work(
        session,
        database,
        workers.ray,
        HAND,
        reporter,
        arguments=lambda joined: {"files": joined.put(files), "fingerprint": work.embedder.fingerprint},
        workers=workers.count,
        gpus=workers.gpus,
        on_tick=tick,
        progress=lambda: tally.done.finished,
    )


def embed(database: Database, *, threads: int, files: Files, fingerprint: str) -> None:
    """Embed for the sync that is running until nothing is left: what each worker does, in a process on its node.

    Raises
    ------
    EmbedderUnavailable : the files are not those of that fingerprint
    """
    elmo.limit_threads(threads)
    encoder, stop, reporter = travelling.load(files, fingerprint), StopRequest(), Silent()
    with closing(Seats(database, None, reporter, stop)) as seats, reporter.step("embedding", None, "texts") as progress:
        row = seats.first.row("work.running")
        if row is not None:
            work = staging.announced(seats.first, row)
            Worker(seats, work, encoder, Tally(Embedded(), progress, reporter), stop).run()
