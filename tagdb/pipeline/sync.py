"""`tagdb sync`: find the difference between the user's tables and what is stored, and make it vanish."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from tagdb.db import sourceviews
from tagdb.db.connection import Database, Session
from tagdb.db.source import PRESETS, Choice
from tagdb.errors import InputRefused
from tagdb.models import Embedder, Reporter
from tagdb.pipeline import comparing, embedders, embedding, indexing, moved, predict, tag_vectors
from tagdb.pipeline.comparing import Changes, Compared
from tagdb.pipeline.embedders import StoredEmbedder
from tagdb.pipeline.embedding import NO_TOKEN, Embedded
from tagdb.pipeline.locking import exclusive
from tagdb.pipeline.moved import Look
from tagdb.pipeline.recording import Counts, recorded

__all__ = ["PRESETS", "Changes", "Choice", "Plan", "SyncResult", "plan", "sync"]

_MANY = 0.25
"""From this share of new vectors on, building the index anew is quicker than growing it row by row."""


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


@dataclass
class SyncResult:
    """What a sync did. `texts_left` are due still (after `--limit`); `label_fault` says why labels were not renewed."""

    changes: Changes
    embedded: Embedded
    embedder: str
    texts_left: int = 0
    tags: int = 0
    tags_removed: int = 0
    labelled: int = 0
    labels_removed: int = 0
    indexed: list[str] = field(default_factory=list)
    label_fault: InputRefused | None = None

    @property
    def without_token(self) -> int:
        """How many texts there was nothing to embed in."""
        return self.embedded.failed.get(NO_TOKEN, 0)

    @property
    def failed(self) -> int:
        """How many texts the encoder refused."""
        return sum(self.embedded.failed.values()) - self.without_token


def plan(
    database: Database,
    choice: Choice,
    reporter: Reporter,
    *,
    limit: int | None = None,
    max_tokens: int = embedding.DEFAULT_MAX_TOKENS,
    allow_gone: bool = False,
) -> Plan:
    """Work out what a sync would do; nothing is written, not even the choice of the source."""
    with (
        database.session() as session,
        exclusive(session),
        sourceviews.naming_the_query(session),
        session.rehearsal(),
    ):
        compared = comparing.compare(session, choice, max_tokens, reporter)
        refusal = None if allow_gone else comparing.mass_deletion(session, compared)
        embedder = compared.embedder
        rate = session.scalar("sync.last_rate", embedder=embedder.id)
        if compared.look.nothing_moved:
            labels = 0 if session.row("predict.active_classifier") else None
            return Plan(compared.changes, 0, labels, 0.0 if rate else None)
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


def sync(
    database: Database,
    choice: Choice,
    reporter: Reporter,
    *,
    limit: int | None = None,
    max_tokens: int = embedding.DEFAULT_MAX_TOKENS,
    block_size: int | None = None,
    index: bool = True,
    allow_gone: bool = False,
) -> SyncResult:
    """Bring texts, vectors, tag centroids and labels to what the user's tables say now.

    Every step commits by itself and takes up what an earlier, interrupted run left; a second run writes nothing. A
    change of the source and the texts it gives are one step.

    Raises
    ------
    CheckFailed : most questions are gone, and `allow_gone` does not say that they may; nothing was changed
    InputRefused : the source is missing, or names a question twice or not at all; nothing was changed
    QueryRefused : the SQL of `choice` cannot be run; nothing was changed
    EmbedderUnavailable : the model's files are not here, or are no longer those the vectors were made with
    """
    args = {
        "text": choice.preset,
        "source_sql": choice.sql,
        "source_tags_sql": choice.tags_sql,
        "limit": limit,
        "max_tokens": max_tokens,
        "allow_gone": allow_gone or None,
    }
    with (
        database.session() as session,
        exclusive(session),
        recorded(session, "sync", args) as counts,
        sourceviews.naming_the_query(session),
        ExitStack() as loading,
    ):
        with session.transaction():
            compared = comparing.compare(session, choice, max_tokens, reporter)
            if not allow_gone and (refusal := comparing.mass_deletion(session, compared)):
                raise refusal
            ahead = compared.changes.written > 0
            load = loading.enter_context(embedding.loading(compared.embedder, ahead=ahead))
            if compared.changes.total:
                comparing.apply(session, reporter)
                session.execute("sync.note_gone", gone=compared.changes.gone)
        result = SyncResult(compared.changes, Embedded(), compared.embedder.name)
        made: dict[str, str] = {}
        try:
            if not compared.look.nothing_moved:
                made = _bring_up_to_date(
                    database,
                    session,
                    compared,
                    result,
                    load,
                    loading,
                    reporter,
                    limit=limit,
                    max_tokens=max_tokens,
                    block_size=block_size,
                    index=index,
                )
            if index and not result.texts_left:
                _index(database, session, compared.embedder, result, reporter)
            embedders.drop_unused(session, reporter)
            if made and not (result.texts_left or result.label_fault):
                _remember(session, compared, made, max_tokens, counts)
        finally:
            _count(counts, result, compared.embedder)
        return result


def _bring_up_to_date(
    database: Database,
    session: Session,
    compared: Compared,
    result: SyncResult,
    load: Callable[[], Embedder],
    loading: ExitStack,
    reporter: Reporter,
    *,
    limit: int | None,
    max_tokens: int,
    block_size: int | None,
    index: bool,
) -> dict[str, str]:
    """Do all that is due, and return the fingerprints of what was made, each as soon as it is up to date."""
    embedder, look = compared.embedder, compared.look
    with loading:
        made = moved.fingerprints(session, moved.TEXTS) if look.views else {}
        session.execute("sync.drop_changes")
        if not moved.as_before(session, look, ["failure"]):
            look = moved.NO_LOOK  # texts that failed may get vectors now, of questions that have not moved
        if due := session.scalar("sync.count_due_texts", embedder=embedder.id):
            if index and (limit is None or due <= limit):
                _make_way(session, embedder, due)
            embedding.embed_due(
                database,
                session,
                embedder,
                load,
                result.embedded,
                reporter,
                limit=limit,
                max_tokens=max_tokens,
                block_size=block_size,
            )
            result.texts_left = due - result.embedded.texts - sum(result.embedded.failed.values())
    _average(session, embedder, look, result, reporter)
    if made:
        made |= moved.fingerprints(session, moved.CENTROIDS)
    if not result.texts_left and not embedder.active:
        _switch(database, session, embedder, result, reporter, index=index)
    _predict(session, look, result, reporter)
    if made:
        made |= moved.fingerprints(session, moved.LABELS)
    return made


def _remember(session: Session, compared: Compared, made: dict[str, str], max_tokens: int, counts: Counts) -> None:
    """Note which rows a sync that left nothing to do rests on, unless somebody has deleted some of them meanwhile."""
    texts, vectors = (moved.fingerprints(session, tables) for tables in (moved.TEXTS, moved.VECTORS))
    if texts.items() <= made.items() and not session.scalar("sync.count_due_texts", embedder=compared.embedder.id):
        counts.detail["fingerprints"] = moved.remember(session, compared.look, made | vectors, max_tokens)


def _make_way(session: Session, embedder: StoredEmbedder, due: int) -> None:
    """Drop the index on the vectors when so many are `due` that building it anew is quicker."""
    for each in indexing.status(session):
        if (
            (each.relation, each.embedder_id) == ("text_vector", embedder.id)
            and each.built
            and due > _MANY * each.vectors
        ):
            indexing.drop_one(session, each)


def _average(session: Session, embedder: StoredEmbedder, look: Look, result: SyncResult, reporter: Reporter) -> None:
    """Renew tag centroids: those that are read, or that are about to be because no text lacks a vector."""
    read = embedders.active(session) if result.texts_left else embedder
    assert read is not None
    with reporter.step("averaging tags"):
        result.tags, result.tags_removed = tag_vectors.refresh(session, read, look)


def _switch(
    database: Database,
    session: Session,
    embedder: StoredEmbedder,
    result: SyncResult,
    reporter: Reporter,
    *,
    index: bool,
) -> None:
    """Let everything read the chosen embedder; its indexes are built first, so that neighbours are never without."""
    if index:
        _index(database, session, embedder, result, reporter)
    embedders.promote(session, embedder)
    reporter.say(f"everything reads embedder {embedder.name!r} now")


def _predict(session: Session, look: Look, result: SyncResult, reporter: Reporter) -> None:
    try:
        with reporter.step("predicting"):
            predicted = predict.write_labels(session, look)
    except InputRefused as fault:
        result.label_fault = fault
    else:
        if predicted:
            result.labelled, result.labels_removed = predicted.written, predicted.removed


def _index(
    database: Database, session: Session, embedder: StoredEmbedder, result: SyncResult, reporter: Reporter
) -> None:
    for each in indexing.status(session):
        if each.embedder_id == embedder.id and each.worthwhile and not each.built:
            indexing.build_one(database, session, each, reporter)
            result.indexed.append(each.relation)


def _count(counts: Counts, result: SyncResult, embedder: StoredEmbedder) -> None:
    embedded = result.embedded
    counts.read = embedded.texts + sum(embedded.failed.values())
    counts.written = embedded.texts
    counts.skip(NO_TOKEN, embedded.failed.get(NO_TOKEN, 0))
    counts.failed = result.failed
    counts.detail |= {
        "embedder_id": embedder.id,
        "new": result.changes.new,
        "changed": result.changes.changed,
        "gone": result.changes.gone,
        "truncated": embedded.truncated,
        "tags": result.tags,
        "labelled": result.labelled,
        "texts_per_second": embedded.texts_per_second,
    }
