"""`tagdb export`: predictions as a file for other tools, streamed; the notebook's `results.csv` is one of them."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from tagdb.db import copy, queries
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
    query = queries.topic("export")["predictions_with_probability" if probability else "predictions"]
    with database.session() as session:
        total: int = session.scalar("export.count_labels")
        if not total:
            raise InputRefused("there are no labels yet", hint="tagdb train --query …, then tagdb sync")
        with reporter.step("exporting", None, "rows"):
            if target == STANDARD_OUTPUT:
                copy.copy_csv_out(session.cursor(), query, sys.stdout.buffer)
            else:
                _to_file(session, query, Path(target), suffix)
    return total


def _to_file(session: Session, query: str, path: Path, suffix: str) -> None:
    unfinished = path.with_name(path.name + ".unfinished")
    with ExitStack() as cleanup:
        try:
            stream: BinaryIO = cleanup.enter_context(unfinished.open("wb"))
        except OSError as error:
            raise InputRefused(
                f"{path} cannot be written: {error.strerror}", hint="name a folder you may write"
            ) from error
        cleanup.callback(unfinished.unlink, missing_ok=True)
        if suffix == ".csv":
            copy.copy_csv_out(session.cursor(), query, stream)
        else:
            _write_parquet(session, query, stream)
        stream.flush()
        unfinished.replace(path)


def _write_parquet(session: Session, query: str, stream: BinaryIO) -> None:
    """Turn the CSV that COPY sends into Parquet as it comes, a bounded piece at a time."""
    import pyarrow.csv
    import pyarrow.parquet

    with copy.csv_stream(session.cursor(), query) as csv_file:
        reader = pyarrow.csv.open_csv(
            csv_file, convert_options=pyarrow.csv.ConvertOptions(column_types={"label": pyarrow.string()})
        )
        with pyarrow.parquet.ParquetWriter(stream, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
