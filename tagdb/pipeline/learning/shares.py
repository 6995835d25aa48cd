"""What one worker of many does for a fit: it keeps ranges of the training set in files, and sums over them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagdb.classify import Moments, SpilledRows, Sums, summing
from tagdb.errors import ConnectionFailed, Unavailable
from tagdb.pipeline.learning import fitting, training_set
from tagdb.pipeline.running.nodes import Access


@dataclass(frozen=True, eq=False)
class Matrix:
    """What ranges are ranges of: vectors (n, dim) by an embedder, of so many classes, and the first of them."""

    embedder: int
    dim: int
    n_classes: int
    origin: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Tally:
    """The counts of the classes in a range, and the moments of its columns."""

    counts: NDArray[np.int64]
    moments: Moments


class Shares:
    """The ranges of one worker, each in a file without a name, which is gone when its process is, whatever it died of.

    A range that a call is about is fetched first if it is not here, as after the death of the worker that had it.
    """

    def __init__(self, access: Access, threads: int) -> None:
        self._database = access.open()
        self._pool = ThreadPoolExecutor(threads, "tagdb-fit")
        self._ranges: dict[tuple[int, int], SpilledRows] = {}

    def tally(self, matrix: Matrix, places: tuple[int, int]) -> Tally:
        """Count a range.

        Raises
        ------
        Unavailable : this machine's disk has no room for it
        """
        rows = self._held(matrix, places)
        assert rows.moments is not None
        return Tally(rows.counts, rows.moments)

    def sums(
        self, matrix: Matrix, places: tuple[int, int], outputs: tuple[NDArray[np.float32], NDArray[np.float64]]
    ) -> Sums:
        """Sum over a range by the weights and the intercepts of the outputs."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        rows = self._held(matrix, places)
        with threadpool_limits(1, user_api="blas"):
            return summing.sum_range(self._pool, rows, 0, len(rows), *outputs)

    def _held(self, matrix: Matrix, places: tuple[int, int]) -> SpilledRows:
        if places not in self._ranges:
            self._ranges[places] = self._fetch(matrix, places)
        return self._ranges[places]

    def _fetch(self, matrix: Matrix, places: tuple[int, int]) -> SpilledRows:
        first, last = places
        with _told_of_this_disk(), ExitStack() as unless_whole:
            rows = SpilledRows(fitting.spill_folder(), last - first, matrix.dim, matrix.n_classes, matrix.origin)
            unless_whole.enter_context(rows)
            with self._database.session() as session:
                training_set.fetch_places(session, matrix.embedder, matrix.dim, places, rows.append)
            unless_whole.pop_all()
        return rows


@contextmanager
def _told_of_this_disk() -> Iterator[None]:
    try:
        yield
    except ConnectionFailed:
        raise
    except Unavailable as error:
        error.hint = "free some space there, or start Ray on that node with TMPDIR=/path on a larger disk"
        raise
