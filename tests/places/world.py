"""A small database in somebody else's place, with vectors, tags, a classifier and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg2

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.models import Silent
from tagdb.pipeline.learning import predict, train
from tests.pipeline import stored

LABELS = ["red", "green", "blue", None] * 6


def migrated(dsn: str) -> Database:
    """Return the database of `dsn`, with schema tagdb in it."""
    database = Database(dsn, origin="test")
    schema.migrate(database)
    return database


def filled(dsn: str) -> Database:
    """Return the database of `dsn`, in which 24 questions have got texts, vectors, tags and labels."""
    database = migrated(dsn)
    texts = stored.numbered(LABELS)
    vectors = dict(zip(texts, stored.clustered(LABELS, dim=16), strict=True))
    stored.fill(database, texts, vectors, labels=LABELS, tags=[[label or "grey", "all"] for label in LABELS])
    train.train(database, stored.LABELLED, train.TrainSettings(), Silent())
    predict.predict(database, Silent())
    return database


def rows_of(dsn: str, *statements: str) -> Sequence[tuple[Any, ...]]:
    """Run statements without tagdb, as one transaction, and return the rows of the last."""
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
