"""The ways into and out of PostgreSQL that `data_path.py` compares: tagdb's own, and those that others would take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg2
import sqlalchemy
from numpy.typing import DTypeLike, NDArray
from pgvector import Vector
from pgvector.psycopg2 import register_vector
from pgvector.sqlalchemy import VECTOR
from psycopg2.extras import execute_values
from scratch import TOKENS, Mixture, store
from sqlalchemy import orm

from tagdb.db import copy, partitions
from tagdb.db.connection import Database
from tagdb.pipeline.learning import scoring
from tagdb.pipeline.learning.predict import write_labels

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

WRITERS = ("tagdb sync: COPY", "execute_values", "ORM insert(), dicts", "ORM add_all()")
FIRST_BLOCK = 8_192
POOL = 2 * FIRST_BLOCK
ROWS_AT_ONCE = 2_000
WEIGHTS = "SELECT class, coef, intercept FROM tagdb.classifier_weight WHERE classifier_id = :id ORDER BY position"
STAGE_LABELS = "CREATE TEMP TABLE predicted (text_id bigint, class smallint, probability double precision)"
INSERT_LABELS = """
INSERT INTO tagdb.labels (question_id, label, probability, classifier_id, text_id)
SELECT q.question_id, c.classes[p.class + 1], p.probability, c.id, p.text_id
FROM predicted p JOIN tagdb.question q USING (text_id), tagdb.classifier c
WHERE c.id = {classifier}
ORDER BY q.question_id
"""

Sink = Callable[[NDArray[np.int64], NDArray[np.float32]], None]


class Base(orm.DeclarativeBase):
    """What the ORM knows."""


class TextVector(Base):
    """A vector as somebody would map it who writes with the ORM."""

    __tablename__ = "text_vector"
    __table_args__ = ({"schema": "tagdb"},)

    text_id: orm.Mapped[int] = orm.mapped_column(sqlalchemy.BigInteger, primary_key=True, autoincrement=False)
    embedder_id: orm.Mapped[int] = orm.mapped_column(primary_key=True, autoincrement=False)
    tokens: orm.Mapped[int]
    truncated: orm.Mapped[bool]
    embedding: orm.Mapped[Any] = orm.mapped_column(VECTOR())


@dataclass(frozen=True)
class DataPath:
    """What is moved, where to and from; each way of writing has an embedder, and so a partition, of its own."""

    dsn: str
    vectors: int
    dim: int
    classes: int
    rows: int
    embedders: Mapping[str, int]
    classifier: int = 0

    @cached_property
    def database(self) -> Database:
        """The database of the benchmark."""
        return Database(self.dsn, origin="benchmark")

    @cached_property
    def pool(self) -> NDArray[np.float32]:
        """The vectors of the first texts, (n, dim); those of later ones are the same again."""
        return Mixture(self.dim, self.classes).draw(min(self.vectors, POOL), seed=0)

    def expected(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of texts."""
        return self.pool[(ids - 1) % len(self.pool)]

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield numbers and vectors of all texts, in blocks of the size that sync takes."""
        for first in range(1, self.vectors + 1, FIRST_BLOCK):
            ids = np.arange(first, min(first + FIRST_BLOCK, self.vectors + 1))
            place = (first - 1) % len(self.pool)
            yield ids, self.pool[place : place + len(ids)]

    # Into the database

    def copy_in(self, embedder: int) -> None:
        """Write as tagdb does."""
        with self.database.session() as session:
            for ids, vectors in self.blocks():
                store(session, embedder, ids, vectors)

    def execute_values_in(self, embedder: int) -> None:
        """Write with psycopg2's fastest INSERT and pgvector's adapter."""
        with closing(psycopg2.connect(self.dsn)) as connection, connection.cursor() as cursor:
            register_vector(connection)
            names = "text_id, embedder_id, tokens, truncated, embedding"
            for ids, vectors in self.blocks():
                rows = [(i, embedder, TOKENS, False, v) for i, v in zip(ids.tolist(), vectors, strict=True)]
                execute_values(cursor, f"INSERT INTO tagdb.text_vector ({names}) VALUES %s", rows)
                connection.commit()

    def orm_in(self, embedder: int, *, bulk: bool = False) -> None:
        """Write with the ORM: its objects, or its bulk INSERT of dictionaries."""
        with orm.Session(self.database.engine) as session:
            for ids, vectors in self.blocks():
                rows = [
                    {"text_id": i, "embedder_id": embedder, "tokens": TOKENS, "truncated": False, "embedding": v}
                    for i, v in zip(ids.tolist(), vectors, strict=True)
                ]
                if bulk:
                    session.execute(sqlalchemy.insert(TextVector), rows)
                else:
                    session.add_all([TextVector(**row) for row in rows])
                session.commit()

    # Out of it

    @cached_property
    def source(self) -> int:
        """The embedder whose vectors are read."""
        return next(iter(self.embedders.values()))

    def copy_out(self, sink: Sink) -> None:
        """Read as tagdb does."""
        query = f"SELECT text_id, embedding FROM tagdb.{partitions.name('text_vector', self.source)}"
        with self.database.session() as session:
            copy.copy_out(
                session.cursor(),
                query,
                [("id", "i8"), ("vector", self.dim)],
                lambda block: sink(block["id"].astype(np.int64), block["vector"].astype(np.float32)),
            )

    def cursor_out(self, sink: Sink) -> None:
        """Read with a server-side cursor and pgvector's adapter."""
        with closing(psycopg2.connect(self.dsn)) as connection, connection.cursor("vectors") as cursor:
            register_vector(connection)
            cursor.execute("SELECT text_id, embedding FROM tagdb.text_vector WHERE embedder_id = %s", (self.source,))
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                sink(np.array([i for i, _ in rows]), np.stack([vector.to_numpy() for _, vector in rows]))

    def orm_out(self, sink: Sink) -> None:
        """Read objects of the ORM, block by block."""
        query = sqlalchemy.select(TextVector).where(TextVector.embedder_id == self.source)
        with orm.Session(self.database.engine) as session:
            for rows in session.scalars(query.execution_options(yield_per=ROWS_AT_ONCE)).partitions():
                sink(
                    np.array([row.text_id for row in rows]),
                    np.array([row.embedding for row in rows], dtype=np.float32),
                )

    # Labels

    def predict(self) -> None:
        """Write the label of every question, as `tagdb predict` does."""
        with self.database.session() as session:
            write_labels(session)

    def score(self) -> None:
        """Compute every label in the database, as `tagdb predict` does, and write none."""
        with self.database.session() as session, session.rehearsal():
            scoring.create_scored(
                session,
                classifier=self.classifier,
                embedder=self.source,
                dim=self.dim,
                texts=f"tagdb.{partitions.name('text_vector', self.source)}",
            )

    @cached_property
    def estimator(self) -> LogisticRegression:
        """scikit-learn's classifier with the weights of the one in the database."""
        from sklearn.linear_model import LogisticRegression

        with self.database.session() as session:
            rows = session.rows_of(WEIGHTS, {"id": self.classifier})
        estimator = LogisticRegression()
        estimator.classes_ = np.array([row[0] for row in rows])
        part = slice(1, None) if len(rows) == 2 else slice(None)
        estimator.coef_ = np.stack([Vector.from_text(row.coef).to_numpy() for row in rows])[part]
        estimator.intercept_ = np.array([row.intercept for row in rows])[part]
        return estimator

    def fetch_and_predict(self, dtype: DTypeLike = np.float32) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
        """Fetch by COPY and ask scikit-learn, in `dtype`: the class and its probability of each text, by number."""
        classes, probability = np.empty(self.vectors, dtype=np.int16), np.empty(self.vectors)
        held: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []

        def ask() -> None:
            places = np.concatenate([ids for ids, _ in held]) - 1
            vectors = np.concatenate([each for _, each in held]).astype(dtype, copy=False)
            probabilities = self.estimator.predict_proba(vectors)
            classes[places], probability[places] = probabilities.argmax(axis=1), probabilities.max(axis=1)
            held.clear()

        def take(ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
            held.append((ids, vectors))
            if sum(len(each) for each, _ in held) >= FIRST_BLOCK:
                ask()

        self.copy_out(take)
        if held:
            ask()
        return classes, probability

    def fetch_predict_and_write(self) -> None:
        """Do the whole of `predict` outside: fetch, ask scikit-learn, send the labels back by COPY."""
        classes, probability = self.fetch_and_predict()
        with self.database.session() as session:
            with session.transaction():
                session.run_script(STAGE_LABELS)
                columns: list[NDArray[Any]] = [np.arange(1, self.vectors + 1), classes, probability]
                copy.copy_in(session.cursor(), "predicted", ("text_id", "class", "probability"), columns)
                session.run_script("ANALYZE predicted")
                session.run_script(INSERT_LABELS.format(classifier=self.classifier))
            session.execute("predict.analyze")

    # All of it

    def ways(self) -> dict[str, dict[str, Callable[[], object]]]:
        """Return what is compared, tagdb's way first in each part."""
        orm_bulk_in: Callable[[int], None] = partial(self.orm_in, bulk=True)
        writers = zip(WRITERS, (self.copy_in, self.execute_values_in, orm_bulk_in, self.orm_in), strict=True)
        return {
            "in": {way: partial(write, self.embedders[way]) for way, write in writers},
            "out": {
                "tagdb: COPY": partial(self.copy_out, _ignore),
                "cursor, pgvector": partial(self.cursor_out, _ignore),
                "ORM select()": partial(self.orm_out, _ignore),
            },
            "labels written": {
                "tagdb predict": self.predict,
                "fetch, predict_proba, write": self.fetch_predict_and_write,
            },
            "labels computed": {
                "tagdb, in SQL": self.score,
                "fetch, predict_proba": self.fetch_and_predict,
            },
        }

    def make_room(self, part: str, way: str) -> None:
        """Empty what a way is about to write."""
        if part == "in":
            self.truncate(partitions.name("text_vector", self.embedders[way]))
        if part == "labels written":
            self.truncate("labels")

    def truncate(self, table: str) -> None:
        """Empty a table of tagdb's."""
        with self.database.session() as session:
            session.run_script(f"TRUNCATE tagdb.{table}")


def _ignore(_ids: NDArray[np.int64], _vectors: NDArray[np.float32]) -> None:
    """Be done with the vectors."""
