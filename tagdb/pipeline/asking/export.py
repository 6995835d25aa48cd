"""`tagdb export`: predictions, tags and vectors as files for other tools, streamed; `results.csv` is one of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tagdb.db import copy, keys
from tagdb.db.connection import Database, Session
from tagdb.db.keys import Key
from tagdb.errors import InputRefused, UsageError
from tagdb.models import Reporter
from tagdb.pipeline.asking import vectorfiles
from tagdb.pipeline.asking.vectorfiles import Column, completed_file
from tagdb.pipeline.embedders import registry

STANDARD_OUTPUT = "-"
_INTEGERS = {"smallint": "int16", "integer": "int32", "bigint": "int64"}


@dataclass(frozen=True)
class _Table:
    """Rows that leave as text: the query of them, how many it gives, and the types Parquet has for its columns."""

    query: str
    rows: int
    types: dict[str, str]


def export_predictions(
    database: Database, target: str, reporter: Reporter, *, probability: bool = False, spreadsheet: bool = False
) -> int:
    """Write `id,label` (and `probability`) of every label to `target`, a .csv or .parquet file or "-"; return how many.

    For a `spreadsheet`, a quote goes before texts that it would run as formulas. A file takes its name only when it is
    complete.

    Raises
    ------
    InputRefused : there is nothing to export, or the file cannot be written
    UsageError : anything but CSV is asked for for a spreadsheet
    """
    _check_name(target, "predictions results.csv", (".csv", ".parquet"), spreadsheet=spreadsheet)
    with database.session() as session, session.transaction(read_only=True), reporter.step("exporting"):
        total: int = session.scalar("export.count_labels")
        if not total:
            raise InputRefused("there are no labels yet", hint="tagdb train --query …, then tagdb sync")
        key = keys.stored(session)
        query = session.script(
            "export.predictions_with_probability" if probability else "export.predictions",
            id=_safe(session, "question_id", spreadsheet and key.type == "text"),
            label=_safe(session, "label", spreadsheet),
        )
        types = {"id": _INTEGERS.get(key.type, "string"), "label": "string", "probability": "double"}
        _write_table(session, _Table(query, total, types), target)
    return total


def export_tags(database: Database, target: str, reporter: Reporter, *, spreadsheet: bool = False) -> int:
    """Write each tag with the number of its questions to `target`; return how many tags there are.

    A .csv file, or "-", has `tag,questions`; a .parquet file has the centroid of the tag's questions besides, as
    `embedding`; a .npy file has the centroids, in the order of the tags in the .tag.npy file beside it.

    Raises
    ------
    InputRefused : there is nothing to export, or the file cannot be written
    UsageError : anything but CSV is asked for for a spreadsheet
    """
    suffix = _check_name(target, "tags tags.csv", (".csv", ".parquet", ".npy"), spreadsheet=spreadsheet)
    with database.session() as session, session.transaction(read_only=True):
        embedder = registry.active(session)
        there = session.row("export.tag_vectors_there", embedder=embedder.id) if embedder else None
        if embedder is None or there is None or not there.vectors:
            raise InputRefused("no tag has a vector yet", hint="tagdb sync")
        if suffix == ".csv":
            tag = _safe(session, "tag", spreadsheet)
            query = session.script("export.tags", tag=tag, embedder=embedder.id)
            with reporter.step("exporting"):
                _write_table(session, _Table(query, there.vectors, {}), target)
        else:
            tag = session.script("export.text_of_fixed_width", text="tag", bytes=there.bytes)
            query = session.script("export.tag_vectors", tag=tag, embedder=embedder.id)
            columns = [Column("tag", f"S{there.bytes}", characters=there.characters), Column("questions", "int64")]
            _write_vectors(session, query, columns, embedder.dim, Path(target), there.vectors, reporter)
    return int(there.vectors)


def export_vectors(database: Database, target: str, reporter: Reporter) -> int:
    """Write the vector of each question to `target`, in the order of their ids; return how many there are.

    A .parquet file has columns `id` and `embedding`; a .npy file has the vectors, float32 of shape (questions,
    dimension), and the .id.npy file beside it their ids. Questions without a vector are left out, and said.

    Raises
    ------
    InputRefused : there is nothing to export, or the file cannot be written
    """
    _check_name(target, "vectors vectors.parquet", (".parquet", ".npy"))
    with database.session() as session, session.transaction(read_only=True):
        embedder = registry.active(session)
        there = session.row("export.question_vectors_there", embedder=embedder.id) if embedder else None
        if embedder is None or there is None or not there.vectors:
            raise InputRefused("no question has a vector yet", hint="tagdb sync")
        column, expression = _key_column(session, keys.stored(session), there.bytes, there.characters)
        query = session.script("export.question_vectors", id=expression, embedder=embedder.id)
        _write_vectors(session, query, [column], embedder.dim, Path(target), there.vectors, reporter)
    if left_out := there.questions - there.vectors:
        reporter.say(f"{left_out:,} questions have no vector and were left out: tagdb status")
    return int(there.vectors)


def _check_name(target: str, example: str, suffixes: Sequence[str], *, spreadsheet: bool = False) -> str:
    """Return which kind of file `target` is; to standard output goes CSV, where there is such."""
    suffix = ".csv" if target == STANDARD_OUTPUT else Path(target).suffix.lower()
    if suffix not in suffixes:
        names = f"{', '.join(suffixes[:-1])} and {suffixes[-1]}"
        raise InputRefused(f"{target}: only {names} are written", hint=f"tagdb export {example}")
    if spreadsheet and suffix != ".csv":
        raise UsageError(f"{target}: --spreadsheet is for CSV", hint=f"tagdb export {example} --spreadsheet")
    return suffix


def _safe(session: Session, column: str, spreadsheet: bool) -> str:
    return session.script("export.plain_text", text=column) if spreadsheet else column


def _key_column(session: Session, key: Key, length: int, characters: int) -> tuple[Column, str]:
    """Return how a file has the ids, and what SQL gives them so."""
    if key.is_integer:
        return Column("id", _INTEGERS[key.type]), "q.question_id"
    text = session.script("export.text_of_fixed_width", text="CAST(q.question_id AS text)", bytes=length)
    return Column("id", f"S{length}", characters=characters), text


def _write_table(session: Session, table: _Table, target: str) -> None:
    if target == STANDARD_OUTPUT:
        copy.copy_csv_out(session.cursor(), table.query, sys.stdout.buffer)
        return
    with completed_file(Path(target)) as stream:
        if Path(target).suffix.lower() == ".csv":
            copy.copy_csv_out(session.cursor(), table.query, stream)
        else:
            _write_parquet(session, table, stream)


def _write_parquet(session: Session, table: _Table, stream: BinaryIO) -> None:
    """Turn the CSV that COPY sends into Parquet as it comes, a bounded piece at a time."""
    from pyarrow import csv, parquet, type_for_alias

    types = {name: type_for_alias(alias) for name, alias in table.types.items()}
    with copy.csv_stream(session.cursor(), table.query) as csv_file:
        reader = csv.open_csv(
            csv_file,
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types=types),
        )
        with parquet.ParquetWriter(stream, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)


def _write_vectors(
    session: Session, query: str, columns: Sequence[Column], dim: int, path: Path, rows: int, reporter: Reporter
) -> None:
    fields: list[tuple[str, str | int]] = [*((each.name, each.dtype) for each in columns), ("embedding", dim)]
    with reporter.step("exporting", rows, "vectors") as progress, vectorfiles.writer(path, columns, dim, rows) as write:

        def take(block: vectorfiles.Block) -> None:
            write(block)
            progress.advance(len(block))

        copy.copy_out(session.cursor(), query, fields, take)
