"""A weights.hdf5 of AllenNLP's format, held against options.json before a single value of it is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tagdb.elmo.options import ElmoOptions
from tagdb.errors import EmbedderUnavailable, WeightsError

FloatArray = NDArray[np.float32]
REFETCH = "fetch the file again, and compare its size and checksum with the source's"
WRONG_PAIR = "options.json and weights.hdf5 must come from the same model"


class Weights:
    """The datasets of an open weights file; `open_weights` makes one."""

    def __init__(self, path: Path, datasets: dict[str, Any]) -> None:
        self._path, self._datasets = path, datasets

    def __contains__(self, name: str) -> bool:
        return name in self._datasets

    def read(self, name: str) -> FloatArray:
        """Return a dataset as float32; raises WeightsError when it is damaged or not finite throughout."""
        with _damage_reported(self._path, name):
            values = np.asarray(self._datasets[name][()], dtype=np.float32)
        if not np.isfinite(values).all():
            count = np.count_nonzero(~np.isfinite(values))
            problem = f"{name} holds {count:,} values that are not finite"
            raise WeightsError(f"{self._path}: {problem}", hint=REFETCH)
        return values


@contextmanager
def open_weights(path: Path, options: ElmoOptions) -> Iterator[Weights]:
    """Open a weights file whose datasets are those `options` call for, in name, shape and number format.

    Raises EmbedderUnavailable when there is no such file, WeightsError when it is damaged or of another
    shape.
    """
    if not path.is_file():
        raise EmbedderUnavailable(f"there is no file {path}", hint="name a directory that holds weights.hdf5")
    with _damage_reported(path):
        file = h5py.File(path, "r")
    with file:
        yield Weights(path, _checked_datasets(path, file, options))


def _checked_datasets(path: Path, file: Any, options: ElmoOptions) -> dict[str, Any]:
    optional = options.optional_datasets()
    shapes = options.dataset_shapes() | optional
    datasets: dict[str, Any] = {}
    with _damage_reported(path):
        unexpected = sorted(set(_dataset_names(file)) - set(shapes))
        if unexpected:
            raise WeightsError(f"{path} holds {unexpected[0]}, which options.json does not call for", hint=WRONG_PAIR)
        for name, shape in shapes.items():
            if _is_in_file(path, file, name):
                datasets[name] = _checked_dataset(path, file, name, shape)
            elif name not in optional:
                raise WeightsError(f"{path}: dataset {name} is missing", hint=WRONG_PAIR)
    return datasets


def _dataset_names(file: Any) -> list[str]:
    names: list[str] = []

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            names.append(name)

    file.visititems(note)
    return names


def _is_in_file(path: Path, file: Any, name: str) -> bool:
    """Look a name up without following a link, since a link can lead out of the file."""
    parts = name.split("/")
    for depth in range(1, len(parts) + 1):
        prefix = "/".join(parts[:depth])
        link = file.get(prefix, getlink=True)
        if link is None:
            return False
        if not isinstance(link, h5py.HardLink):
            problem = f"{prefix} is a link; only values in the file itself are read"
            raise WeightsError(f"{path}: {problem}", hint=REFETCH)
    return True


def _checked_dataset(path: Path, file: Any, name: str, shape: tuple[int, ...]) -> Any:
    dataset = file[name]
    problem = None
    if not isinstance(dataset, h5py.Dataset):
        problem = "is no dataset"
    elif dataset.shape != shape:
        problem = f"has shape {dataset.shape}, expected {shape}"
    elif dataset.dtype.kind != "f" or dataset.dtype.itemsize not in (2, 4):
        problem = f"holds {dataset.dtype}, expected float32 or float16"
    elif dataset.is_virtual or dataset.external:
        problem = "keeps its values in another file; only values in the file itself are read"
    if problem:
        raise WeightsError(f"{path}: {name} {problem}", hint=WRONG_PAIR)
    return dataset


@contextmanager
def _damage_reported(path: Path, name: str | None = None) -> Iterator[None]:
    """Turn what h5py raises on a damaged file (it uses many classes) into a WeightsError."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        place = f"{path}: {name}" if name else f"{path}"
        raise WeightsError(f"{place} cannot be read as HDF5: {error}", hint=REFETCH) from error
