"""`tagdb train`: a user's query names questions and labels; the classifier is fitted here, judged and kept in SQL."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tagdb import classify
from tagdb.classify import FitResult, LinearModel, Metrics
from tagdb.db import copy, queries, userquery
from tagdb.db.connection import Database, Row, Session
from tagdb.errors import InputRefused, QueryRefused
from tagdb.models import Reporter
from tagdb.pipeline import embedders
from tagdb.pipeline.embedders import StoredEmbedder
from tagdb.pipeline.locking import exclusive
from tagdb.pipeline.recording import Counts, recorded

DEFAULT_TEST_SIZE = 0.3
DEFAULT_TIMEOUT = 300


@dataclass(frozen=True)
class TrainSettings:
    """How to train: rows to take (None for all), share of texts held out, seed, solver settings, query seconds."""

    sample: int | None = None
    test_size: float = DEFAULT_TEST_SIZE
    seed: int = 0
    C: float = 1.0
    max_iter: int = 500
    timeout: int = DEFAULT_TIMEOUT

    def __post_init__(self) -> None:
        if not 0 < self.test_size < 1:
            raise InputRefused(f"a test size of {self.test_size} leaves one side empty", hint="--test-size 0.3")


@dataclass(frozen=True)
class TrainResult:
    """The classifier that came of it, how good it is on the held-out rows, and what happened to the rows.

    `active_metrics` are those of the formerly active classifier on the same held-out rows, None without one; `reason`
    says in words why the new one is active now or is not.
    """

    classifier: int
    name: str
    metrics: Metrics
    active_metrics: Metrics | None
    active: bool
    reason: str
    converged: bool
    read: int
    without_label: int
    without_vector: int
    train_rows: int
    train_texts: int
    test_rows: int

    @property
    def report(self) -> str:
        """Precision, recall, F1 and support of each class, as a table of text."""
        return classify.render_report(self.metrics)

    @property
    def confusion(self) -> str:
        """The confusion matrix as a table of text."""
        return classify.render_confusion(self.metrics)


def train(
    database: Database,
    query: str,
    settings: TrainSettings,
    reporter: Reporter,
    *,
    name: str | None = None,
    activate: bool = False,
    plot: Path | None = None,
) -> TrainResult:
    """Fit a logistic regression on the (question_id, label) rows of `query`, and store it with its metrics.

    It becomes active when it is the first, when `activate` says so, or when its accuracy on the held-out rows is
    above that of the active one.

    Raises
    ------
    QueryRefused : the query is not one SELECT, fails, or lacks a column
    InputRefused : its rows cannot be trained on: none, one class only, no vectors
    """
    args = {"query": query, "name": name, "activate": activate, **vars(settings)}
    with database.session() as session, exclusive(session), recorded(session, "train", args) as counts:
        embedder = embedders.active(session)
        if embedder is None:
            raise InputRefused("no question has a vector yet", hint="tagdb sync")
        if name is not None and session.scalar("train.name_taken", name=name):
            raise InputRefused(f"there is a classifier {name!r} already", hint=f"tagdb models delete {name}")
        with reporter.step("running the query"):
            _take_rows(session, query, settings.timeout)
            rows = _count_rows(session, embedder)
            _split(session, embedder, settings)
        sizes = session.rows("train.class_sizes")
        _require_trainable(sizes)
        with reporter.step("fetching vectors", sum(row.train_texts for row in sizes), "vectors") as progress:
            X, y, weight = _matrix(session, embedder, sizes, progress.advance)
        with reporter.step("fitting"):
            fitted = classify.fit(
                X,
                y,
                weight,
                [row.label for row in sizes],
                seed=settings.seed,
                max_iter=settings.max_iter,
                C=settings.C,
            )
        del X
        with reporter.step("testing"), session.transaction():
            result = _store(session, query, settings, embedder, fitted, rows, sizes, name=name, activate=activate)
        if plot is not None:
            classify.plot_confusion(result.metrics, plot, f"{result.name} on {result.test_rows:,} held-out rows")
        _count(counts, result)
        return result


def _take_rows(session: Session, query: str, timeout: int) -> None:
    """Put the rows of the query into a temporary table, in a read-only transaction with a time limit."""
    session.execute("train.create_rows")
    with userquery.refusals(), session.transaction(read_only=True):
        session.run_script(f"SET LOCAL statement_timeout = '{int(timeout)}s'")
        checked = userquery.check_inside(session, query)
        question_id, label = checked.column("question_id", "id"), checked.column("label")
        session.run_script(
            "INSERT INTO pg_temp.training_row (question_id, label) "
            + checked.selecting(f"q.{question_id}::bigint, q.{label}::text")
        )


def _count_rows(session: Session, embedder: StoredEmbedder) -> Row:
    rows = session.row("train.count_rows", embedder=embedder.id)
    assert rows is not None
    if not rows.read:
        raise QueryRefused("the query returned no rows", hint="try it first in: tagdb db psql")
    if rows.read == rows.without_label:
        raise InputRefused("every label of the query is NULL", hint="select rows whose label is known")
    if not rows.usable:
        raise InputRefused("none of the questions of the query has a vector", hint="tagdb sync")
    return rows


def _split(session: Session, embedder: StoredEmbedder, settings: TrainSettings) -> None:
    session.execute("train.create_training", embedder=embedder.id, sample=settings.sample, seed=settings.seed)
    session.execute("train.create_split", test_size=settings.test_size, seed=settings.seed)
    session.execute("train.analyze_training")


def _require_trainable(sizes: list[Row]) -> None:
    if len(sizes) < 2:
        raise InputRefused(
            f"every row has the same label, {sizes[0].label!r}",
            hint="a classifier needs rows of two labels or more",
        )
    if not sum(row.test_rows for row in sizes):
        raise InputRefused("there are too few different texts to hold any out", hint="train on more rows")


def _matrix(
    session: Session, embedder: StoredEmbedder, sizes: list[Row], advance: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """COPY the training texts out: vectors (n_texts, dim) float32, class numbers (n_texts,), weights (n_texts,)."""
    n = sum(row.train_texts for row in sizes)
    X = np.empty((n, embedder.dim), dtype=np.float32)
    y = np.empty(n, dtype=np.int32)
    weight = np.empty(n, dtype=np.float64)
    filled = 0

    def take(block: np.ndarray) -> None:
        nonlocal filled
        part = slice(filled, filled + len(block))
        X[part], y[part], weight[part] = block["vector"], block["label"], block["n"]
        filled = part.stop
        advance(len(block))

    cursor = session.cursor()
    query = cursor.mogrify(
        queries.topic("train")["matrix"].format(classes="%(classes)s::text[]", embedder="%(embedder)s"),
        {"classes": [row.label for row in sizes], "embedder": embedder.id},
    ).decode()
    copy.copy_out(cursor, query, [("label", "i4"), ("n", "i8"), ("vector", embedder.dim)], take)
    return X, y, weight


def _store(
    session: Session,
    query: str,
    settings: TrainSettings,
    embedder: StoredEmbedder,
    fitted: FitResult,
    rows: Row,
    sizes: list[Row],
    *,
    name: str | None,
    activate: bool,
) -> TrainResult:
    """Keep the classifier, judge it beside the active one on the held-out rows, and decide which is active."""
    name = name or session.scalar("train.next_name")
    number = session.scalar(
        "train.insert_classifier",
        name=name,
        embedder=embedder.id,
        classes=list(fitted.model.classes),
        query=query,
        settings=json.dumps(vars(settings)),
        versions=json.dumps(fitted.versions),
    )
    _store_weights(session, number, fitted.model)
    metrics = _judge(session, embedder, number, fitted.model.classes)
    session.execute("train.set_metrics", classifier=number, metrics=json.dumps(metrics.to_json()))
    rival = session.row("predict.active_classifier")
    rival_metrics = None
    if rival and rival.embedder_active:
        rival_metrics = _judge(session, embedder, rival.id, fitted.model.classes)
    wins, reason = _decide(rival, metrics, rival_metrics, activate=activate)
    if wins:
        session.execute("classifier.deactivate", id=number)
        session.execute("classifier.activate", id=number)
    return TrainResult(
        classifier=number,
        name=name,
        metrics=metrics,
        active_metrics=rival_metrics,
        active=wins,
        reason=reason,
        converged=fitted.converged,
        read=rows.read,
        without_label=rows.without_label,
        without_vector=rows.without_vector,
        train_rows=int(sum(row.train_rows for row in sizes)),
        train_texts=sum(row.train_texts for row in sizes),
        test_rows=int(sum(row.test_rows for row in sizes)),
    )


def _store_weights(session: Session, classifier: int, model: LinearModel) -> None:
    """Store one row of weights a class; of two classes, the first one's score is constantly zero."""
    coef, intercept = model.coef, model.intercept
    if len(model.classes) == 2:
        coef, intercept = np.vstack([np.zeros_like(coef), coef]), np.append(0.0, intercept)
    for position, label in enumerate(model.classes):
        session.execute(
            "train.insert_weight",
            classifier=classifier,
            **{"class": label},
            position=position + 1,
            coef=f"[{','.join(map(str, coef[position].tolist()))}]",
            intercept=float(intercept[position]),
        )


