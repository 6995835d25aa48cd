"""One file of tag lists in every shape and compression: what reading it takes, rows/s and peak memory.

    python benchmarks/import_formats.py tagdataset.csv
    python benchmarks/import_formats.py tagdataset.csv --only csv jsonl parquet --rounds 3
    python benchmarks/import_formats.py tagdataset.csv --only csv jsonl --import

The file is the notebook's `tagdataset.csv` of any size; the others are made of it. Each reading is a process of its
own, which makes the rows that an import would write and drops them; the shapes take turns. On a shared machine the
rows per second of processor time say more than those per second. With `--import` it is the
whole command `tagdb import`, each in a home and a database of its own.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import json
import lzma
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from backports import zstd
from measuring import interleaved, machine, peak_bytes, print_table
from whole_loop import Loop

from tagdb.formats import open_source, recognise

PAGE = 100
ROW_GROUP = 100_000


def write_csv(rows: Path, target: Path) -> None:
    """Copy the file as it is."""
    shutil.copyfile(rows, target)


def write_tsv(rows: Path, target: Path) -> None:
    """Write id, tags and label with tabs between."""
    with rows.open(newline="") as file, target.open("w", newline="") as out:
        csv.writer(out, delimiter="\t", lineterminator="\n").writerows(csv.reader(file))


def write_lines(rows: Path, target: Path) -> None:
    """Write an object a line."""
    with target.open("w") as out:
        out.writelines(json.dumps(record) + "\n" for record in records(rows))


def write_array(rows: Path, target: Path) -> None:
    """Write one array without white space."""
    with target.open("w") as out:
        for number, record in enumerate(records(rows)):
            out.write(("," if number else "[") + json.dumps(record, separators=(",", ":")))
        out.write("]")


def write_pages(rows: Path, target: Path) -> None:
    """Write pages as the Stack Exchange API gives them, one a line."""
    every = records(rows)
    with target.open("w") as out:
        while page := list(islice(every, PAGE)):
            out.write(json.dumps({"items": page, "has_more": True}) + "\n")


def write_parquet(rows: Path, target: Path) -> None:
    """Write Parquet with its usual compression and the tags as lists."""
    import pyarrow as pa
    from pyarrow import parquet

    every = records(rows)
    schema = pa.schema({"id": pa.int64(), "tags": pa.list_(pa.string()), "label": pa.string()})
    with parquet.ParquetWriter(target, schema) as writer:
        while group := list(islice(every, ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def records(rows: Path) -> Iterator[dict[str, object]]:
    """Yield the rows of a `tagdataset.csv` as objects."""
    with rows.open(newline="") as file:
        for number, tags, label in islice(csv.reader(file), 1, None):
            yield {"id": int(number), "tags": tags.split(), "label": label}


def write_zip(plain: Path, target: Path) -> None:
    """Pack a file into an archive of its own."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.write(plain, plain.name)


def packing(open_packed: Callable[..., Any], **level: int) -> Callable[[Path, Path], None]:
    """What packs a file into what that opens."""

    def pack(plain: Path, target: Path) -> None:
        with plain.open("rb") as file, open_packed(target, "wb", **level) as out:
            shutil.copyfileobj(file, out)

    return pack


SHAPES: Final[dict[str, Callable[[Path, Path], None]]] = {
    "csv": write_csv,
    "tsv": write_tsv,
    "jsonl": write_lines,
    "json": write_array,
    "pages.json": write_pages,
    "parquet": write_parquet,
}
PACKINGS: Final[dict[str, Callable[[Path, Path], None]]] = {
    "gz": packing(gzip.open, compresslevel=6),
    "zst": packing(zstd.open),
    "bz2": packing(bz2.open),
    "xz": packing(lzma.open, preset=3),
    "zip": write_zip,
}
USUAL = (*SHAPES, *(f"csv.{packed}" for packed in PACKINGS), "jsonl.gz", "jsonl.zst", "parquet.gz")


def make(rows: Path, folder: Path, kind: str) -> Path:
    """Write the rows in one shape and compression, and return where."""
    target = folder / f"rows.{kind}"
    if not target.exists():
        shape, _, packed = kind.rpartition(".")
        if packed in PACKINGS:
            PACKINGS[packed](make(rows, folder, shape), target)
        else:
            SHAPES[kind](rows, target)
    return target


def read_file(path: Path) -> None:
    """Read a file as an import does, and print as JSON the rows and what this process took for them."""
    started, used = time.perf_counter(), time.process_time()
    read = bad = 0
    with open_source(path) as source:
        for rows in recognise(source):
            read += rows.read
            bad += len(rows.bad)
    seconds, processor = time.perf_counter() - started, time.process_time() - used
    print(json.dumps({"rows": read, "bad": bad, "seconds": seconds, "processor": processor, "peak": peak_bytes()}))


def main() -> None:
    """Read every file in turn, and print a Markdown table."""
    arguments = parse()
    if arguments.read:
        read_file(arguments.rows)
        return
    with tempfile.TemporaryDirectory(prefix="tagdb-formats-", dir="/tmp") as temporary:
        folder = arguments.folder or Path(temporary)
        paths = {kind: make(arguments.rows, folder, kind) for kind in arguments.only}
        measured = measure_reading(paths, arguments.rounds)
        if arguments.imports:
            for kind, path in paths.items():
                measured[kind]["import rows/s"] = measure_import(path, int(str(measured[kind]["rows"])))
    if arguments.json:
        print(json.dumps({"machine": machine(), "formats": measured}))
        return
    print_table([{"file": kind, **row} for kind, row in measured.items()], ["file", *next(iter(measured.values()))])


def measure_reading(paths: dict[str, Path], rounds: int) -> dict[str, dict[str, object]]:
    """What reading each file takes, as the median of some rounds."""
    results: dict[str, list[dict[str, float]]] = {kind: [] for kind in paths}

    def reading(kind: str) -> Callable[[], None]:
        command = [sys.executable, __file__, str(paths[kind]), "--read"]
        return lambda: results[kind].append(json.loads(subprocess.check_output(command)))

    interleaved(rounds, {kind: reading(kind) for kind in paths})
    measured: dict[str, dict[str, object]] = {}
    for kind, runs in results.items():
        assert not any(run["bad"] for run in runs), kind
        measured[kind] = {
            "MB": paths[kind].stat().st_size / 1e6,
            "rows": int(runs[0]["rows"]),
            "rows/s": statistics.median(run["rows"] / run["seconds"] for run in runs),
            "rows/s of processor": statistics.median(run["rows"] / run["processor"] for run in runs),
            "peak MB": max(run["peak"] for run in runs) / 2**20,
        }
    first = float(str(next(iter(measured.values()))["rows/s of processor"]))
    for row in measured.values():
        row["of the first"] = float(str(row["rows/s of processor"])) / first
    return measured


def measure_import(path: Path, rows: int) -> float:
    """Rows/s of `tagdb import` into a database of its own."""
    with tempfile.TemporaryDirectory(prefix="tagdb-", dir="/tmp", ignore_cleanup_errors=True) as home:
        loop = Loop(Path(home), rows)
        try:
            loop.run(path.name, "import", str(path))
        finally:
            loop.stop()
        return loop.steps[0].rows_per_second


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, help="a tagdataset.csv")
    parser.add_argument("--only", nargs="+", default=USUAL, metavar="KIND", help=f"of {', '.join(USUAL)} and the like")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is read (default: 3)")
    parser.add_argument("--import", action="store_true", dest="imports", help="measure the whole command as well")
    parser.add_argument("--folder", type=Path, help="where the files are, or are made and stay")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--read", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
