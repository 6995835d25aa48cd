"""`tagdb sync`: find the difference between the user's tables and what is stored, and make it vanish."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from tagdb import cluster
from tagdb.db import sourceviews
from tagdb.db.connection import Database, Session
from tagdb.db.source import PRESETS, Choice
from tagdb.errors import InputRefused
from tagdb.models import Embedder, Reporter
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.learning import predict
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import Counts, recorded
from tagdb.pipeline.syncing import captured, comparing, embedding, indexing, moved, tag_vectors
from tagdb.pipeline.syncing.comparing import Changes, Compared
from tagdb.pipeline.syncing.embedding import NO_TOKEN, Embedded, Loader, Workers
from tagdb.pipeline.syncing.moved import Look

__all__ = ["PRESETS", "Changes", "Choice", "SyncResult", "Workers", "sync"]

_MANY = 0.25
"""From this share of new vectors on, building the index anew is quicker than growing it row by row."""


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
    switched: bool = False

    @property
    def did_something(self) -> bool:
        """Whether anything was due."""
        made = self.tags or self.tags_removed or self.labelled or self.labels_removed or self.indexed or self.switched
        return bool(self.changes.total or self.embedded.due or made or self.label_fault)

    @property
    def without_token(self) -> int:
        """How many texts there was nothing to embed in."""
        return self.embedded.without_token

    @property
    def failed(self) -> int:
        """How many texts the encoder refused."""
        return self.embedded.refused


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
    new_keys: bool = False,
    workers: Workers | None = None,
    load: Loader | None = None,
    keep_idle: bool = True,
    full: bool = False,
) -> SyncResult:
    """Bring texts, vectors, tag centroids and labels to what the user's tables say now.

    Texts are embedded by this process, or by the `workers` that it starts; others may join with `tagdb work`.

    Every step commits by itself and takes up what an earlier, interrupted run left; a second run writes nothing. A
    change of the source and the texts it gives are one step. With `full`, everything is compared, whatever is known of
    what has changed. Without `keep_idle` a run that finds nothing to do leaves no record of its own; `load` returns a
    model that may have been loaded before.

    Raises
    ------
    CheckFailed : most questions are gone, and `allow_gone` does not say that they may; nothing was changed
    InputRefused : the source is missing, or names a question twice or not at all, or its ids are of another type than
        the stored ones and `new_keys` does not say that they may be; nothing was changed
    QueryRefused : the SQL of `choice` cannot be run; nothing was changed
    EmbedderUnavailable : the model's files are not here, or are no longer those the vectors were made with
    Unavailable : there is no such cluster of `workers`, or none of them is left; what was done is kept
    """
    if workers and workers.ray is not None:
        cluster.checked(workers.ray)
    args = {
        "text": choice.preset,
        "source_sql": choice.sql,
        "source_tags_sql": choice.tags_sql,
        "source_tags_separator": choice.tags_separator,
        "where": choice.where,
        "limit": limit,
        "max_tokens": max_tokens,
        "allow_gone": allow_gone or None,
        "new_keys": new_keys or None,
        "workers": workers and workers.count,
        "ray": workers and workers.ray,
        "full": full or None,
    }
    with (
        database.session() as session,
        exclusive(session),
        recorded(session, "sync", args) as counts,
        sourceviews.naming_the_query(session),
        ExitStack() as loading,
    ):
        compared, loaded = _compare_and_store(
            session,
            choice,
            max_tokens,
            reporter,
            loading,
            here=workers is None,
            allow_gone=allow_gone,
            new_keys=new_keys,
            full=full,
            loader=load,
        )
        run = _Run(database, session, reporter, compared, max_tokens, limit, block_size, index, counts.run, workers)
        try:
            made = {} if compared.look.nothing_moved else run.bring_up_to_date(loaded)
            run.finish(made, counts)
            counts.idle = not (keep_idle or run.did_something or "fingerprints" in counts.detail)
        finally:
            _count(counts, run.result, compared.embedder)
        return run.result


def _compare_and_store(
    session: Session,
    choice: Choice,
    max_tokens: int,
    reporter: Reporter,
    loading: ExitStack,
    *,
    here: bool,
    allow_gone: bool,
    new_keys: bool,
    loader: Loader | None,
    full: bool,
) -> tuple[Compared, Callable[[], Embedder]]:
    """Let a change of the source and its texts take effect together; where it is needed `here`, the model loads."""
    with session.transaction():
        compared = comparing.compare(session, choice, max_tokens, reporter, new_keys=new_keys, full=full)
        if not allow_gone and (refusal := comparing.mass_deletion(session, compared)):
            raise refusal
        ahead = here and compared.changes.written > 0
        load = loading.enter_context(embedding.loading(compared.embedder, ahead=ahead, load=loader))
        if compared.to_apply:
            comparing.apply(session, reporter, compared.look, compared.key)
            session.execute("sync.note_gone", gone=compared.changes.gone)
        elif compared.look.kept is not None:
            tag_vectors.keep_aside(session, compared.look)
    return compared, load


@dataclass
class _Run:
    """One sync, after its comparison: `result` is filled in as the steps are done."""

    database: Database
    session: Session
    reporter: Reporter
    compared: Compared
    max_tokens: int
    limit: int | None
    block_size: int | None
    index: bool
    run: int
    workers: Workers | None

    def __post_init__(self) -> None:
        self.embedder: StoredEmbedder = self.compared.embedder
        self.result = SyncResult(self.compared.changes, Embedded(), self.embedder.name)

    @property
    def did_something(self) -> bool:
        """Whether anything was to be done."""
        return self.compared.to_apply or self.result.did_something

    def bring_up_to_date(self, load: Callable[[], Embedder]) -> dict[str, str]:
        """Do all that is due, and return the fingerprints of what was made, each as soon as it is up to date."""
        look = self.compared.look
        made = moved.fingerprints(self.session, moved.TEXTS) if look.views else {}
        self.session.execute("sync.drop_changes")
        if look.kept is None and not moved.as_before(self.session, look, ["failure"]):
            # texts that failed may get vectors now, of questions that have not moved
            look = replace(moved.NO_LOOK, capturing=look.capturing)
        self._embed(load, look)
        self._average(look)
        if made:
            made |= moved.fingerprints(self.session, moved.CENTROIDS)
        if not self.result.texts_left and not self.embedder.active:
            self._switch()
        self._predict(look)
        if made:
            made |= moved.fingerprints(self.session, moved.LABELS)
        return made

    def finish(self, made: dict[str, str], counts: Counts) -> None:
        """Build the indexes that pay, drop what nothing uses, and note what was `made` where nothing is left to do."""
        if self.index and not self.result.texts_left:
            self._build_indexes()
        registry.drop_unused(self.session, self.reporter)
        if self.result.texts_left or self.result.label_fault:
            return
        if made:
            self._remember(made, counts)
        elif self.compared.look.capturing and not self.compared.look.nothing_moved:
            captured.finish(self.session, self.max_tokens)

    def _embed(self, load: Callable[[], Embedder], look: Look) -> None:
        of = "moved" if look.is_narrow else "texts"
        due: int = self.session.scalar(f"sync.count_due_{of}", embedder=self.embedder.id)
        if not due:
            return
        if self.index and (self.limit is None or due <= self.limit):
            self._make_way(due)
        embedding.embed_due(
            self.database,
            self.session,
            self.run,
            self.embedder,
            load,
            self.result.embedded,
            self.reporter,
            limit=self.limit,
            max_tokens=self.max_tokens,
            block_size=self.block_size,
            workers=self.workers,
            moved_only=look.is_narrow,
        )
        self.result.texts_left = due - self.result.embedded.finished

    def _make_way(self, due: int) -> None:
        """Drop the index on the vectors when so many are `due` that building it anew is quicker."""
        if indexing.has_vectors(self.session, "text_vector", self.embedder.id, int(due / _MANY)):
            return
        for each in indexing.status(self.session):
            of_these = (each.relation, each.embedder_id) == ("text_vector", self.embedder.id)
            if of_these and each.built and due > _MANY * each.vectors:
                indexing.drop_one(self.session, each)

    def _average(self, look: Look) -> None:
        """Renew tag centroids: those that are read, or that are about to be because no text lacks a vector."""
        read = registry.active(self.session) if self.result.texts_left else self.embedder
        assert read is not None
        with self.reporter.step("averaging tags"):
            self.result.tags, self.result.tags_removed = tag_vectors.refresh(self.session, read, look)

    def _switch(self) -> None:
        """Let everything read the chosen embedder; its indexes are built first, so that neighbours never lack them."""
        if self.index:
            self._build_indexes()
        registry.promote(self.session, self.embedder)
        self.result.switched = True
        self.reporter.say(f"everything reads embedder {self.embedder.name!r} now")

    def _predict(self, look: Look) -> None:
        try:
            with self.reporter.step("predicting"):
                predicted = predict.write_labels(self.session, look)
        except InputRefused as fault:
            self.result.label_fault = fault
        else:
            if predicted:
                self.result.labelled, self.result.labels_removed = predicted.written, predicted.removed

    def _build_indexes(self) -> None:
        if not indexing.any_due(self.session, self.embedder.id):
            return
        for each in indexing.status(self.session):
            if each.embedder_id == self.embedder.id and each.worthwhile and not each.built:
                indexing.build_one(self.database, self.session, each, self.reporter)
                self.result.indexed.append(each.relation)

    def _remember(self, made: dict[str, str], counts: Counts) -> None:
        """Note which rows this sync rests on, unless somebody has deleted some of them meanwhile."""
        texts, vectors = (moved.fingerprints(self.session, tables) for tables in (moved.TEXTS, moved.VECTORS))
        due = self.session.scalar("sync.count_due_texts", embedder=self.embedder.id)
        if texts.items() <= made.items() and not due:
            counts.detail["fingerprints"] = moved.remember(
                self.session, self.compared.look, made | vectors, self.max_tokens
            )


def _count(counts: Counts, result: SyncResult, embedder: StoredEmbedder) -> None:
    embedded = result.embedded
    counts.read = embedded.finished
    counts.written = embedded.texts
    counts.skip(NO_TOKEN, embedded.without_token)
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
    if result.label_fault:
        counts.detail["label_fault"] = str(result.label_fault)
