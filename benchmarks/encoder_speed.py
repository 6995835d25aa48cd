"""How close the encoder comes to the machine: rows per second, and the share of one large product's rate.

    python benchmarks/encoder_speed.py --size starter --texts tags.csv --column tags
    python benchmarks/encoder_speed.py --size original --texts titles.tsv --column title --rows 3000

Operations are those of both LSTM directions, 2·L·(2P·4D + D·P) for each distinct prefix and each distinct
suffix; characters, tokenising and sorting are timed but not counted. Rates are given by the clock and by processor
time, which other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import csv
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from random_weights import SIZES, STARTER, write_random

from tagdb.elmo import Elmo
from tagdb.elmo.options import ElmoOptions, read_options
from tagdb.elmo.tries import TokenRows, trie_levels

# A size that is no power of two: row strides of 16 KB would halve the rate and flatter the encoder.
PRODUCT_SIZE = 4000
PRODUCT_OPERATIONS = 2 * PRODUCT_SIZE**3


@dataclass(frozen=True)
class Seconds:
    """How long something took by the clock, and how much time the processors spent on it."""

    clock: float
    processors: float


@dataclass(frozen=True)
class Work:
    """What a set of distinct texts asks of an encoder."""

    texts: int
    tokens: int
    nodes: int
    operations: float


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    texts = _read_texts(arguments.texts, arguments.column, arguments.rows)
    distinct = sorted(set(texts))
    products, runs = [], []
    with _directory(arguments.size) as directory:
        for _ in range(arguments.runs):
            elmo = Elmo.load(directory)
            elmo.embed(distinct[:64])
            products.append(_median(_time_of_product() for _ in range(3)))
            with _timed() as run:
                elmo.embed(distinct)
            runs += run
            products.append(_median(_time_of_product() for _ in range(3)))
        work = _work(elmo, read_options(directory / "options.json"), distinct)
    _report(len(texts), work, _median(runs), _median(products), arguments.runs)


def _report(rows: int, work: Work, run: Seconds, product: Seconds, runs: int) -> None:
    rate = Seconds(work.operations / run.clock, work.operations / run.processors)
    limit = Seconds(PRODUCT_OPERATIONS / product.clock, PRODUCT_OPERATIONS / product.processors)
    print(f"{rows:,} rows, {work.texts:,} distinct, {work.tokens:,} tokens, {work.nodes:,} trie nodes")
    print(f"{run.clock:.2f} s, {run.processors:.2f} processor seconds (median of {runs})")
    print(f"{rows / run.clock:,.0f} rows/s, {work.texts / run.clock:,.0f} distinct/s")
    print(f"{'GFLOP/s':24}{'encoder':>10}{'product':>10}{'share':>8}")
    for name, ours, best in (
        ("by the clock", rate.clock, limit.clock),
        ("by processor time", rate.processors, limit.processors),
    ):
        print(f"{name:24}{ours / 1e9:10.0f}{best / 1e9:10.0f}{ours / best:8.2f}")
    print(f"peak memory {_peak_bytes() / 1e9:.2f} GB")


@contextmanager
def _timed() -> Iterator[list[Seconds]]:
    """Yield a list that holds the seconds spent once the block has ended."""
    seconds: list[Seconds] = []
    clock, processors = time.perf_counter(), time.process_time()
    yield seconds
    seconds.append(Seconds(time.perf_counter() - clock, time.process_time() - processors))


def _time_of_product() -> Seconds:
    """Time one large float32 product in TensorFlow."""
    import tensorflow as tf

    a = tf.ones((PRODUCT_SIZE, PRODUCT_SIZE))
    with _timed() as seconds:
        tf.matmul(a, a).numpy()
    return seconds[0]


def _median(measured: Iterable[Seconds]) -> Seconds:
    measured = list(measured)
    return Seconds(
        statistics.median(seconds.clock for seconds in measured),
        statistics.median(seconds.processors for seconds in measured),
    )


def _work(elmo: Elmo, options: ElmoOptions, texts: list[str]) -> Work:
    numbers: dict[str, int] = {}
    tokenized = elmo.tokenize(texts)
    tokens = [numbers.setdefault(token, len(numbers)) for text in tokenized for token in text]
    rows = TokenRows.of(tokens, [len(text) for text in tokenized])
    nodes = sum(
        len(level.tokens)
        for direction in (rows, rows.reverse())
        for level in trie_levels(direction, np.arange(len(texts)))
    )
    lstm = options.lstm
    per_node = 2 * lstm.n_layers * (2 * lstm.projection_dim * 4 * lstm.dim + lstm.dim * lstm.projection_dim)
    return Work(len(texts), len(tokens), nodes, float(nodes) * per_node)


@contextmanager
def _directory(size: str) -> Iterator[Path]:
    if size == "starter":
        yield STARTER
    elif size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            write_random(Path(folder), size)
            yield Path(folder)
    else:
        yield Path(size)


def _read_texts(path: Path, column: str, rows: int | None) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        texts = [record[column] for record in table]
    return [text for text in texts if text.strip()][:rows]


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="starter", help="starter, original or tiny (both random), or a directory")
    parser.add_argument("--texts", type=Path, required=True, help="a .csv or .tsv file with a header")
    parser.add_argument("--column", default="tags", help="the column that holds the texts")
    parser.add_argument("--rows", type=int, help="take only the first rows")
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
