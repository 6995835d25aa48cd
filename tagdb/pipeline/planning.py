"""`tagdb sync --dry-run`: what a sync would do, found out by beginning one and taking it back."""

from __future__ import annotations

from dataclasses import dataclass

from tagdb.db import keys, sourceviews
from tagdb.db.connection import Database, Session
from tagdb.db.source import Choice
from tagdb.models import Reporter
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.syncing import comparing
from tagdb.pipeline.syncing.comparing import Changes
from tagdb.pipeline.syncing.embedding import DEFAULT_MAX_TOKENS


@dataclass(frozen=True)
class Plan:
    """What a sync would do; `seconds` is estimated from the rate of the last one, None without one to go by.

    `refused` says why it would do none of it, unless it is told that questions may go.
    """

    changes: Changes
    texts_due: int
    labels_due: int | None
    seconds: float | None
    refused: str | None = None


def plan(
    database: Database,
    choice: Choice,
    reporter: Reporter,
    *,
    limit: int | None = None,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    allow_gone: bool = False,
    new_keys: bool = False,
    full: bool = False,
) -> Plan:
    """Work out what a sync would do; nothing is written, not even the choice of the source."""
    with (
        database.session() as session,
        exclusive(session),
        sourceviews.naming_the_query(session),
        session.rehearsal(),
    ):
        compared = comparing.compare(session, choice, max_tokens, reporter, new_keys=new_keys, full=full)
        refusal = None if allow_gone else comparing.mass_deletion(session, compared)
        embedder = compared.embedder
        rate = session.scalar("sync.last_rate", embedder=embedder.id)
        if compared.look.nothing_moved:
            labels = 0 if session.row("predict.active_classifier") else None
            return Plan(compared.changes, 0, labels, 0.0 if rate else None)
        if compared.key and compared.key.anew:  # integers that only widen are comparable as they are
            keys.apply(session, compared.key)
        due = session.scalar("sync.count_due_after_changes", embedder=embedder.id)
        due = due if limit is None else min(due, limit)
        refused = str(refusal) if refusal else None
        return Plan(compared.changes, due, _labels_due(session, embedder), due / rate if rate else None, refused)


def _labels_due(session: Session, embedder: StoredEmbedder) -> int | None:
    classifier = session.row("predict.active_classifier")
    if classifier is None:
        return None
    if classifier.embedder_id != embedder.id:
        return 0
    due: int = session.scalar("sync.count_labels_due_after_changes", embedder=embedder.id, classifier=classifier.id)
    return due
