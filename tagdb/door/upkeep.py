"""What a collection needs beside its daily work: classifiers, embedders, indexes, schema and rights looked after."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from tagdb.door.opened import Opened
from tagdb.door.results import Activated, Deleted, Lifted, Pruned, Restored

if TYPE_CHECKING:
    from tagdb.db.capture import Capture
    from tagdb.models import EmbedderSpec
    from tagdb.pipeline.checking.doctor import Examination
    from tagdb.pipeline.embedders.pretraining import PretrainResult
    from tagdb.pipeline.embedders.registry import KnownEmbedder
    from tagdb.pipeline.learning.classifiers import Deletion, StoredClassifier
    from tagdb.pipeline.running.capturing import Capturing
    from tagdb.pipeline.running.collections import CollectionStatus
    from tagdb.pipeline.syncing.indexing import IndexStatus


class EmbedderSettings(TypedDict, total=False):
    """How `train_embedder` trains."""

    epochs: int
    token_epochs: int
    hours: float | None
    patience: int
    vocabulary: int
    lowercase: bool
    tokenizer: str
    learning_rate: float
    batch_tokens: int
    dropout: float
    tag_weight: float
    seed: int


class Upkeep(Opened):
    """The methods for what the groups `models`, `embedder`, `index` and `db` of the command line do."""

    def models(self) -> Sequence[StoredClassifier]:
        """Return the stored classifiers, oldest first."""
        from tagdb.pipeline.learning import classifiers

        with self._at_work() as database:
            return classifiers.stored(database)

    def model(self, which: str) -> StoredClassifier:
        """Return the classifier of that name or number.

        Raises
        ------
        InputRefused : there is none
        """
        from tagdb.pipeline.learning import classifiers

        with self._at_work() as database:
            return classifiers.find(database, which)

    def activate_model(self, which: str) -> Activated:
        """Let a classifier write the labels from now on; the labels of the former one become stale.

        Raises
        ------
        InputRefused : there is none of that name, or its embedder is not the active one
        """
        from tagdb.pipeline.learning import classifiers

        with self._at_work() as database:
            return Activated.of(classifiers.activate(database, which))

    def plan_deletion(self, which: str) -> Deletion:
        """Tell what `delete_model` would do; nothing is written."""
        from tagdb.pipeline.learning import classifiers

        with self._at_work() as database:
            return classifiers.deletion(database, which)

    def delete_model(self, which: str) -> Deleted:
        """Delete a classifier; labels that it wrote are first written anew by the active one, if that is another."""
        from tagdb.pipeline.learning import classifiers

        with self._at_work() as database:
            return Deleted.of(classifiers.delete(database, which, self._reporter))

    def embedders(self) -> Sequence[KnownEmbedder]:
        """Return the shipped and the added embedders, and those that this collection has used."""
        from tagdb.pipeline.embedders import registry

        with self._at_work() as database:
            return registry.overview(database)

    def use_embedder(self, name_or_directory: str | os.PathLike[str]) -> EmbedderSpec:
        """Choose the embedder for all texts; the old vectors stay in use until sync has made all the new ones.

        Raises
        ------
        EmbedderUnavailable : there is no such embedder, or its vectors are longer than can be indexed
        """
        from tagdb.pipeline.embedders import registry

        with self._at_work() as database:
            return registry.choose(database, os.fspath(name_or_directory))

    def remove_embedder(self, name: str) -> None:
        """Delete the files of an added embedder that this collection does not use; its vectors stay.

        Raises
        ------
        EmbedderUnavailable : none was added under this name
        InputRefused : sync, or a switch under way, still needs it
        """
        from tagdb.pipeline.embedders import registry

        with self._at_work() as database:
            registry.remove(database, name)

    def train_embedder(
        self,
        output: str | os.PathLike[str],
        *,
        query: str | None = None,
        tags_query: str | None = None,
        files: Sequence[str | os.PathLike[str]] = (),
        init: str | None = None,
        cell_dim: int | None = None,
        projection_dim: int | None = None,
        number_format: str = "float16",
        name: str | None = None,
        licence: str | None = None,
        command: str | None = None,
        plot: str | os.PathLike[str] | None = None,
        **settings: Unpack[EmbedderSettings],
    ) -> PretrainResult:
        """Pre-train an ELMo on texts: those of the queries and files, else those that sync embeds.

        It may be stopped at any time; the same call goes on from there. `command` is noted in the model card. What is
        left out is as the command line has it.

        Raises
        ------
        InputRefused : the texts leave nothing to learn, or `output` cannot be written or holds another run
        QueryRefused : a query cannot be run or lacks a column
        EmbedderUnavailable : there is no embedder `init`, or its files or the checkpoint's are damaged
        """
        from tagdb.pipeline.embedders import pretraining

        sizes = {"cell_dim": cell_dim, "projection_dim": projection_dim}
        size: dict[str, Any] = {name: value for name, value in sizes.items() if value is not None}
        with self._heeding_signals():
            return pretraining.pretrain(
                self._opened,
                pretraining.TrainingTexts(query, tags_query, tuple(os.fspath(each) for each in files)),
                Path(output),
                pretraining.Settings(**settings),
                pretraining.Size(**size),
                self._reporter,
                name=name,
                licence=licence,
                command=command,
                init=init,
                number_format=number_format,
                plot=None if plot is None else Path(plot),
            )

    def capture_on(self, tables: Mapping[str, str] | None = None) -> Capturing:
        """Make triggers on the tables that sync reads; it then costs what its changes cost.

        For SQL of your own, `tables` says of each table, by its name, which column or SQL expression gives the question
        that a row is about, * where it may be any.

        Raises
        ------
        InputRefused : nothing is embedded yet, or what is embedded cannot be captured; nothing was changed
        QueryRefused : an expression does not give ids of questions; nothing was changed
        Unavailable : a right is missing
        """
        from tagdb.pipeline.running import capturing

        with self._at_work() as database:
            return capturing.switch_on(database, tables or {}, self._reporter)

    def capture_off(self) -> Capturing:
        """Remove these triggers and all that they wrote."""
        from tagdb.pipeline.running import capturing

        with self._at_work() as database:
            return capturing.switch_off(database)

    def capture_status(self) -> Capture:
        """Tell whether changes are captured, of which tables, and how many questions wait for a sync."""
        from tagdb.pipeline.running import capturing

        with self._at_work() as database:
            return capturing.status(database)

    def index_status(self) -> Sequence[IndexStatus]:
        """Return which indexes stand, and how large they are."""
        from tagdb.pipeline.syncing import indexing

        with self._at_work() as database:
            return indexing.show(database)

    def build_index(self) -> Sequence[IndexStatus]:
        """Build the indexes that are missing; sync does so by itself once there are enough vectors."""
        from tagdb.pipeline.syncing import indexing

        with self._at_work() as database:
            return indexing.build(database, self._reporter)

    def drop_index(self) -> Sequence[IndexStatus]:
        """Drop the indexes; neighbours are then found by reading every vector."""
        from tagdb.pipeline.syncing import indexing

        with self._at_work() as database:
            return indexing.drop(database)

    def doctor(self) -> Examination:
        """Look at everything that tagdb stands on, also where the database cannot be opened; nothing is written."""
        from tagdb.pipeline.checking import doctor

        with self._heeding_signals():
            return doctor.examine(self._url, schema=self.schema)

    def schemas(self) -> Sequence[CollectionStatus]:
        """Return every collection in the database with what it embeds and how current it is, whatever its version."""
        from tagdb.pipeline.running import collections, opening

        with self._heeding_signals():
            database = opening.open_database(self._url, self._reporter, current=False, schema=self.schema)
            with closing(database):
                return collections.listed(database)

    def migrate(self) -> bool:
        """Make the collection's schema, or bring it to what this version works on; True when something changed."""
        from tagdb.pipeline.running import opening

        with self._heeding_signals():
            return opening.migrate(self._url, self._reporter, schema=self.schema)

    def grant(self, *roles: str, wide: bool = False) -> Sequence[str]:
        """Let roles read labels, neighbours and status, or with `wide` everything.

        Returns the statements by which somebody who may has to add to that.
        """
        from tagdb.pipeline.running import readers

        with self._heeding_signals():
            return readers.grant(self._url, roles, self._reporter, wide=wide, schema=self.schema)

    def revoke(self, *roles: str) -> None:
        """Take back what roles may read."""
        from tagdb.pipeline.running import readers

        with self._heeding_signals():
            readers.revoke(self._url, roles, self._reporter, schema=self.schema)

    def prune(self, days: int = 90) -> Pruned:
        """Forget the runs that began more than `days` days ago, but for those that the next sync goes by."""
        from tagdb.pipeline.running import pruning

        with self._at_work() as database:
            return Pruned(pruning.prune(database, days))

    def drop_views(self) -> Lifted:
        """Let the views over your tables step aside while you alter these.

        Raises
        ------
        InputRefused : there are none, or others depend on them; nothing was changed
        """
        from tagdb.pipeline.running import lifting

        with self._at_work() as database:
            return Lifted(lifting.drop(database))

    def restore_views(self) -> Restored:
        """Put the views back as they were.

        Raises
        ------
        QueryRefused : a definition no longer fits the tables; nothing was changed
        """
        from tagdb.pipeline.running import lifting

        with self._at_work() as database:
            return Restored(lifting.restore(database, self._reporter))
