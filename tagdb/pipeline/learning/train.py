"""`tagdb train`: a user's query names questions and labels; the classifier is fitted here, judged and kept in SQL."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tagdb import classify, cluster, pictures, shortening
from tagdb.classify import FitResult, LinearModel, Metrics
from tagdb.db.connection import Database, Row, Session
from tagdb.errors import InputRefused, QueryRefused, UsageError
from tagdb.models import Reporter
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.learning import fitting, spread, training_set
from tagdb.pipeline.learning.training_set import TrainingSet, TrainSettings
from tagdb.pipeline.running import nodes
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import Counts, recorded

__all__ = ["TrainResult", "TrainSettings", "train", "train_again"]


@dataclass(frozen=True)
class TrainResult:
    """The classifier that came of it, how good it is on the held-out rows, and what it was trained on.

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
    training: TrainingSet

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
    ray: str | None = None,
) -> TrainResult:
    """Fit a logistic regression on the (question_id, label) rows of `query`, and store it with its metrics.

    It becomes active when it is the first, when `activate` says so, or when it gives every label the active one gives
    and its accuracy on the held-out rows is higher. With `ray`, the address of a cluster, its nodes share the vectors.

    Raises
    ------
    UsageError : the name, the picture's file or the cluster's address cannot be used
    QueryRefused : the query is not one SELECT, fails, lacks a column or gives no row
    InputRefused : its rows cannot be trained on: none with a label, one class only, too few texts, no vectors
    Unavailable : the disk has no room for vectors that do not fit in memory, or the cluster cannot work on them
    """
    if plot is not None:
        pictures.require_drawable(plot)
    if ray is not None:
        cluster.checked(ray)
    args = {"query": query, "name": name, "activate": activate, "ray": ray, **vars(settings)}
    with (
        database.session() as session,
        exclusive(session),
        recorded(session, "train", args) as counts,
        ExitStack() as workers,
    ):
        embedder = _embedder(session)
        _require_free(session, name)
        fit = workers.enter_context(_spread(session, database, ray, reporter)) if ray else fitting.fit
        with reporter.step("running the query"):
            training = training_set.prepare(session, embedder, query, settings, reporter)
        fitted = fit(session, embedder, training, settings, reporter)
        workers.close()
        with reporter.step("testing"), session.transaction():
            number, name = _store(session, query, settings, embedder, fitted, name)
            result = _judge_and_choose(session, embedder, number, name, fitted, training, activate=activate)
        if plot is not None:
            classify.plot_confusion(result.metrics, plot, f"{result.name} on {training.test_rows:,} held-out rows")
        _count(counts, result)
        return result


def train_again(
    database: Database,
    changed: Mapping[str, Any],
    reporter: Reporter,
    *,
    query: str | None = None,
    name: str | None = None,
    activate: bool = False,
    plot: Path | None = None,
    ray: str | None = None,
) -> TrainResult:
    """Train as the active classifier was trained, on what its query gives today.

    Settings in `changed`, and another `query`, take the place of its own.

    Raises
    ------
    InputRefused : there is no active classifier
    QueryRefused : its query can no longer be run; also everything that `train` raises
    """
    with database.session() as session:
        former = session.row("train.active_training")
    if former is None:
        raise InputRefused("there is no active classifier to train again", hint="tagdb train --query SQL")
    known = {field.name for field in fields(TrainSettings)}
    settings = TrainSettings(**{**{k: v for k, v in former.settings.items() if k in known}, **changed})
    options: dict[str, Any] = {"name": name, "activate": activate, "plot": plot, "ray": ray}
    if query is not None:
        return train(database, query, settings, reporter, **options)
    try:
        return train(database, former.query, settings, reporter, **options)
    except QueryRefused as refused:
        raise QueryRefused(
            f"the query of classifier {former.name!r} no longer works: {refused}",
            hint=f"tagdb models show {shlex.quote(former.name)}; then tagdb train --again --query SQL",
        ) from refused


