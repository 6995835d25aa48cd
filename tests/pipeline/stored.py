"""Databases with chosen vectors in them, so that what follows embedding can be tested without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagdb.db import copy, partitions, source
from tagdb.db.connection import Database, Row, Session
from tagdb.db.embedded import SUPERUSER, EmbeddedServer
from tagdb.models import Progress, Silent
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.syncing import tag_vectors

DIM = 1024
LABELLED = "SELECT id AS question_id, label FROM questions WHERE label IS NOT NULL"

Vector = NDArray[np.float32]


class Listener(Silent):
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps: list[str] = []

    def say(self, message: str) -> None:
        """Keep a line."""
        self.said.append(message)

    @contextmanager
    def step(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Progress]:  # noqa: ARG002
        """Keep the step's name."""
        self.steps.append(name)
        yield self


@contextmanager
def shared_database(
    server: EmbeddedServer, execute: Callable[[str], None], template: str, name: str
) -> Iterator[Database]:
    """Make a migrated database for several tests that leave it as it is, or do not mind what others left."""
    execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield Database(f"postgresql://{SUPERUSER}@/{name}?host={server.socket_folder}", origin="test")
    execute(f"DROP DATABASE {name} WITH (FORCE)")


def clustered(
    labels: Sequence[str | None], *, seed: int = 0, apart: float = 0.35, dim: int = DIM
) -> NDArray[np.float32]:
    """Draw a vector for each label: those of a label lie about a centre of its own, `apart` noise widths off."""
    rng = np.random.default_rng(seed)
    names = sorted({label or "" for label in labels})
    centres = {name: rng.normal(0, apart * 0.2, dim) for name in names}
    offset = rng.normal(0, 0.2, dim)
    drawn = [centres[label or ""] + offset + rng.normal(0, 0.2, dim) for label in labels]
    return np.array(drawn, dtype=np.float32)


def fill(
    database: Database,
    texts: Sequence[str],
    vectors: Mapping[str, Vector],
    *,
    labels: Sequence[str | None] | None = None,
    tags: Sequence[Sequence[str]] | None = None,
) -> None:
    """Store questions 1, 2, … with these titles, labels and tags, embedded where `vectors` has their title."""
    labels = labels or [None] * len(texts)
    tags = tags or [[]] * len(texts)
    with database.session() as session:
        session.run_script(
            "CREATE TABLE questions (id bigint PRIMARY KEY, title text, label text, created_at timestamptz);"
            "CREATE TABLE tags (question_id bigint, position smallint, tag text, PRIMARY KEY (question_id, position))"
        )
        questions = [(number, text, label) for number, (text, label) in enumerate(zip(texts, labels, strict=True), 1)]
        copy.copy_text_in(session.cursor(), "questions", ("id", "title", "label"), questions)
        session.run_script("UPDATE questions SET created_at = timestamptz '2020-01-15 12:00Z' + id * interval '1 day'")
        tagged = [(number, place, tag) for number, each in enumerate(tags, 1) for place, tag in enumerate(each)]
        copy.copy_text_in(session.cursor(), "tags", ("question_id", "position", "tag"), tagged)
        source.ensure(session, source.Choice("title"))
        embedder = new_embedder(session, "first", dim=len(next(iter(vectors.values()), range(DIM))))
        session.run_script(
            "INSERT INTO tagdb.text (hash, text) SELECT sha256(convert_to(title, 'UTF8')), title FROM questions "
            "GROUP BY title ORDER BY min(id);"
            "INSERT INTO tagdb.question (question_id, text_id) "
            "SELECT q.id, t.id FROM questions q JOIN tagdb.text t ON t.text = q.title"
        )
        embed(session, embedder, vectors)
        active = registry.active(session)
        assert active is not None
        tag_vectors.refresh(session, active)
        session.run_script("ANALYZE")


def new_embedder(session: Session, name: str, *, dim: int = DIM) -> int:
    """Register an embedder and make it the one in use."""
    session.run_script("UPDATE tagdb.embedder SET chosen = false, active = false")
    (row,) = session.rows_of(
        "INSERT INTO tagdb.embedder (name, kind, fingerprint, dim, directory, config, chosen, active) "
        "VALUES (:name, 'elmo', :name, :dim, :name, '{}', true, true) RETURNING id",
        {"name": name, "dim": dim},
    )
    partitions.create(session, row.id, dim)
    return int(row.id)


def embed(session: Session, embedder: int, vectors: Mapping[str, Vector]) -> None:
    """Store the vectors of the texts there are."""
    rows = [row for row in session.rows_of("SELECT id, text FROM tagdb.text ORDER BY id", {}) if row.text in vectors]
    columns: list[NDArray[Any]] = [
        np.array([row.id for row in rows], dtype=np.int64),
        np.full(len(rows), embedder, dtype=np.int32),
        np.ones(len(rows), dtype=np.int32),
        np.zeros(len(rows), dtype=np.bool_),
        np.array([vectors[row.text] for row in rows], dtype=np.float32),
    ]
    names = ("text_id", "embedder_id", "tokens", "truncated", "embedding")
    copy.copy_in(session.cursor(), session.qualified("text_vector"), names, columns)


def rows(database: Database, sql: str) -> list[Row]:
    """Run SQL, with its colons as they are, and return its rows."""
    with database.session() as session:
        return session.rows_of(sql.replace(":", "\\:"), {})


def column(database: Database, sql: str) -> list[object]:
    """Run SQL and return the first column of its rows."""
    return [row[0] for row in rows(database, sql)]


def run(database: Database, *statements: str) -> None:
    """Run statements."""
    with database.session() as session:
        for statement in statements:
            session.run_script(statement)


def numbered(labels: Iterable[str | None]) -> list[str]:
    """Give each label a text of its own."""
    return [f"text {number}" for number, _ in enumerate(labels, 1)]
