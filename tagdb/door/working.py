"""What keeps a collection current: questions in, vectors and labels made."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagdb.door.opened import Opened
from tagdb.door.results import Synced, Trained, Watched, Worked
from tagdb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tagdb.pipeline.demo import Step
    from tagdb.pipeline.importing import ImportResult
    from tagdb.pipeline.learning.predict import PredictResult
    from tagdb.pipeline.planning import Plan

_MAX_TOKENS = 512


class Working(Opened):
    """The methods that write what the collection is for."""

    def import_files(
        self,
        files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        format: str | None = None,  # noqa: A002
        id_column: str | None = None,
        title_column: str | None = None,
        tags_column: str | None = None,
        label_column: str | None = None,
        created_column: str | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        header: bool = True,
        quotes: bool | None = None,
        tags_separator: str | None = None,
        null_words: Sequence[str] | None = None,
        html: bool | None = None,
        day_first: bool | None = None,
        replace: bool = False,
        confirmed: bool = False,
        strict: bool = False,
        dry_run: bool = False,
    ) -> ImportResult:
        """Add and update questions and tags from files, all of them or nothing; rows that are `bad` are left out.

        How a file is written is recognised where nothing says it; `null_words` are the words that mean "missing",
        and () keeps every word. With `dry_run` nothing is written, and the result says what would be.

        Raises
        ------
        CheckFailed : with `replace`, more than half of the questions would be removed, and that they may is not
            `confirmed`; nothing was changed
        InputRefused : a file is of an unknown shape, or has a bad row (with `strict` or `replace`); nothing was changed
        UsageError : an option makes no sense
        """
        from tagdb.pipeline import importing

        named = [files] if isinstance(files, str | os.PathLike) else files
        columns = importing.Columns(id_column, title_column, tags_column, label_column, created_column)
        words = None if null_words is None else tuple(null_words)
        reading = importing.Reading(delimiter, encoding, header, quotes, tags_separator, words, html, day_first)
        with self._at_work() as database:
            return importing.import_files(
                database,
                [os.fspath(each) for each in named],
                self._reporter,
                format=format,
                columns=columns,
                reading=reading,
                strict=strict,
                replace=replace,
                confirmed=confirmed,
                dry_run=dry_run,
            )

    def sync(
        self,
        *,
        text: str | None = None,
        source_sql: str | None = None,
        source_tags_sql: str | None = None,
        source_tags_separator: str | None = None,
        where: str | None = None,
        allow_gone: bool = False,
        new_keys: bool = False,
        full: bool = False,
        limit: int | None = None,
        batch_size: int | None = None,
        max_tokens: int = _MAX_TOKENS,
        index: bool = True,
        workers: int | None = None,
        ray: str | None = None,
        gpus: float = 0.0,
    ) -> Synced:
        """Embed what changed, renew tag vectors, and write the labels that are due.

        It may be stopped at any time: what is committed stays, and the next sync goes on from there. With `workers`,
        so many processes of their own embed, and not this one. `ray` is the address of a Ray cluster ("auto" on a
        machine of one) on whose nodes workers embed, at most `workers` of them, each with so many of its node's `gpus`.
        With `full`, all questions are compared, also where changes are captured.

        Raises
        ------
        CheckFailed : most questions are gone, and `allow_gone` does not say that they may; nothing was changed
        InputRefused : the source is missing, or names a question twice or not at all, or its ids are of another type
            than the stored ones and `new_keys` does not say that they may be; nothing was changed
        QueryRefused : the SQL cannot be run; nothing was changed
        EmbedderUnavailable : the model's files are not here, or are no longer those the vectors were made with
        Unavailable : there is no such cluster, or it cannot work on this database, or no worker is left
        """
        from tagdb.pipeline import sync

        if workers is not None and workers < 1:
            raise UsageError(f"{workers} workers embed nothing", hint="db.sync(workers=1), or leave it out")
        if gpus < 0 or (gpus and ray is None):
            raise UsageError(
                "gpus are those that each worker of a Ray cluster takes", hint='db.sync(ray="auto", gpus=1)'
            )
        with self._at_work() as database:
            result = sync.sync(
                database,
                sync.Choice(text, source_sql, source_tags_sql, where, source_tags_separator),
                self._reporter,
                limit=limit,
                max_tokens=max_tokens,
                block_size=batch_size,
                index=index,
                allow_gone=allow_gone,
                new_keys=new_keys,
                workers=None if workers is None and ray is None else sync.Workers(workers, ray, gpus),
                full=full,
            )
        return Synced.of(result)

    def work(self, *, wait: bool = False, threads: int | None = None) -> Worked:
        """Join the sync that is running, on whatever machine, and embed beside it until nothing is left.

        With `wait` it stays and works for every sync to come, until a signal ends it. `threads` are those to compute
        with, unless this process has embedded before.

        Raises
        ------
        Unavailable : no sync is running, and `wait` does not say to wait for one
        EmbedderUnavailable : what the sync embeds with is not on this machine
        """
        from tagdb.pipeline.syncing import joining

        if threads is not None and threads < 1:
            raise UsageError(f"{threads} threads compute nothing", hint="db.work(threads=1), or leave it out")
        with self._at_work() as database:
            return Worked.of(joining.work(database, self._reporter, wait=wait, threads=threads))

    def watch(
        self,
        *,
        every: float = 1.0,
        full_every: float = 300.0,
        max_tokens: int = _MAX_TOKENS,
        index: bool = True,
        metrics: str | None = None,
        max_lag: float = 900.0,
        stop: threading.Event | None = None,
    ) -> Iterator[Watched]:
        """Sync as soon as something has changed, until `stop` is set; give each pass that did something, or failed.

        Asked every so many seconds; where rows change without a sign, all are looked at after `full_every` at most. The
        embedder is loaded once. A lost server and another tagdb at work are waited for, and what failed is tried again:
        of the same failure only the first is given. At `metrics`, a port or HOST:PORT, a monitor is answered; it is
        told of an alarm after `max_lag` seconds. In a loop, the body runs between two passes.

        Raises
        ------
        UsageError : a setting makes no sense
        ConnectionFailed : there is no connection to begin with
        SchemaMismatch : the schema is of another version, or gone
        Unavailable : nothing can be written here, or nothing can listen there
        """
        from tagdb.door import serving

        if min(every, full_every, max_lag) <= 0:
            raise UsageError("every, full_every and max_lag are seconds, more than none")
        where = None if metrics is None else serving.place(metrics)
        return self._watch(every, full_every, max_tokens, index, where, max_lag, stop or threading.Event())

    def _watch(
        self,
        every: float,
        full_every: float,
        max_tokens: int,
        index: bool,
        where: tuple[str, int] | None,
        max_lag: float,
        stop: threading.Event,
    ) -> Iterator[Watched]:
        from tagdb.door import serving
        from tagdb.pipeline import watching
        from tagdb.pipeline.running.vitals import Vitals

        settings, vitals = watching.Settings(every, full_every, max_tokens, index), Vitals()
        with self._at_work() as database, ExitStack() as beside:
            if where is not None:
                address = beside.enter_context(serving.serving(where, vitals, max_lag, self.schema))
                self._reporter.say(f"metrics on {address}")
            for done in watching.watch(database, settings, self._reporter, vitals, stop):
                yield Watched.of(done)

    def plan(
        self,
        *,
        text: str | None = None,
        source_sql: str | None = None,
        source_tags_sql: str | None = None,
        source_tags_separator: str | None = None,
        where: str | None = None,
        allow_gone: bool = False,
        new_keys: bool = False,
        full: bool = False,
        limit: int | None = None,
        max_tokens: int = _MAX_TOKENS,
    ) -> Plan:
        """Work out what `sync` would do, and do nothing."""
        from tagdb.pipeline import planning, sync

        choice = sync.Choice(text, source_sql, source_tags_sql, where, source_tags_separator)
        with self._at_work() as database:
            return planning.plan(
                database,
                choice,
                self._reporter,
                limit=limit,
                max_tokens=max_tokens,
                allow_gone=allow_gone,
                new_keys=new_keys,
                full=full,
            )

    def train(
        self,
        query: str | None = None,
        *,
        again: bool = False,
        name: str | None = None,
        sample: int | None = None,
        test_size: float | None = None,
        seed: int | None = None,
        C: float | None = None,
        max_iter: int | None = None,
        timeout: int | None = None,
        activate: bool = False,
        plot: str | os.PathLike[str] | None = None,
        ray: str | None = None,
    ) -> Trained:
        """Fit a logistic regression on the rows of a query, test it on texts it has not seen, and store it.

        With `again`, as the active classifier was trained: with its query and settings, but for those given here. A
        setting that is None is that one's, or the default. `ray` is the address of a Ray cluster ("auto" on a machine
        of one) whose nodes share the vectors.

        Raises
        ------
        QueryRefused : the query is not one SELECT, fails, lacks a column or gives no row
        InputRefused : its rows cannot be trained on, or there is no active classifier to train again
        UsageError : there is neither a query nor `again`, or a setting makes no sense
        Unavailable : there is no such cluster, or it cannot work on this database
        """
        from tagdb.pipeline.learning import train

        if query is None and not again:
            raise UsageError("a query has to say what to train on", hint="db.train('SELECT question_id, label FROM …')")
        settings: dict[str, Any] = {
            "sample": sample,
            "test_size": test_size,
            "seed": seed,
            "C": C,
            "max_iter": max_iter,
            "timeout": timeout,
        }
        given = {key: value for key, value in settings.items() if value is not None}
        chosen = train.TrainSettings(**given)
        picture = None if plot is None else Path(plot)
        options: dict[str, Any] = {"name": name, "activate": activate, "plot": picture, "ray": ray}
        with self._at_work() as database:
            if again:
                return Trained.of(train.train_again(database, given, self._reporter, query=query, **options))
            assert query is not None
            return Trained.of(train.train(database, query, chosen, self._reporter, **options))

    def predict(self) -> PredictResult:
        """Write the labels that are missing or stale; `sync` does the same as its last step.

        Raises
        ------
        InputRefused : there is no active classifier, or its vectors are no longer the ones in use
        """
        from tagdb.pipeline.learning import predict

        with self._at_work() as database:
            return predict.predict(database, self._reporter)

    def demo(self, show: Callable[[Step], None]) -> float:
        """Go through the whole loop on the bundled sample, and `show` each step; return how many seconds it took.

        Raises
        ------
        InputRefused : the database holds questions that are not the sample's
        """
        from tagdb.pipeline import demo

        with self._at_work() as database:
            return demo.demo(database, self._reporter, show)
