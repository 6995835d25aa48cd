"""A Parquet file as an untrusted one is opened: with bounds on its description and on the memory its pages take."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tagdb.errors import InputRefused
from tagdb.formats.parquetsigns import ENCRYPTED, SIGNS
from tagdb.formats.parquettexts import is_readable, sizes
from tagdb.formats.source import Source

FOOTER_LIMIT: Final = 64 * 1024 * 1024
MEMORY_LIMIT: Final = 2 * 1024**3
"""Bytes that unpacked pages may take: a small file can hold pages of any size, and they lie in memory as a whole."""

_TAIL_SIZE = 8
_BUFFER_SIZE = 64 * 1024
_BATCH_BYTES = 16 * 1024 * 1024
_BATCH_ROWS = 20_000
_BATCH_ROWS_WITHOUT_DICTIONARIES = 500


class ParquetFile:
    """An open Parquet file.

    Attributes:
        group_sizes: how many rows each of its row groups has.
        header: the names of the columns that hold texts, numbers, times, or lists of texts.
        errors: what reading a damaged file raises.
    """

    def __init__(self, source: Source) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self.errors = (pa.ArrowException, OSError, ValueError, LookupError, MemoryError, OverflowError)
        if source.head.startswith(ENCRYPTED):
            raise InputRefused(f"{source.name} is an encrypted Parquet file", hint="write it without encryption")
        file = _Watched(source.searched("a Parquet file"), source.name)
        _require_footer(file, source.name)
        options = {"buffer_size": _BUFFER_SIZE, "pre_buffer": False, "page_checksum_verification": True}
        try:
            self._plain_file = parquet.ParquetFile(file, **options)
            schema, metadata = self._plain_file.schema, self._plain_file.metadata
            texts = [
                column.path
                for column in map(schema.column, range(len(schema)))
                if column.physical_type == "BYTE_ARRAY" and "DECIMAL" not in str(column.logical_type).upper()
            ]
            # Read as dictionaries, texts take no more memory than in the file, however often one is repeated.
            self._file = parquet.ParquetFile(file, metadata=metadata, read_dictionary=texts, **options)
            self._types = {field.name: field.type for field in reversed(list(self._file.schema_arrow))}
            # The chunks of a row group are never asked for: of a damaged file, that ends the process.
            groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
            self.group_sizes = [group.num_rows for group in groups]
            self._group_bytes = [group.total_byte_size for group in groups]
            self.header = [name for name in self._file.schema_arrow.names if is_readable(self._types[name])]
        except self.errors as error:
            raise InputRefused(
                f"{source.name} is a Parquet file that is damaged or of an unknown version",
                hint="fetch or write it again",
            ) from error

    @property
    def all_names(self) -> list[str]:
        """The names of all columns, also of those that hold other things."""
        return list(self._types)

    def type_of(self, name: str) -> Any:
        """Arrow's type of a column."""
        return self._types[name]

    def batches(self, group: int, names: Sequence[str]) -> Iterator[Any]:
        """The rows of a row group some at a time, as many as take about 16 MiB; what is damaged raises `errors`."""
        rows = _BATCH_BYTES * max(1, self.group_sizes[group]) // max(1, self._group_bytes[group])
        rows = min(_BATCH_ROWS, max(1, rows))
        try:
            batches = self._file.iter_batches(rows, row_groups=[group], columns=names, use_threads=False)
            first = next(batches, None)
        except self.errors:  # most likely an encoding that cannot be read as a dictionary
            rows = min(rows, _BATCH_ROWS_WITHOUT_DICTIONARIES)
            batches = self._plain_file.iter_batches(rows, row_groups=[group], columns=names, use_threads=False)
            first = next(batches, None)
        if first is not None:
            yield from _parts_that_fit(first, names)
        for batch in batches:
            yield from _parts_that_fit(batch, names)


class _Watched(io.BufferedReader):
    """A file that gives no more bytes to a reader which already holds too many."""

    def __init__(self, file: io.RawIOBase, name: str) -> None:
        import pyarrow as pa

        super().__init__(file)
        self._shown_name = name
        self._allocated = pa.total_allocated_bytes
        self._before = self._allocated()

    def read(self, size: int | None = -1, /) -> bytes:
        if self._allocated() - self._before > MEMORY_LIMIT:
            raise InputRefused(
                f"{self._shown_name} takes more than 2 GiB of memory to read",
                hint="write it in smaller row groups: with pandas, to_parquet(path, row_group_size=100000)",
            )
        return super().read(size)


def _require_footer(file: io.BufferedReader, name: str) -> None:
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _TAIL_SIZE))
    tail = file.read(_TAIL_SIZE)
    file.seek(0)
    if len(tail) < _TAIL_SIZE or tail[4:] not in SIGNS:
        raise InputRefused(f"{name} is a Parquet file that is cut short", hint="fetch or write it again")
    if int.from_bytes(tail[:4], "little") > FOOTER_LIMIT:
        raise InputRefused(
            f"{name} is a Parquet file with more than 64 MiB of description",
            hint="write it with fewer columns, or in larger row groups",
        )


def _parts_that_fit(batch: Any, names: Sequence[str]) -> Iterator[Any]:
    """Slices of a batch, of which none has more than about 16 MiB of text."""
    total = sum(sizes(batch.column(batch.schema.names.index(name))) for name in names)
    start = 0
    ends = (total.cumsum() // _BATCH_BYTES).searchsorted(range(1, int(total.sum()) // _BATCH_BYTES + 1))
    for end in [*map(int, ends), batch.num_rows]:
        if end > start:
            yield batch.slice(start, end - start)
            start = end
