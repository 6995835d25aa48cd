"""A fit of more texts than one machine wants: workers keep ranges of them, and the solver here adds up what each sums.

Which ranges there are follows from the number of texts, and their sums are added in their order, so that neither the
number of workers nor what became of them makes a difference to the classifier.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagdb import classify, cluster
from tagdb.classify import FitResult, Moments, Sums, summing
from tagdb.cluster import Call, Crew, Lost, Worker
from tagdb.db.connection import Session
from tagdb.errors import Unavailable
from tagdb.models import Progress, Reporter
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.learning import shares, training_set
from tagdb.pipeline.learning.shares import Matrix, Tally
from tagdb.pipeline.learning.training_set import TrainingSet, TrainSettings

FACTORY = f"{shares.__name__}:{shares.Shares.__name__}"
MOST_LOSSES = 3
"""How many times a range may lose the worker that has it, before that counts as the range's doing."""

_WAIT_SECONDS = 0.5
_Places = tuple[int, int]


def fit(
    crew: Crew,
    session: Session,
    embedder: StoredEmbedder,
    training: TrainingSet,
    settings: TrainSettings,
    reporter: Reporter,
) -> FitResult:
    """Fit the classifier as `fitting.fit` does through a file, with the texts spread over the workers.

    Raises
    ------
    Unavailable : a node has no room for its part, or workers go on dying
    InputRefused : some of the vectors are not finite
    """
    with training_set.shown_to_others(session, training):
        matrix = Matrix(embedder.id, embedder.dim, len(training.classes), _first(session, embedder))
        with reporter.step("fetching vectors", training.train_texts, "vectors") as progress:
            rows = SpreadRows(crew, matrix, training.train_texts, reporter)
            rows.fetch(progress)
        with reporter.step("fitting") as progress:
            fitted = classify.fit_summed(
                rows,
                training.classes,
                max_iter=settings.max_iter,
                C=settings.C,
                on_iteration=lambda number: progress.note(f"iteration {number}"),
            )
    return replace(fitted, versions={**fitted.versions, "ray": cluster.version()})


def _first(session: Session, embedder: StoredEmbedder) -> NDArray[np.float32]:
    found: list[NDArray[np.float32]] = []
    training_set.fetch_places(
        session, embedder.id, embedder.dim, (0, 1), lambda vectors, _labels, _rows: found.append(vectors[0])
    )
    return found[0].astype(np.float32)


class SpreadRows:
    """Training rows that lie with workers, range by range; those of one that died are fetched anew by another."""

    def __init__(self, crew: Crew, matrix: Matrix, n_rows: int, reporter: Reporter) -> None:
        self.dim = matrix.dim
        self.counts = np.zeros(matrix.n_classes, dtype=np.int64)
        self.moments = Moments(matrix.origin)
        self._crew, self._reporter = crew, reporter
        self._matrix = crew.put(matrix)
        self._ranges = summing.ranges(n_rows)
        self._losses = dict.fromkeys(self._ranges, 0)
        self._holder: dict[_Places, Worker] = {}
        self._spread(self._ranges)

    def fetch(self, progress: Progress) -> None:
        """Have all vectors fetched, and count them."""
        for (first, last), tally in self._each("tally"):
            assert isinstance(tally, Tally)
            self.counts += tally.counts
            self.moments.merge(tally.moments)
            progress.advance(last - first)

    def sums(self, coef: NDArray[np.float32], intercept: NDArray[np.float64]) -> Sums:
        """Sum over all rows; what is not in turn yet is waited for."""
        outputs = self._crew.put((coef, intercept))
        return summing.add(sums for _, sums in self._each("sums", outputs))

    def _each(self, method: str, *arguments: Any) -> Iterator[tuple[_Places, Any]]:
        """Call a method for each range, all at once, and yield what it gives in the order of the ranges."""
        calls = {self._call(method, places, arguments): places for places in self._ranges}
        given: dict[_Places, Any] = {}
        for places in self._ranges:
            while places not in given:
                for call in self._crew.wait(calls, _WAIT_SECONDS):
                    own = calls.pop(call)
                    try:
                        given[own] = call.result()
                    except Lost as lost:
                        self._lost(own, call.worker, lost)
                        calls[self._call(method, own, arguments)] = own
            yield places, given.pop(places)

    def _call(self, method: str, places: _Places, arguments: tuple[Any, ...]) -> Call:
        return self._holder[places].call(method, self._matrix, places, *arguments)

    def _lost(self, places: _Places, worker: Worker, lost: Lost) -> None:
        """Give all ranges of a worker that died to others, once; each call to it comes here."""
        self._losses[places] += 1
        if self._losses[places] > MOST_LOSSES:
            raise Unavailable(
                f"{lost}, as {MOST_LOSSES} before it that had the same texts",
                hint="the node's system log and Ray's own, in /tmp/ray/session_latest/logs, say what of",
            ) from lost
        if self._holder[places] is not worker:
            return
        again = self._crew.mend(worker)
        if not self._crew.workers:
            raise Unavailable("all workers in the cluster have died", hint="run this again") from lost
        orphans = [each for each, holder in self._holder.items() if holder is worker]
        self._reporter.warn(f"{lost}; the vectors that it had are fetched again")
        self._spread(orphans, [again] if again else None)

    def _spread(self, ranges: list[_Places], workers: list[Worker] | None = None) -> None:
        """Let neighbours lie together, and each worker have as many as its processors are for."""
        workers = workers or self._crew.workers
        weights = np.cumsum([worker.node.cpus for worker in workers])
        shares_of = np.searchsorted(weights / weights[-1], (np.arange(len(ranges)) + 0.5) / len(ranges))
        for places, number in zip(ranges, shares_of.tolist(), strict=True):
            self._holder[places] = workers[number]
