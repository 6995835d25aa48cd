"""The data path alone: vectors into and out of PostgreSQL and labels predicted there, beside other ways to do the same.

    python benchmarks/data_path.py
    python benchmarks/data_path.py --vectors 100000 --classes 20 --rounds 5 --json
    python benchmarks/data_path.py --db-url postgresql://localhost/postgres --memory
    python benchmarks/data_path.py --vectors 200000 --classes 2 --alone

In: the block writer of `tagdb sync` (binary COPY), beside psycopg2's execute_values
with pgvector's adapter and two ways of SQLAlchemy's ORM; same table, same checks and keys, one commit a block.
Out: binary COPY beside a server-side cursor with pgvector's adapter and an ORM select, all of one partition.
Labels: the statements of `tagdb predict` beside COPY and scikit-learn's predict_proba with the same weights.

The work is done in a database of its own, on an embedded server of its own or on that of --db-url, and dropped after.
Vectors are drawn from a mixture; beyond 16,384 they repeat under other numbers, so that memory is bounded.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from data_path_ways import WRITERS, DataPath, Sink
from measuring import interleaved, machine, medians, peak_bytes, print_table, spread
from numpy.typing import NDArray
from scratch import add_embedder, add_texts, scratch_database

from tagdb import config
from tagdb.db import copy
from tagdb.db.connection import Database
from tagdb.models import Silent
from tagdb.pipeline.learning.train import TrainSettings, train

TRAINING_ROWS = 20_000
TOLERANCE = 1e-5
# Every third label is any, so that no class is certain: of saturated probabilities all ways of computing them agree.
TRAINING = """
SELECT question_id, 'class ' ||
    mod(CASE WHEN mod(text_id, 3) = 0 THEN text_id / 3 ELSE mod(text_id - 1, {pool}) END, {classes}) AS label
FROM tagdb.question
"""
STORED_LABELS = """
SELECT l.text_id, CAST(array_position(c.classes, l.label) - 1 AS integer), l.probability
FROM tagdb.labels l JOIN tagdb.classifier c ON c.id = l.classifier_id
ORDER BY l.question_id
"""

Labels = tuple[NDArray[np.int64], NDArray[Any], NDArray[np.float64]]


def prepare(database: Database, vectors: int, dim: int, classes: int, rows: int) -> DataPath:
    """Make up texts and questions, and an embedder for each way of writing; the first one is active."""
    with database.session() as session:
        add_texts(session, vectors, rows)
        embedders = {way: add_embedder(session, way, dim) for way in WRITERS}
        session.execute("embedder.activate", id=embedders[WRITERS[0]])
    return DataPath(database.dsn, vectors, dim, classes, rows, embedders)


def trained(path: DataPath) -> DataPath:
    """Let tagdb train a classifier on the stored vectors."""
    query = TRAINING.format(pool=len(path.pool), classes=path.classes)
    with path.database.session() as session:
        session.execute("sync.analyze_vectors")
    result = train(path.database, query, TrainSettings(sample=TRAINING_ROWS, max_iter=50), Silent())
    return replace(path, classifier=result.classifier)


def measure(path: DataPath, part: str, rounds: int, *, memory: bool, alone: bool = False) -> list[dict[str, Any]]:
    """Take the ways of one part in turns, or tagdb's `alone`; return a row of the table for each."""
    ways = dict(islice(path.ways()[part].items(), 1 if alone else None))
    seconds = interleaved(rounds, ways, before=partial(path.make_room, part))
    typical = medians(seconds)
    ours = next(iter(typical.values()))
    return [
        {
            "part": part,
            "way": way,
            "vectors/s": path.vectors / each,
            "rows/s": path.rows / each if part == "labels written" else None,
            "seconds": each,
            "spread": spread(seconds[way]),
            "times tagdb's": each / ours,
            "peak MB": _peak_mb(path, part, way) if memory else None,
        }
        for way, each in typical.items()
    ]


