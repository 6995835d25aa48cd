"""Training rows that memory does not hold: written to a file once, and read block by block in each pass of a fit."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tagdb.classify import checking
from tagdb.classify.standardise import Moments
from tagdb.errors import Unavailable

# A block stays in a core's cache from its first product to its second, and is worth a call to the kernel.
_BLOCK_BYTES = 1 << 22

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_ANOTHER_FOLDER = "free some space, or name a folder on a larger disk: TMPDIR=/path tagdb train …"


class SpilledRows:
    """Vectors, labels and weights in a file without a name: it is gone when it is closed, or its process is killed.

    A row is kept as its vector's differences from the first row, in float32, with its weight and its label beside it.
    Nothing but the counts of the classes and the moments of the columns stays in memory.

    Args:
        folder: where to put the file.
        n_rows: how many rows are to come; the disk must have room for them.
        dim: length of a vector.
        n_classes: how many classes the labels index.
        origin: (dim,), a vector to take the first row's place, so that the moments of several files can be added.

    Raises Unavailable when the folder cannot be written, or its disk has too little room.
    """

    def __init__(
        self, folder: Path, n_rows: int, dim: int, n_classes: int, origin: NDArray[np.floating] | None = None
    ) -> None:
        self.dim = dim
        self.counts = np.zeros(n_classes, dtype=np.int64)
        self.moments = None if origin is None else Moments(origin)
        self._row = np.dtype([("offset", "f4", (dim,)), ("weight", "f8"), ("label", "i4")])
        self._folder, self._needed = folder, n_rows * self._row.itemsize
        with self._explained():
            if shutil.disk_usage(folder).free < self._needed:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._file = tempfile.TemporaryFile(dir=folder, prefix="tagdb-train-", buffering=0)  # noqa: SIM115

    def __len__(self) -> int:
        """How many rows there are so far."""
        return int(self.counts.sum())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the room on the disk back."""
        self._file.close()

    def append(self, X: NDArray[np.float32], y: NDArray[np.integer], sample_weight: NDArray[np.number]) -> None:
        """Add float32 (n, dim) rows, with labels (n,) and finite, positive weights (n,).

        Raises InputRefused for labels that index no class and weights that are not positive, and Unavailable when the
        disk is full.
        """
        checking.check_rows(X, y, sample_weight)
        self.counts += checking.count_labels(y, len(self.counts))
        if self.moments is None:
            self.moments = Moments(X[0])
        self.moments.add(X, sample_weight.astype(np.float64))
        rows = np.empty(len(X), dtype=self._row)
        with np.errstate(invalid="ignore"):
            np.subtract(X, self.moments.origin.astype(np.float32), out=rows["offset"])
        rows["weight"], rows["label"] = sample_weight, y
        with self._explained():
            left = rows.view(np.uint8).data
            while left:
                left = left[self._file.write(left) :]

    def blocks(self, first: int, last: int) -> Iterator[NDArray[Any]]:
        """Yield the rows from `first` to before `last` as records of "offset", "weight" and "label".

        Each block is overwritten by the next. Several threads may read at a time.
        """
        at_once = max(1, _BLOCK_BYTES // self._row.itemsize)
        buffer = np.empty(min(at_once, last - first), dtype=self._row)
        for start in range(first, last, at_once):
            block = buffer[: last - start]
            self._read(block.view(np.uint8).data, start * self._row.itemsize)
            yield block

    def _read(self, into: memoryview, position: int) -> None:
        with self._explained():
            while into:
                count = os.preadv(self._file.fileno(), [into], position)
                if not count:
                    raise OSError(errno.EIO, "it ends too early")
                into, position = into[count:], position + count

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _NO_ROOM:
                needed = f"{self._needed / 2**30:,.1f} GB in {self._folder}"
                problem = f"the training vectors need {needed}, more than is free there"
            else:
                problem = f"the training vectors cannot be kept in a file in {self._folder}: {error.strerror}"
            raise Unavailable(problem, hint=_ANOTHER_FOLDER) from error
