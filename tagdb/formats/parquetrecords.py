"""Questions out of Parquet, row group by row group, with only the columns that play a part."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from tagdb.errors import InputRefused
from tagdb.formats.layout import find_parts
from tagdb.formats.meaning import Meaning, meaning_of
from tagdb.formats.named import SAMPLE_SIZE, named_layout, recognised_as
from tagdb.formats.parquetfile import ParquetFile
from tagdb.formats.parquetsigns import PARQUET
from tagdb.formats.parquettexts import is_list, texts
from tagdb.formats.rows import PARTS, QUESTION_POST_TYPE, Columns, Reading, Reason, Recognised, Record
from tagdb.formats.source import Source

_SAMPLE_CHARACTERS = 1024 * 1024
_EXCERPT_CHARACTERS = 80


def recognise_parquet(
    source: Source, columns: Columns, reading: Reading
) -> tuple[Recognised, Iterator[Record], Meaning]:
    """How to read a source that is Parquet.

    Raises:
        InputRefused: the file is damaged, encrypted, or one whose rows do not fit into memory; or they are not those
            of questions.
    """
    file = ParquetFile(source)
    names = {part: file.header[place] for part, place in find_parts(file.header, columns).items()}
    _require_texts(source, file, columns, names)
    if not names:
        named_layout(source.name, file.header, columns, [])
    records = _records(source, file, names, between_blanks=reading.tags_separator is None)
    first = _first(records)
    sample = [content for _, _, content in first if not isinstance(content, Reason)]
    layout = named_layout(source.name, file.header, columns, sample)
    meaning = meaning_of(sample, reading)
    lists = "tags" in names and is_list(file.type_of(names["tags"]))
    recognised = recognised_as(source, PARQUET, "Parquet", layout, sample, meaning, lists=lists)
    return recognised, chain(first, records), meaning


def _require_texts(source: Source, file: ParquetFile, columns: Columns, names: dict[str, str]) -> None:
    """Refuse columns that play a part by their names and hold nothing that could: leaving them out would be silent."""
    for part, place in find_parts(file.all_names, columns).items():
        name = names.get(part, file.all_names[place])
        kind = "lists" if is_list(file.type_of(name)) else str(file.type_of(name)).split("<")[0]
        if part == "tags" and name not in names.values():
            wrong = f"{source.name} has {kind} in its column {name!r}, and tags are lists of texts, or texts"
        elif part not in ("tags", "id") and (kind == "lists" or name not in names.values()):
            wrong = f"{source.name} has {kind} in its column {name!r}, and a {part} is a text"
        elif part == "id" and kind == "lists" and name in names.values():
            wrong = f"{source.name} has lists in its column {name!r}, and an id is a number"
        else:
            continue
        option = f"--{part.removesuffix('_at')}-column"
        raise InputRefused(wrong, hint=f"name another column for it: {option} NAME{', or none' * (part != 'id')}")


def _first(records: Iterator[Record]) -> list[Record]:
    first: list[Record] = []
    characters = 0
    for record in records:
        first.append(record)
        characters += 0 if isinstance(record[2], Reason) else sum(map(len, record[2]))
        if len(first) >= SAMPLE_SIZE or characters >= _SAMPLE_CHARACTERS:
            break
    return first


def _records(source: Source, file: ParquetFile, names: dict[str, str], *, between_blanks: bool) -> Iterator[Record]:
    """Yield every row; its number stands for its line.

    Of a row group that is damaged the rest is one bad row, which says how many rows that are.
    """
    begun, all_rows = 0, sum(file.group_sizes)
    for group, size in enumerate(file.group_sizes):
        row = begun
        begun += size
        try:
            for batch in file.batches(group, list(dict.fromkeys(names.values()))):
                if row + batch.num_rows >= all_rows:
                    source.read_to_the_end()
                for record in _rows_of(batch, names, between_blanks, row + 1):
                    row += 1
                    yield record
        except file.errors:
            pass
        if row < begun:
            yield row + 1, f"{begun - row:,} rows from row {row + 1:,} on".encode(), Reason.DAMAGED


def _rows_of(batch: Any, names: dict[str, str], between_blanks: bool, first: int) -> Iterator[Record]:
    count = batch.num_rows
    damaged: dict[int, Reason] = {}
    columns = []
    for part in PARTS:
        if part in names:
            column = batch.column(batch.schema.names.index(names[part]))
            columns.append(texts(column, damaged, between_blanks=between_blanks))
        elif part == "id":
            columns.append([str(number) for number in range(first, first + count)])
        else:
            columns.append([QUESTION_POST_TYPE if part == "post_type" else ""] * count)
    for at, fields in enumerate(zip(*columns, strict=True)):
        raw = f"{fields[0]}, {fields[1][:_EXCERPT_CHARACTERS]}, {fields[2][:_EXCERPT_CHARACTERS]}".encode()
        yield first + at, raw, damaged.get(at, fields) if damaged else fields
