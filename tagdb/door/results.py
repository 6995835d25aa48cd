"""Results of methods that say less, or say it more plainly, than the use cases behind them: flat, frozen, typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tagdb.classify import Metrics
    from tagdb.pipeline.asking.nearest import Neighbour
    from tagdb.pipeline.learning.classifiers import Deletion, StoredClassifier
    from tagdb.pipeline.learning.train import TrainResult
    from tagdb.pipeline.learning.training_set import SimilarLabels
    from tagdb.pipeline.sync import SyncResult
    from tagdb.pipeline.syncing import joining
    from tagdb.pipeline.watching import Pass


@dataclass(frozen=True)
class Synced:
    """What a sync did.

    Questions were `new`, `changed` or `gone`; of `texts_due`, `embedded` have a vector now (`truncated` of them up to
    the token cap only), `without_token` held nothing to embed, `failed` were refused, and `texts_left` are still due,
    after `limit`. `label_fault` says why labels could not be renewed, and `label_hint` what to do about it.
    """

    new: int
    changed: int
    gone: int
    texts_due: int
    embedded: int
    truncated: int
    without_token: int
    failed: int
    texts_left: int
    tags: int
    tags_removed: int
    labelled: int
    labels_removed: int
    label_fault: str | None
    label_hint: str | None
    indexed: tuple[str, ...]
    embedder: str
    texts_per_second: float | None

    @classmethod
    def of(cls, result: SyncResult) -> Synced:
        """Take what the use case returns."""
        changes, embedded, fault = result.changes, result.embedded, result.label_fault
        return cls(
            new=changes.new,
            changed=changes.changed,
            gone=changes.gone,
            texts_due=embedded.due,
            embedded=embedded.texts,
            truncated=embedded.truncated,
            without_token=result.without_token,
            failed=result.failed,
            texts_left=result.texts_left,
            tags=result.tags,
            tags_removed=result.tags_removed,
            labelled=result.labelled,
            labels_removed=result.labels_removed,
            label_fault=str(fault) if fault else None,
            label_hint=fault.hint if fault else None,
            indexed=tuple(result.indexed),
            embedder=result.embedder,
            texts_per_second=embedded.texts_per_second,
        )


@dataclass(frozen=True)
class Worked:
    """What a worker did, of one sync or, where it waited for more, of `syncs`; other counts as those of `Synced`."""

    syncs: int
    embedded: int
    truncated: int
    without_token: int
    failed: int
    texts_per_second: float | None

    @classmethod
    def of(cls, result: joining.Worked) -> Worked:
        """Take what the use case returns."""
        done = result.embedded
        counts = (done.texts, done.truncated, done.without_token, done.refused)
        return cls(result.syncs, *counts, done.texts_per_second)


@dataclass(frozen=True)
class Watched:
    """A pass of `watch`: what it `synced`, or the `fault` for which it did not, with a `hint` what to do about it.

    At its end, the oldest change that it took in was at most so old as `oldest_change_seconds`, where that is known.
    """

    ended_at: datetime
    seconds: float
    oldest_change_seconds: float | None
    synced: Synced | None
    fault: str | None
    hint: str | None

    @classmethod
    def of(cls, done: Pass) -> Watched:
        """Take what the use case gives."""
        synced = Synced.of(done.result) if done.result else None
        fault = str(done.fault) if done.fault else None
        hint = done.fault.hint if done.fault else None
        return cls(done.ended_at, done.seconds, done.oldest_change, synced, fault, hint)


@dataclass(frozen=True)
class Trained:
    """A classifier that was fitted: whether it is `active` now, for which `reason`, and how good it is.

    Of the rows `read`, some were `without_label`, `without_vector` or `not_sampled`; the others are `train_rows`, of
    `train_texts` different texts, and `test_rows`, held out. `metrics` are over those, `active_metrics` those of the
    formerly active classifier over the same.
    """

    classifier: int
    name: str
    active: bool
    reason: str
    converged: bool
    read: int
    without_label: int
    without_vector: int
    not_sampled: int
    train_rows: int
    train_texts: int
    test_rows: int
    similar_labels: tuple[SimilarLabels, ...]
    metrics: Metrics
    active_metrics: Metrics | None

    @classmethod
    def of(cls, result: TrainResult) -> Trained:
        """Take what the use case returns."""
        training = result.training
        return cls(
            classifier=result.classifier,
            name=result.name,
            active=result.active,
            reason=result.reason,
            converged=result.converged,
            read=training.read,
            without_label=training.without_label,
            without_vector=training.without_vector,
            not_sampled=training.rows_not_sampled,
            train_rows=training.train_rows,
            train_texts=training.train_texts,
            test_rows=training.test_rows,
            similar_labels=training.similar,
            metrics=result.metrics,
            active_metrics=result.active_metrics,
        )

    @property
    def report(self) -> str:
        """Precision, recall, F1 and support of each class, as a table of text."""
        from tagdb import classify

        return classify.render_report(self.metrics)

    @property
    def confusion(self) -> str:
        """The confusion matrix as a table of text."""
        from tagdb import classify

        return classify.render_confusion(self.metrics)


@dataclass(frozen=True)
class NearTag:
    """A tag near to what was asked for: its cosine distance, from 0 to 2, and how many questions have it."""

    tag: str
    distance: float
    questions: int

    @classmethod
    def of(cls, found: Neighbour) -> NearTag:
        """Take what the use case returns."""
        assert found.questions is not None
        return cls(found.name, found.distance, found.questions)


@dataclass(frozen=True)
class NearQuestion:
    """A question near to what was asked for: its cosine distance, from 0 to 2, and its text."""

    question_id: Any
    distance: float
    text: str | None

    @classmethod
    def of(cls, found: Neighbour) -> NearQuestion:
        """Take what the use case returns."""
        return cls(found.question_id, found.distance, found.text)


@dataclass(frozen=True)
class Activated:
    """The classifier that writes the labels from now on."""

    id: int
    name: str
    active: bool

    @classmethod
    def of(cls, found: StoredClassifier) -> Activated:
        """Take what the use case returns."""
        return cls(found.id, found.name, found.active)


@dataclass(frozen=True)
class Deleted:
    """A classifier that is gone, and what became of the labels that it wrote.

    `renewed_by` names the active classifier that wrote `labels_renewed` of them anew; `labels_removed` are gone.
    """

    id: int
    name: str
    was_active: bool
    renewed_by: str | None
    labels_renewed: int
    labels_removed: int

    @classmethod
    def of(cls, done: Deletion) -> Deleted:
        """Take what the use case returns."""
        gone = done.classifier
        return cls(gone.id, gone.name, gone.active, done.heir, done.renewed, done.removed)


@dataclass(frozen=True)
class Pruned:
    """How many runs were forgotten."""

    removed: int


@dataclass(frozen=True)
class Lifted:
    """The views that stepped aside, none where they had already."""

    lifted: Sequence[str]


@dataclass(frozen=True)
class Restored:
    """The views that were put back, none where they stood."""

    restored: Sequence[str]
