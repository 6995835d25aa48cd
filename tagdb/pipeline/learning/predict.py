"""`tagdb predict`: labels by the active classifier, written where they are missing or stale, computed in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tagdb.db.connection import Database, Session
from tagdb.errors import InputRefused
from tagdb.models import Reporter
from tagdb.pipeline.learning import scoring
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import recorded
from tagdb.pipeline.syncing import moved
from tagdb.pipeline.syncing.moved import Look, Moved

_EVERYTHING = {"questions": "question", "labels": "labels", "texts": "text"}


@dataclass(frozen=True)
class PredictResult:
    """The classifier used, how many labels it wrote, and how many were removed because nothing supports them now."""

    classifier: str
    written: int
    removed: int


def predict(database: Database, reporter: Reporter) -> PredictResult:
    """Write the labels that are due.

    Raises
    ------
    InputRefused : there is no active classifier, or its vectors are no longer the ones in use
    """
    with database.session() as session, exclusive(session), recorded(session, "predict", {}) as counts:
        with reporter.step("predicting"):
            result = write_labels(session)
        if result is None:
            raise InputRefused(
                "there is no classifier yet",
                hint="tagdb train --query 'SELECT id AS question_id, label FROM questions WHERE label IS NOT NULL'",
            )
        counts.read = counts.written = result.written
        counts.detail = {"classifier": result.classifier, "removed": result.removed}
        return result


def write_labels(session: Session, look: Look = moved.NO_LOOK) -> PredictResult | None:
    """Write due labels in one transaction, so that readers never see a part of them; None without a classifier.

    With the `look` of a sync, only labels of the questions that it found moved are looked at, where all were up to date
    and are as they were.

    Raises
    ------
    InputRefused : the active classifier was trained on vectors of another embedder than the active one
    """
    classifier = session.row("predict.active_classifier")
    if classifier is None:
        return None
    if not classifier.embedder_active:
        raise InputRefused(
            f"classifier {classifier.name!r} was trained on vectors of {classifier.embedder!r}, no longer in use",
            hint="train it on the new vectors: tagdb train --again",
        )
    with session.transaction():
        _create_stale(session, classifier.embedder_id, classifier.id, look)
        due = session.row("predict.count_stale")
        assert due is not None
        if due.stale or due.unfounded:
            session.execute("predict.analyze_stale")
        if due.unfounded:
            session.execute("predict.delete_unfounded")
        if due.stale:
            session.execute("predict.create_stale_texts")
            session.execute("predict.analyze_stale_texts")
            scoring.create_scored(
                session,
                classifier=classifier.id,
                embedder=classifier.embedder_id,
                dim=classifier.dim,
                texts=session.qualified("stale_text"),
            )
            session.execute("predict.write_labels", classifier=classifier.id)
        session.execute("predict.drop_work")
    if due.stale and look.kept is None:
        session.execute("predict.analyze")
    return PredictResult(classifier.name, due.stale, due.unfounded)


def count_due(session: Session, embedder: int, classifier: int) -> int:
    """Return how many labels `write_labels` would write or remove; nothing is written."""
    stale = _stale(session, embedder, classifier, _everything(session))
    due: int = session.rows_with("predict.count_due", {"stale": stale})[0][0]
    return due


def _create_stale(session: Session, embedder: int, classifier: int, look: Look) -> None:
    relations = _everything(session)
    if look.moved is Moved.SOME and moved.as_before(session, look, moved.LABELS):
        relations = {name: session.script(f"moved.moved_{name}") for name in relations}
    session.run_script(session.script("predict.create_stale", stale=_stale(session, embedder, classifier, relations)))


def _everything(session: Session) -> Mapping[str, str]:
    return {part: session.qualified(name) for part, name in _EVERYTHING.items()}


def _stale(session: Session, embedder: int, classifier: int, relations: Mapping[str, str]) -> str:
    return f"({session.script('predict.stale', embedder=embedder, classifier=classifier, **relations)})"