@contextmanager
def _spread(session: Session, database: Database, ray: str, reporter: Reporter) -> Iterator[Callable[..., FitResult]]:
    """Start workers in a cluster, before anything that takes long, and let the fit be theirs."""
    with nodes.crew(session, database, ray, reporter, factory=spread.FACTORY) as crew:
        yield partial(spread.fit, crew)


def _embedder(session: Session) -> StoredEmbedder:
    embedder = registry.active(session)
    if embedder is None:
        raise InputRefused("no question has a vector yet", hint="tagdb sync")
    return embedder


def _require_free(session: Session, name: str | None) -> None:
    if name is None:
        return
    if not name.strip() or name.isdecimal():
        raise UsageError(f"{name!r} cannot be told from a classifier's number or from nothing", hint="--name my-labels")
    if session.scalar("train.name_taken", name=name):
        raise InputRefused(f"there is a classifier {name!r} already", hint=f"tagdb models delete {name}")


def _store(
    session: Session,
    query: str,
    settings: TrainSettings,
    embedder: StoredEmbedder,
    fitted: FitResult,
    name: str | None,
) -> tuple[int, str]:
    """Keep the classifier as plain numbers; return its number and its name."""
    name = name or str(session.scalar("train.next_name"))
    number: int = session.scalar(
        "train.insert_classifier",
        name=name,
        embedder=embedder.id,
        classes=list(fitted.model.classes),
        query=query,
        settings=json.dumps(vars(settings)),
        versions=json.dumps(fitted.versions),
    )
    _store_weights(session, number, fitted.model)
    return number, name


def _judge_and_choose(
    session: Session,
    embedder: StoredEmbedder,
    number: int,
    name: str,
    fitted: FitResult,
    training: TrainingSet,
    *,
    activate: bool,
) -> TrainResult:
    """Judge the new classifier beside the active one on the held-out rows, and decide which is active."""
    metrics = _judge(session, embedder, number, fitted.model.classes)
    session.execute("train.set_metrics", classifier=number, metrics=json.dumps(metrics.to_json()))
    rival = session.row("predict.active_classifier")
    rival_metrics = None
    if rival and rival.embedder_active:
        rival_metrics = _judge(session, embedder, rival.id, fitted.model.classes)
    new = session.row("classifier.find", which=str(number))
    assert new is not None
    wins, reason = _decide(rival, new, metrics, rival_metrics, activate=activate)
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
        training=training,
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


def _decide(
    rival: Row | None, new: Row, metrics: Metrics, rival_metrics: Metrics | None, *, activate: bool
) -> tuple[bool, str]:
    """Say whether the new classifier takes over from the active one, and why."""
    if rival is None:
        return True, "there was no active classifier"
    if activate:
        return True, "you asked for it"
    if rival_metrics is None:
        return True, f"{rival.name!r} was trained on vectors no longer in use"
    if obstacle := _obstacle(rival, new):
        return False, obstacle
    ours, theirs = metrics.accuracy, rival_metrics.accuracy
    if ours > theirs:
        return True, f"its accuracy of {ours:.4f} beats the {theirs:.4f} of {rival.name!r} on the same rows"
    return False, f"its accuracy of {ours:.4f} does not beat the {theirs:.4f} of {rival.name!r} on the same rows"


def _obstacle(rival: Row, new: Row) -> str | None:
    """Say what makes the two incomparable: they answer different questions, or one has seen the other's test rows."""
    if unknown := set(rival.classes) - set(new.classes):
        return f"it cannot give the labels {shortening.named(sorted(unknown))}, which {rival.name!r} gives"
    if any(new.settings[name] != rival.settings[name] for name in ("seed", "test_size")):
        return f"{rival.name!r} was split with another seed or test size, and has seen some of the held-out rows"
    return None


def _count(counts: Counts, result: TrainResult) -> None:
    training = result.training
    counts.read = training.read
    counts.written = training.train_rows + training.test_rows
    counts.skip("label is NULL", training.without_label)
    counts.skip("no vector", training.without_vector)
    counts.skip("not in the sample", training.rows_not_sampled)
    counts.detail = {
        "classifier": result.classifier,
        "accuracy": result.metrics.accuracy,
        "active": result.active,
    }