def _judge(session: Session, embedder: StoredEmbedder, classifier: int, classes: tuple[str, ...]) -> Metrics:
    """Count what a stored classifier makes of the held-out rows; labels it does not know of count as its own class."""
    counted = session.rows("train.confusion", embedder=embedder.id, classifier=classifier)
    names = [*classes, *sorted({row.predicted for row in counted} - set(classes))]
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    for row in counted:
        confusion[names.index(row.actual), names.index(row.predicted)] = row.rows
    return classify.metrics_from_confusion(confusion, names)


def _decide(rival: Row | None, metrics: Metrics, rival_metrics: Metrics | None, *, activate: bool) -> tuple[bool, str]:
    if rival is None:
        return True, "it is the first"
    if activate:
        return True, "you asked for it"
    if rival_metrics is None:
        return True, f"{rival.name!r} was trained on vectors no longer in use"
    ours, theirs = metrics.accuracy, rival_metrics.accuracy
    if ours > theirs:
        return True, f"its accuracy of {ours:.4f} beats the {theirs:.4f} of {rival.name!r} on the same rows"
    return False, f"{rival.name!r} has an accuracy of {theirs:.4f} on the same rows, this one {ours:.4f}"


def _count(counts: Counts, result: TrainResult) -> None:
    counts.read = result.read
    counts.written = result.train_rows + result.test_rows
    counts.skip("label is NULL", result.without_label)
    counts.skip("no vector", result.without_vector)
    counts.skip("not in the sample", counts.read - counts.written - result.without_label - result.without_vector)
    counts.detail = {
        "classifier": result.classifier,
        "accuracy": result.metrics.accuracy,
        "active": result.active,
    }
