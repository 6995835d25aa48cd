"""What a sync costs where changes are captured, and what capturing costs whoever writes.

    python benchmarks/capture.py
    python benchmarks/capture.py --questions 1000000 --edits 1000 --rounds 3 --json
    python benchmarks/capture.py --text title --db-url postgresql://localhost/postgres

Made-up questions, each with a title and three of 20,000 tags (few of them popular), are synced with a made-up
embedder: a text's vector is drawn from its hash, so that embedding costs next to nothing and what is measured is the
rest. Labels are those of a classifier trained on a sample. Then, without and with capture: a sync with nothing to do,
and one after so many edits (of a tag, of a title, new questions and deleted ones, a quarter each); seconds are those of
`sync` itself, without the start of a process. And, in turn with the triggers and without, what writing costs: an INSERT
of 10,000 questions, one of their tags, and updates.

The work is done in a database of its own, on an embedded server of its own or on that of --db-url, and dropped after.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from measuring import machine, print_table
from numpy.typing import NDArray
from scratch import add_embedder, scratch_database, value_of

from tagdb import config
from tagdb.db.connection import Database, Session
from tagdb.models import Silent
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.running import capturing
from tagdb.pipeline.sync import Choice, sync

DIM = 64
TAGS = 20_000
INSERTED = 10_000
TURNS = 15
TABLES = """
CREATE TABLE questions (id bigint PRIMARY KEY, title text, label text, created_at timestamptz);
CREATE TABLE tags (question_id bigint, position smallint, tag text, PRIMARY KEY (question_id, position));
"""
FILL = """
INSERT INTO questions (id, title, label)
SELECT n, 'a made-up question about number ' || n, 'label ' || n % 3 FROM generate_series({first}, {last}) n;
INSERT INTO tags SELECT n, p, 'tag' || p || '-' || floor({tags} * power(random(), 3))
FROM generate_series({first}, {last}) n, generate_series(0, 2) p;
"""
EDIT = """
UPDATE tags SET tag = 'tag0-' || floor({tags} * power(random(), 3))
WHERE position = 0 AND question_id IN (SELECT floor(random() * {n}) FROM generate_series(1, {quarter}));
UPDATE questions SET title = title || '.' WHERE id IN (SELECT floor(random() * {n}) FROM generate_series(1, {quarter}));
DELETE FROM tags WHERE question_id IN (SELECT id FROM questions ORDER BY id LIMIT {quarter});
DELETE FROM questions WHERE id IN (SELECT id FROM questions ORDER BY id LIMIT {quarter});
"""


class FakeEmbedder:
    """Draws the vector of a text from its hash."""

    dim = DIM

    def tokenize(self, texts: Sequence[str]) -> list[list[str]]:
        """Return each text as one token."""
        return [[text] if text else [] for text in texts]

    def embed_tokens(self, tokenized: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """Return the vectors, shape (texts, dim)."""
        hashes = np.array([zlib.crc32(tokens[0].encode()) for tokens in tokenized], dtype=np.uint64)
        places = np.arange(1, DIM + 1, dtype=np.uint64) * np.uint64(2654435761)
        mixed = (hashes[:, None] * places[None, :]) % np.uint64(1_000_003)
        return (mixed.astype(np.float32) / np.float32(500_001.5) - 1).astype(np.float32)


def run_sql(database: Database, sql: str) -> float:
    """Run statements as one transaction, and return how many seconds they took."""
    with database.session() as session:
        started = time.perf_counter()
        with session.transaction():
            session.run_script(sql)
        return time.perf_counter() - started


def prepare(database: Database, questions: int, text: str) -> None:
    """Make up questions, sync them, and train a classifier that has written all labels."""
    with database.session() as session:
        number = add_embedder(session, "made up", DIM)
        session.execute("embedder.choose", id=number)
        session.execute("embedder.activate", id=number)
    run_sql(database, TABLES)
    step = 100_000
    for first in range(1, questions + 1, step):
        run_sql(database, FILL.format(first=first, last=min(first + step - 1, questions), tags=TAGS))
    run_sql(database, "ANALYZE questions, tags")
    sync(database, Choice(text), Silent(), index=False)
    query = "SELECT id AS question_id, label FROM questions WHERE label IS NOT NULL"
    train(database, query, TrainSettings(sample=5_000, max_iter=20), Silent())
    sync(database, Choice(), Silent(), index=False)


def timed(database: Database, *, full: bool = False) -> float:
    """Return the seconds of a sync."""
    started = time.perf_counter()
    sync(database, Choice(), Silent(), index=False, full=full)
    return time.perf_counter() - started


def edited(database: Database, edits: int) -> float:
    """Return the seconds of a sync after so many edits."""
    with database.session() as session:
        last: int = value_of(session, "SELECT max(id) FROM questions")
    quarter = edits // 4
    run_sql(database, EDIT.format(n=last, tags=TAGS, quarter=quarter))
    run_sql(database, FILL.format(first=last + 1, last=last + quarter, tags=TAGS))
    return timed(database)


def written(database: Database) -> list[dict[str, Any]]:
    """Return what writing costs without the triggers and with them, in turn, each time undone.

    Of the statements the medians of seconds, and the median of what each turn gives for the second way to the first.
    """
    with database.session() as session:
        last: int = value_of(session, "SELECT max(id) FROM questions")
        questions, tags = FILL.format(first=last + 1, last=last + INSERTED, tags=TAGS).strip().split(";\n")
        statements = {
            f"INSERT of {INSERTED:,} questions": questions,
            f"INSERT of their {3 * INSERTED:,} tags": tags.rstrip(";\n"),
            f"UPDATE of {INSERTED:,} labels": f"UPDATE questions SET label = 'x' WHERE id > {last}",
            "UPDATE of one title": f"UPDATE questions SET title = 'another title' WHERE id = {last + 1}",
        }
        turns = [[_statements(session, statements.values(), fire) for fire in (False, True)] for _ in range(TURNS)]
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(statements):
        without, captured = ([turn[way][number] for turn in turns] for way in (0, 1))
        rows.append(
            {
                "what": name,
                "without": statistics.median(without),
                "captured": statistics.median(captured),
                "times": statistics.median(b / a for a, b in zip(without, captured, strict=True)),
            }
        )
    return rows


def _statements(session: Session, statements: Iterable[str], fire: bool) -> list[float]:
    """Return the seconds of statements in a transaction that is undone."""
    session.begin()
    try:
        if not fire:
            session.run_script("ALTER TABLE questions DISABLE TRIGGER USER; ALTER TABLE tags DISABLE TRIGGER USER")
        taken: list[float] = []
        for statement in statements:
            started = time.perf_counter()
            session.run_script(statement)
            taken.append(time.perf_counter() - started)
        return taken
    finally:
        session.roll_back()


def measure(database: Database, edits: int, rounds: int) -> dict[str, float]:
    """Return the median seconds of each thing that is measured."""
    rows: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        rows.setdefault(name, []).append(seconds)

    for _ in range(rounds):
        note("sync, nothing to do", timed(database))
        note(f"sync after {edits:,} edits", edited(database, edits))
    return {name: statistics.median(each) for name, each in rows.items()}


def fake_embedder(_stored: StoredEmbedder) -> FakeEmbedder:
    """Stand in for `registry.load`."""
    return FakeEmbedder()


def run(database: Database, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Do all of it in an empty database; return the rows of the table."""
    load = registry.load
    registry.load = fake_embedder  # type: ignore[assignment]
    try:
        prepare(database, arguments.questions, arguments.text)
        without = measure(database, arguments.edits, arguments.rounds)
        capturing.switch_on(database, {}, Silent())
        first = timed(database)
        captured = measure(database, arguments.edits, arguments.rounds)
        writes = written(database)
        full = timed(database, full=True)
    finally:
        registry.load = load
    rows = [
        {"what": name, "without": without[name], "captured": captured[name], "times": captured[name] / without[name]}
        for name in without
    ]
    return [
        *rows,
        *writes,
        {"what": "first sync with capture", "captured": first},
        {"what": "sync --full", "captured": full},
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=100_000)
    parser.add_argument("--edits", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--text", default="tags", choices=["tags", "title", "title+tags"])
    parser.add_argument("--db-url", help="a server, instead of an embedded one of its own")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    server = config.libpq_dsn(arguments.db_url) if arguments.db_url else None
    with scratch_database(server) as database:
        before = os.getloadavg()[0]
        rows = run(database, arguments)
        report = {"machine": machine(), "load": [before, os.getloadavg()[0]], "results": rows}
    if arguments.json:
        print(json.dumps(report, indent=2))
        return
    print_table(rows, ["what", "without", "captured", "times"])
    after = os.getloadavg()[0]
    print(f"\nseconds, medians of {arguments.rounds} rounds; load of the machine {before:.1f} to {after:.1f}")


if __name__ == "__main__":
    main()
