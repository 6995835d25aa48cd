"""COPY between PostgreSQL and Python: vectors in binary, a block in a few array operations; file rows as text.

Format: the COPY binary format of PostgreSQL's manual (header, rows of length-prefixed fields, trailer); a `vector` is
int16 dim, int16 unused, float32[dim], all big-endian (pgvector, src/vector.c `vector_send`).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import psycopg2.extensions

from tagdb.db.connection import translated

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_READ_BYTES = 1 << 22

Vectors = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


def pack_rows(columns: Sequence[npt.NDArray[Any]]) -> memoryview:
    """Pack equally long columns into one COPY stream.

    Parameters
    ----------
    columns : arrays of shape (n_rows,) for int16, int32, int64, float64 or bool columns, and of shape (n_rows, dim),
        float32, for a `vector` column
    """
    layout: list[tuple[str, Any]] = [("fields", ">i2")]
    for index, column in enumerate(columns):
        if column.ndim == 2:
            layout += [(f"length{index}", ">i4"), (f"dim{index}", ">i2"), (f"unused{index}", ">i2")]
            layout += [(f"value{index}", ">f4", (column.shape[1],))]  # type: ignore[list-item]
        else:
            layout += [(f"length{index}", ">i4"), (f"value{index}", column.dtype.newbyteorder(">"))]
    rows = np.zeros(len(columns[0]), dtype=layout)
    rows["fields"] = len(columns)
    for index, column in enumerate(columns):
        rows[f"value{index}"] = column
        rows[f"length{index}"] = column.dtype.itemsize
        if column.ndim == 2:
            rows[f"dim{index}"] = column.shape[1]
            rows[f"length{index}"] = 4 + 4 * column.shape[1]
    return memoryview(_SIGNATURE + rows.tobytes() + _TRAILER)


def copy_in(
    cursor: psycopg2.extensions.cursor, table: str, names: Sequence[str], columns: Sequence[npt.NDArray[Any]]
) -> None:
    """COPY equally long columns into `table` (a name of tagdb's own)."""
    with translated():
        stream = io.BytesIO(pack_rows(columns))
        cursor.copy_expert(f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT binary)", stream, _READ_BYTES)


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy_text_in(
    cursor: psycopg2.extensions.cursor,
    table: str,
    names: Sequence[str],
    rows: Iterable[Sequence[int | str | None]],
) -> None:
    """COPY rows of integers, texts and NULLs into `table` (a name of tagdb's own), in their order."""
    lines = ["\t".join(["\\N" if v is None else str(v).translate(_ESCAPES) for v in row]) for row in rows]
    _copy_lines(cursor, table, names, "\n".join(lines))


def copy_tags_in(
    cursor: psycopg2.extensions.cursor, table: str, names: Sequence[str], rows: Iterable[tuple[int, int, str]]
) -> None:
    """COPY (integer, integer, text without white space) rows: `copy_text_in` at three times its speed."""
    _copy_lines(
        cursor,
        table,
        names,
        "\n".join([f"{question_id}\t{place}\t{tag}" for question_id, place, tag in rows]).replace("\\", "\\\\"),
    )


def _copy_lines(cursor: psycopg2.extensions.cursor, table: str, names: Sequence[str], lines: str) -> None:
    if not lines:
        return
    with translated():
        stream = io.BytesIO(lines.encode())
        cursor.copy_expert(f"COPY {table} ({', '.join(names)}) FROM STDIN", stream, _READ_BYTES)


class FixedWidthReader:
    """A file that COPY writes to: turns a binary stream of fixed-width rows into blocks of numpy records.

    Parameters
    ----------
    fields : for each column ("name", dtype) as in `numpy.dtype`, or ("name", dim) for a `vector` of that dimension;
        no value may be NULL
    block_rows : how many records `blocks` hands over at a time
    """

    def __init__(self, fields: Sequence[tuple[str, str | int]], sink: Any) -> None:
        layout: list[Any] = [("fields", ">i2")]
        for name, kind in fields:
            layout.append((f"{name}_length", ">i4"))
            if isinstance(kind, int):
                layout += [(f"{name}_header", ">i4"), (name, ">f4", (kind,))]
            else:
                layout.append((name, np.dtype(kind).newbyteorder(">")))
        self._row = np.dtype(layout)
        self._sink = sink
        self._rest = b""
        self._header_left = len(_SIGNATURE)

    def write(self, data: bytes) -> int:
        """Take the next bytes of the stream and pass on the whole rows in them."""
        skipped = min(self._header_left, len(data))
        self._header_left -= skipped
        buffer = self._rest + data[skipped:]
        whole = len(buffer) // self._row.itemsize
        if whole:
            self._sink(np.frombuffer(buffer, dtype=self._row, count=whole))
        self._rest = buffer[whole * self._row.itemsize :]
        return len(data)


def copy_out(
    cursor: psycopg2.extensions.cursor, query: str, fields: Sequence[tuple[str, str | int]], sink: Any
) -> None:
    """COPY the rows of `query` (fixed-width, without NULL) out, handing record arrays to `sink` as they come."""
    with translated():
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", FixedWidthReader(fields, sink), _READ_BYTES)


def copy_csv_out(cursor: psycopg2.extensions.cursor, query: str, stream: BinaryIO) -> None:
    """COPY the rows of `query` to `stream` as CSV with a header, as they come."""
    with translated():
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)", stream, _READ_BYTES)


@contextmanager
def csv_stream(cursor: psycopg2.extensions.cursor, query: str) -> Iterator[BinaryIO]:
    """Hand over the CSV of `query` as a file to read from; COPY runs beside the reader, no faster than it reads."""
    read_end, write_end = os.pipe()

    def send() -> None:
        with os.fdopen(write_end, "wb") as pipe, suppress(BrokenPipeError):
            copy_csv_out(cursor, query, pipe)

    with ThreadPoolExecutor(1, "tagdb-copy") as pool:
        sending = pool.submit(send)
        with os.fdopen(read_end, "rb") as pipe:
            yield pipe
        sending.result()