def _peak_mb(path: DataPath, part: str, way: str) -> float:
    """Run one way in a process of its own, and return the most memory that this had."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_run_and_weigh, replace(path), part, way).result()


def _run_and_weigh(path: DataPath, part: str, way: str) -> float:
    path.make_room(part, way)
    path.ways()[part][way]()
    return peak_bytes() / 2**20


def vector_difference(path: DataPath) -> float:
    """Return the largest difference between vectors made up, and stored and read in any of the ways."""
    reads: dict[str, Callable[[Sink], None]] = {
        f"written by {way}": replace(path, embedders={way: number}).copy_out for way, number in path.embedders.items()
    }
    reads |= {"read with a cursor": path.cursor_out, "read with the ORM": path.orm_out}
    return max(_vector_difference(path, name, read) for name, read in reads.items())


def _vector_difference(path: DataPath, name: str, read: Callable[[Sink], None]) -> float:
    """Compare what `read` finds with what was written; every vector has to be there, and the same."""
    seen = np.zeros(path.vectors, dtype=np.bool_)
    largest = 0.0

    def compare(ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        nonlocal largest
        seen[ids - 1] = True
        largest = max(largest, float(np.abs(vectors - path.expected(ids)).max()))

    read(compare)
    if largest or not seen.all():
        raise SystemExit(f"{name}: {seen.sum():,} vectors, which differ by up to {largest}")
    return largest


def label_difference(path: DataPath) -> float:
    """Return the largest difference of a label's probability between tagdb and scikit-learn; labels have to agree.

    tagdb is held to scikit-learn in doubles, for its sums of float32 are themselves off by more than tagdb's; what it
    writes back, to what it computes.
    """
    path.truncate("labels")
    path.predict()
    by_tagdb = _stored_labels(path)
    path.truncate("labels")
    path.fetch_predict_and_write()
    written_back = _stored_labels(path)
    return max(
        _label_difference(by_tagdb, _labels_of_questions(by_tagdb[0], *path.fetch_and_predict(np.float64))),
        _label_difference(written_back, _labels_of_questions(written_back[0], *path.fetch_and_predict())),
    )


def _labels_of_questions(texts: NDArray[np.int64], classes: NDArray[Any], probability: NDArray[np.float64]) -> Labels:
    return texts, classes[texts - 1], probability[texts - 1]


def _stored_labels(path: DataPath) -> Labels:
    """Return text, class and probability of every question, in the order of the questions."""
    blocks: list[NDArray[Any]] = []
    fields: list[tuple[str, str | int]] = [("text", "i8"), ("class", "i4"), ("probability", "f8")]
    with path.database.session() as session:
        copy.copy_out(session.cursor(), STORED_LABELS, fields, blocks.append)
    rows = np.concatenate(blocks)
    if len(rows) != path.rows:
        raise SystemExit(f"{len(rows):,} labels of {path.rows:,} questions")
    return rows["text"].astype(np.int64), rows["class"], rows["probability"].astype(np.float64)


def _label_difference(ours: Labels, theirs: Labels) -> float:
    """Compare two ways; labels may differ where two classes are as probable as each other, to the last digits."""
    largest = float(np.abs(ours[2] - theirs[2]).max())
    differ = (ours[1] != theirs[1]) & (ours[2] > 0.5 + TOLERANCE)
    if largest > TOLERANCE or differ.any() or not np.array_equal(ours[0], theirs[0]):
        raise SystemExit(f"{differ.sum():,} labels differ, and probabilities by up to {largest}")
    return largest


def run(database: Database, arguments: argparse.Namespace) -> dict[str, Any]:
    """Do all of it in an empty database; return the rows of the table and the largest differences."""
    rows = round(arguments.vectors * arguments.rows_per_text)
    path = prepare(database, arguments.vectors, arguments.dim, arguments.classes, rows)
    measured = partial(measure, rounds=arguments.rounds, memory=arguments.memory, alone=arguments.alone)
    results = measured(path, "in")
    path = trained(path)
    for part in ("out", "labels written", "labels computed"):
        results += measured(path, part)
    if arguments.alone:
        return {"results": results, "largest difference": {}}
    differences = {"vectors": vector_difference(path), "probabilities": label_difference(path)}
    return {"results": results, "largest difference": differences}


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    server = config.libpq_dsn(arguments.db_url) if arguments.db_url else None
    with scratch_database(server) as database:
        report = {"machine": machine(), **run(database, arguments)}
    if arguments.json:
        print(json.dumps(report, indent=2))
        return
    print(*(f"{name}: {value}" for name, value in report["machine"].items()), sep="\n")
    print(f"{arguments.vectors:,} vectors of {arguments.dim:,}, {arguments.classes} classes", end="")
    print(f", {arguments.rounds} rounds\n")
    print_table(report["results"], list(report["results"][0]))
    if differences := report["largest difference"]:
        print("\nlargest difference:", ", ".join(f"{k} {v:.1e}" for k, v in differences.items()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=20_000, help="distinct texts (default: 20000)")
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--rows-per-text", type=float, default=2, help="questions for each distinct text (default: 2)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="tagdb's way only, compared with nothing")
    parser.add_argument(
        "--memory", action="store_true", help="run each once more, in a process of its own, for its peak"
    )
    parser.add_argument("--db-url", help="a server to make the database on (default: an embedded one of its own)")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
