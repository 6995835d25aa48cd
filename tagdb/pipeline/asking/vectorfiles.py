"""Vectors as files that other tools map or scan: a NumPy matrix with its names beside it, or Parquet.

Both are written a block at a time, and take their names only when they are complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from tagdb.errors import InputRefused

Block: TypeAlias = npt.NDArray[Any]
"""Records with the fields of the columns, and `embedding`, all as PostgreSQL sends them."""

_ROW_GROUP_BYTES = 16 << 20
_VECTOR = "embedding"


@dataclass(frozen=True)
class Column:
    """What stands beside a vector: an integer, or a text of at most so many `characters` that comes as UTF-8."""

    name: str
    dtype: str
    characters: int | None = None

    @property
    def stored(self) -> str:
        """The form in which NumPy stores the column."""
        return np.dtype(f"U{self.characters}" if self.characters else self.dtype).newbyteorder("<").str

    def values(self, block: Block) -> npt.NDArray[Any]:
        """Return the column of a block in that form."""
        values = np.char.decode(block[self.name], "utf-8") if self.characters else block[self.name]
        return values.astype(self.stored)


@contextmanager
def completed_file(path: Path, *, outdates: Path | None = None) -> Iterator[BinaryIO]:
    """Open a file that gets its name when all has been written to it, and is gone when that fails.

    What it `outdates` is a file that means another thing beside the new one, so it goes first.

    Raises
    ------
    InputRefused : the file cannot be written
    """
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        with unfinished.open("wb") as stream:
            yield stream
        if outdates:
            outdates.unlink(missing_ok=True)
        unfinished.replace(path)
    except OSError as error:
        raise InputRefused(
            f"{path} cannot be written: {error.strerror or error}", hint="name a file in a folder you may write"
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


@contextmanager
def writer(path: Path, columns: Sequence[Column], dim: int, rows: int) -> Iterator[Callable[[Block], None]]:
    """Give what takes blocks, `rows` vectors of dimension `dim` in all, and writes them to a .npy or .parquet file.

    A .npy file has the vectors, float32 of shape (rows, dim); each of the `columns` goes to a file beside it, `id` of
    `vectors.npy` to `vectors.id.npy`. A .parquet file has the columns, then `embedding`.

    Raises
    ------
    InputRefused : a file cannot be written
    """
    with _numpy(path, columns, dim, rows) if is_numpy(path) else _parquet(path, columns, dim) as write:
        yield write


def is_numpy(path: Path) -> bool:
    """Whether the vectors go into a NumPy matrix."""
    return path.suffix.lower() == ".npy"


def beside(path: Path, column: str) -> Path:
    """Return where a column of a .npy file is."""
    return path.with_suffix(f".{column}{path.suffix}")


@contextmanager
def _numpy(path: Path, columns: Sequence[Column], dim: int, rows: int) -> Iterator[Callable[[Block], None]]:
    with ExitStack() as files:
        vectors = _matrix(files.enter_context(completed_file(path)), "<f4", (rows, dim))
        beside_them = [
            _matrix(files.enter_context(completed_file(beside(path, each.name), outdates=path)), each.stored, (rows,))
            for each in columns
        ]

        def write(block: Block) -> None:
            vectors.write(block[_VECTOR].astype("<f4").tobytes())
            for column, stream in zip(columns, beside_them, strict=True):
                stream.write(column.values(block).tobytes())

        yield write


def _matrix(stream: BinaryIO, dtype: str, shape: tuple[int, ...]) -> BinaryIO:
    """Begin a file in NumPy's own format, without pickled objects."""
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream


@contextmanager
def _parquet(path: Path, columns: Sequence[Column], dim: int) -> Iterator[Callable[[Block], None]]:
    import pyarrow as pa
    from pyarrow import parquet

    def table(blocks: Sequence[Block]) -> pa.Table:
        names = [pa.array(np.concatenate([each.values(block) for block in blocks])) for each in columns]
        numbers = np.concatenate([block[_VECTOR].astype(np.float32) for block in blocks])
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), dim)
        return pa.table([*names, vectors], schema)

    types = [(each.name, pa.string() if each.characters else pa.type_for_alias(each.dtype)) for each in columns]
    schema = pa.schema([*types, (_VECTOR, pa.list_(pa.float32(), dim))])
    names = [each.name for each in columns]
    held: list[Block] = []
    with completed_file(path) as stream, parquet.ParquetWriter(stream, schema, use_dictionary=names) as file:

        def write(block: Block) -> None:
            held.append(block)
            if sum(each.nbytes for each in held) >= _ROW_GROUP_BYTES:
                file.write_table(table(held))
                held.clear()

        yield write
        if held:
            file.write_table(table(held))
