"""`tagdb export`: predictions as a file for other tools, streamed; `results.csv` with `id,label` is one of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tagdb.db import copy, keys
from tagdb.db.connection import Database, Session
from tagdb.errors import InputRefused
from tagdb.models import Reporter

STANDARD_OUTPUT = "-"


def export_predictions(database: Database, target: str, reporter: Reporter, *, probability: bool = False) -> int:
    """Write `id,label` (and `probability`) of every label to `target`, a .csv or .parquet file or "-"; return how many.

    A file takes its name only when it is complete.

    Raises
    ------
    InputRefused : there is nothing to export, or the file cannot be written
    """
    suffix = ".csv" if target == STANDARD_OUTPUT else Path(target).suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise InputRefused(f"{target}: only .csv and .parquet are written", hint="tagdb export predictions results.csv")
    with database.session() as session, session.transaction(read_only=True), reporter.step("exporting"):
        query = session.script("export.predictions_with_probability" if probability else "export.predictions")
        total: int = session.scalar("export.count_labels")
        if not total:
            raise InputRefused("there are no labels yet", hint="tagdb train --query …, then tagdb sync")
        if target == STANDARD_OUTPUT:
            copy.copy_csv_out(session.cursor(), query, sys.stdout.buffer)
            return total
        with _completed_file(Path(target)) as stream:
            if suffix == ".csv":
                copy.copy_csv_out(session.cursor(), query, stream)
            else:
                _write_parquet(session, query, stream)
    return total


@contextmanager
def _completed_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that gets its name when all has been written to it, and is gone when that fails."""
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        with unfinished.open("wb") as stream:
            yield stream
        unfinished.replace(path)
    except OSError as error:
        raise InputRefused(
            f"{path} cannot be written: {error.strerror or error}", hint="name a file in a folder you may write"
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _write_parquet(session: Session, query: str, stream: BinaryIO) -> None:
    """Turn the CSV that COPY sends into Parquet as it comes, a bounded piece at a time."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    integers = {"smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64()}
    key = integers.get(keys.stored(session).type, pa.string())
    types = {"id": key, "label": pa.string(), "probability": pa.float64()}
    with copy.csv_stream(session.cursor(), query) as csv_file:
        reader = csv.open_csv(
            csv_file,
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types=types),
        )
        with parquet.ParquetWriter(stream, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
