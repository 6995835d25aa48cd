"""What benchmarks of the database work in: a database of their own that is dropped after, and made-up vectors in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
from numpy.typing import NDArray
from psycopg2.extensions import make_dsn

from tagdb.db import partitions, schema
from tagdb.db.connection import Database, Session
from tagdb.db.embedded import EmbeddedServer
from tagdb.pipeline.syncing import blocks

TOKENS = 8
TEXTS = """
INSERT INTO tagdb.text (id, hash, text) OVERRIDING SYSTEM VALUE
SELECT n, sha256(convert_to(t, 'UTF8')), t
FROM (SELECT n, format('a made-up question, about as long as titles are: number %s', n) AS t
      FROM generate_series(1, {texts}) n) made_up;
INSERT INTO tagdb.question (question_id, text_id)
SELECT n, 1 + mod(n - 1, {texts}) FROM generate_series(1, {questions}) n;
"""


@contextmanager
def scratch_database(server: str | None) -> Iterator[Database]:
    """Make a migrated database on that server, or on an embedded one in a temporary folder; drop it after."""
    if server is None:
        with tempfile.TemporaryDirectory(prefix="tagdb-benchmark-", dir="/tmp", ignore_cleanup_errors=True) as home:
            embedded = EmbeddedServer(Path(home))
            try:
                yield _migrated(embedded.acquire())
            finally:
                embedded.stop(force=True)
        return
    name = f"tagdb_benchmark_{os.getpid()}"
    with closing(psycopg2.connect(server)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"CREATE DATABASE {name}")
        try:
            yield _migrated(make_dsn(server, dbname=name))
        finally:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _migrated(dsn: str) -> Database:
    database = Database(dsn, origin="benchmark")
    schema.migrate(database)
    return database


class Mixture:
    """Vectors as embedders make them: clusters around a common direction, few of the dimensions carrying most of it."""

    def __init__(self, dim: int, clusters: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._scale = np.arange(1, dim + 1, dtype=np.float32) ** np.float32(-0.5)
        common = rng.standard_normal(dim, dtype=np.float32) * self._scale
        self._centres = common + rng.standard_normal((clusters, dim), dtype=np.float32) * self._scale

    def draw(self, n: int, seed: int, noise: float = 0.5) -> NDArray[np.float32]:
        """Draw vectors, shape (n, dim), from the clusters in turn."""
        vectors = np.random.default_rng([1, seed]).standard_normal((n, len(self._scale)), dtype=np.float32)
        vectors *= self._scale * np.float32(noise)
        vectors += self._centres[np.arange(n) % len(self._centres)]
        return vectors


def add_embedder(session: Session, name: str, dim: int) -> int:
    """Register an embedder without a model, with partitions for its vectors; return its number."""
    number: int = session.scalar(
        "embedder.register", name=name, kind="benchmark", fingerprint=name, dim=dim, directory="", config="{}"
    )
    partitions.create(session, number, dim)
    return number


def add_texts(session: Session, texts: int, questions: int) -> None:
    """Make up distinct texts, numbered from 1, and questions that share them evenly."""
    session.run_script(TEXTS.format(texts=texts, questions=questions))
    session.execute("sync.analyze_texts")


def store(session: Session, embedder: int, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
    """Store vectors as `tagdb sync` does, by its own function."""
    block = blocks.Block(ids.tolist(), [["token"] * TOKENS] * len(ids), [False] * len(ids), [vectors])
    blocks.store(session, embedder, block)


def value_of(session: Session, sql: str, **parameters: Any) -> Any:
    """Return the one value that a query gives."""
    return session.rows_of(sql, parameters)[0][0]
