"""`tagdb models`: the stored classifiers, listed, shown, activated and deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tagdb import classify
from tagdb.classify import Metrics
from tagdb.db.connection import Database, Row, Session
from tagdb.errors import InputRefused
from tagdb.pipeline.locking import exclusive
from tagdb.pipeline.recording import recorded


@dataclass(frozen=True)
class StoredClassifier:
    """A classifier as it is stored, without its weights; `usable` when its embedder is the active one."""

    id: int
    name: str
    active: bool
    embedder: str
    usable: bool
    classes: tuple[str, ...]
    query: str
    metrics: dict[str, Any]
    settings: dict[str, Any]
    versions: dict[str, str]
    created_at: datetime

    @property
    def report(self) -> str:
        """Precision, recall, F1 and support of each class on the held-out rows, as a table of text."""
        return classify.render_report(Metrics.from_json(self.metrics))

    @property
    def confusion(self) -> str:
        """The confusion matrix on the held-out rows, as a table of text."""
        return classify.render_confusion(Metrics.from_json(self.metrics))

    @classmethod
    def from_row(cls, row: Row) -> StoredClassifier:
        """Take the columns of a row of `classifier` joined with its embedder."""
        return cls(
            row.id,
            row.name,
            row.active,
            row.embedder,
            row.embedder_active,
            tuple(row.classes),
            row.query,
            row.metrics,
            row.settings,
            row.versions,
            row.created_at,
        )


def stored(database: Database) -> Sequence[StoredClassifier]:
    """Return all classifiers, oldest first."""
    with database.session() as session:
        return [StoredClassifier.from_row(row) for row in session.rows("classifier.all")]


def find(database: Database, which: str) -> StoredClassifier:
    """Return the classifier of that name or number."""
    with database.session() as session:
        return _find(session, which)


def activate(database: Database, which: str) -> StoredClassifier:
    """Let sync and predict use this classifier; the labels of the former one become stale.

    Raises
    ------
    InputRefused : there is none of that name, or its embedder is not the active one
    """
    with database.session() as session, exclusive(session), recorded(session, "models activate", {"which": which}):
        found = _find(session, which)
        if not found.usable:
            raise InputRefused(
                f"classifier {found.name!r} was trained on vectors of embedder {found.embedder!r}, not the active one",
                hint="train on the new vectors: tagdb train --query SQL",
            )
        with session.transaction():
            session.execute("classifier.deactivate", id=found.id)
            session.execute("classifier.activate", id=found.id)
        return replace(found, active=True)


def delete(database: Database, which: str) -> StoredClassifier:
    """Delete a classifier with its weights and the labels it wrote."""
    with database.session() as session, exclusive(session), recorded(session, "models delete", {"which": which}):
        found = _find(session, which)
        session.execute("classifier.delete", id=found.id)
        return found


def _find(session: Session, which: str) -> StoredClassifier:
    row = session.row("classifier.find", which=which)
    if row is None:
        raise InputRefused(f"there is no classifier {which!r}", hint="tagdb models list")
    return StoredClassifier.from_row(row)
