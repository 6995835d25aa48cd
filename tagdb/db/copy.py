"""COPY between PostgreSQL and Python: vectors in binary, a block in a few array operations; file rows as text.

Format: the COPY binary format of PostgreSQL's manual (header, rows of length-prefixed fields, trailer); a `vector` is
int16 dim, int16 unused, float32[dim], all big-endian (pgvector, src/vector.c `vector_send`).
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import psycopg2.extensions

from tagdb.db.translation import translated
from tagdb.errors import DatabaseError

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_READ_BYTES = 1 << 22
_BLOCK_BYTES = 1 << 20


def pack_rows(columns: Sequence[npt.NDArray[Any]]) -> bytearray:
    """Pack equally long columns into one COPY stream.

    Parameters
    ----------
    columns : arrays of shape (n_rows,) for int16, int32, int64, float64 or bool columns, and of shape (n_rows, dim),
        float32, for a `vector` column
    """
    layout: list[Any] = [("fields", ">i2")]
    for index, column in enumerate(columns):
        layout.append((f"length{index}", ">i4"))
        if column.ndim == 2:
            layout += [(f"dim{index}", ">i2"), (f"unused{index}", ">i2"), (f"value{index}", ">f4", (column.shape[1],))]
        else:
            layout.append((f"value{index}", column.dtype.newbyteorder(">")))
    row = np.dtype(layout)
    stream = bytearray(_SIGNATURE + bytes(len(columns[0]) * row.itemsize) + _TRAILER)
    rows = np.frombuffer(stream, dtype=row, count=len(columns[0]), offset=len(_SIGNATURE))
    rows["fields"] = len(columns)
    for index, column in enumerate(columns):
        rows[f"value{index}"] = column
        rows[f"length{index}"] = column.dtype.itemsize
        if column.ndim == 2:
            rows[f"dim{index}"] = column.shape[1]
            rows[f"length{index}"] = 4 + 4 * column.shape[1]
    return stream


def copy_in(
    cursor: psycopg2.extensions.cursor, table: str, names: Sequence[str], columns: Sequence[npt.NDArray[Any]]
) -> None:
    """COPY equally long columns into `table` (a name of tagdb's own)."""
    with translated():
        stream = io.BytesIO(pack_rows(columns))
        cursor.copy_expert(f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT binary)", stream, _READ_BYTES)


_ESCAPED = re.compile(r"[\\\t\n\r]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy_text_in(
    cursor: psycopg2.extensions.cursor,
    table: str,
    names: Sequence[str],
    rows: Iterable[Sequence[int | str | None]],
) -> None:
    """COPY rows of integers, texts and NULLs into `table` (a name of tagdb's own), in their order."""
    copy_text_columns_in(cursor, table, names, zip(*rows, strict=True))


def copy_text_columns_in(
    cursor: psycopg2.extensions.cursor,
    table: str,
    names: Sequence[str],
    columns: Iterable[Sequence[int | str | None]],
) -> None:
    """COPY equally long columns of integers, texts and NULLs into `table` (a name of tagdb's own), row by row."""
    lines = "\n".join(map("\t".join, zip(*map(_fields, columns), strict=True)))
    if not lines:
        return
    with translated():
        stream = io.BytesIO(lines.encode())
        cursor.copy_expert(f"COPY {table} ({', '.join(names)}) FROM STDIN", stream, _READ_BYTES)


def _fields(values: Sequence[int | str | None]) -> Sequence[str]:
    """Write the values of a column as COPY reads them; few columns have anything in them that has to be escaped."""
    fields = list(map(str, values))
    if _ESCAPED.search("".join(fields)):
        fields = [field.translate(_ESCAPES) for field in fields]
    if None in values:
        fields = ["\\N" if value is None else field for value, field in zip(values, fields, strict=True)]
    return fields


class FixedWidthReader:
    """A file that COPY writes to: turns a binary stream of fixed-width rows into blocks of numpy records.

    Parameters
    ----------
    fields : for each column ("name", dtype) as in `numpy.dtype`, or ("name", dim) for a `vector` of that dimension
    sink : takes each block, an array of records with the names of `fields`; blocks are of about a megabyte
    """

    def __init__(self, fields: Sequence[tuple[str, str | int]], sink: Callable[[npt.NDArray[Any]], None]) -> None:
        layout: list[Any] = [("#fields", ">i2")]
        self._constants: dict[str, int] = {"#fields": len(fields)}
        for name, kind in fields:
            layout.append((f"{name}#length", ">i4"))
            if isinstance(kind, int):
                layout += [(f"{name}#dim", ">i2"), (f"{name}#unused", ">i2"), (name, ">f4", (kind,))]
                self._constants |= {f"{name}#length": 4 + 4 * kind, f"{name}#dim": kind}
            else:
                layout.append((name, np.dtype(kind).newbyteorder(">")))
                self._constants[f"{name}#length"] = np.dtype(kind).itemsize
        self._row = np.dtype(layout)
        self._sink = sink
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._signature_left = len(_SIGNATURE)

    def write(self, data: bytes) -> int:
        """Take the next bytes of the stream; every megabyte or so, pass on the whole rows in them."""
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= _BLOCK_BYTES:
            self._pass_on()
        return len(data)

    def finish(self) -> None:
        """Pass on the last rows.

        Raises
        ------
        DatabaseError : the stream does not end where a row does
        """
        self._pass_on()
        if self._held != [_TRAILER]:
            raise _unexpected("a row")

    def _pass_on(self) -> None:
        held = b"".join(self._held)
        skipped = min(self._signature_left, len(held))
        self._signature_left -= skipped
        count = (len(held) - skipped) // self._row.itemsize
        rows = np.frombuffer(held, dtype=self._row, count=count, offset=skipped)
        wrong = {name: rows[name] != value for name, value in self._constants.items()}
        if faults := [(mask.argmax(), name) for name, mask in wrong.items() if mask.any()]:
            _, name = min(faults, key=lambda fault: int(fault[0]))
            raise _unexpected(name.split("#")[0] or "a row")
        if count:
            self._sink(rows)
        self._held = [held[skipped + count * self._row.itemsize :]]
        self._held_bytes = len(self._held[0])


def _unexpected(part: str) -> DatabaseError:
    return DatabaseError(f"{part} of the query is NULL or of another type than was expected")


def copy_out(
    cursor: psycopg2.extensions.cursor,
    query: str,
    fields: Sequence[tuple[str, str | int]],
    sink: Callable[[npt.NDArray[Any]], None],
) -> None:
    """COPY the rows of `query` (fixed-width, without NULL) out, handing record arrays to `sink` as they come.

    Raises
    ------
    DatabaseError : the query fails, or its columns are not those of `fields`, or one is NULL
    """
    reader = FixedWidthReader(fields, sink)
    with translated():
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", reader, _READ_BYTES)
    reader.finish()


def copy_csv_out(cursor: psycopg2.extensions.cursor, query: str, stream: BinaryIO) -> None:
    """COPY the rows of `query` to `stream` as CSV with a header, as they come."""
    with translated():
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)", stream, _READ_BYTES)


@contextmanager
def csv_stream(cursor: psycopg2.extensions.cursor, query: str) -> Iterator[BinaryIO]:
    """Hand over the CSV of `query` as a file to read from; COPY runs beside the reader, no faster than it reads.

    Raises
    ------
    DatabaseError : the query failed on the way, whatever the reader made of what it got until then
    """
    read_end, write_end = os.pipe()

    def send() -> None:
        with suppress(BrokenPipeError), os.fdopen(write_end, "wb") as pipe:
            copy_csv_out(cursor, query, pipe)

    with ThreadPoolExecutor(1, "tagdb-copy") as pool:
        sending = pool.submit(send)
        try:
            with os.fdopen(read_end, "rb") as pipe:
                yield pipe
        finally:
            sending.result()
