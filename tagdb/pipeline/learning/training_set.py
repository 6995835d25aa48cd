"""The rows a classifier is fitted on: taken by the user's query, counted, split, and fetched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagdb import shortening
from tagdb.db import copy, keys, userquery
from tagdb.db.connection import Row, Session
from tagdb.errors import DatabaseError, InputRefused, QueryRefused, TagdbError, UsageError
from tagdb.models import Reporter
from tagdb.pipeline.embedders.registry import StoredEmbedder

DEFAULT_TEST_SIZE = 0.3
DEFAULT_TIMEOUT = 300
_LEAST_TEXTS = 2
_LARGEST_SEED = 2**32 - 1
_LONGEST_LABEL = 60
_GROUPS_TOLD = 5

Take = Callable[[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]], None]
"""What is done with each block of training texts: vectors (n, dim), class numbers (n,), rows they stand for (n,)."""


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
            raise UsageError(f"a test size of {self.test_size} leaves one side empty", hint="--test-size 0.3")
        if not (self.C > 0 and math.isfinite(self.C)):
            raise UsageError(f"C is a positive number, not {self.C}", hint="--C 1.0")
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise UsageError(f"a seed lies between 0 and {_LARGEST_SEED}, unlike {self.seed}", hint="--seed 1")


@dataclass(frozen=True)
class ClassSize:
    """How many texts carry a label, and how they and their rows are divided."""

    label: str
    texts: int
    train_texts: int
    train_rows: int
    test_rows: int


@dataclass(frozen=True)
class SimilarLabels:
    """Labels that only case or blanks tell apart, or that are nothing but blanks, with the rows of each."""

    labels: tuple[str, ...]
    rows: tuple[int, ...]

    def __str__(self) -> str:
        pairs = zip(self.labels, self.rows, strict=True)
        return shortening.named([f"{_quoted(label)} ({rows:,} rows)" for label, rows in pairs], _GROUPS_TOLD)


@dataclass(frozen=True)
class TrainingSet:
    """A divided set, in temporary tables of the session; `classes` in the order of their numbers.

    A text counts once for each label it carries.
    """

    read: int
    without_label: int
    without_vector: int
    sizes: tuple[ClassSize, ...]
    similar: tuple[SimilarLabels, ...] = ()

    @property
    def classes(self) -> list[str]:
        """The labels."""
        return [size.label for size in self.sizes]

    @property
    def train_texts(self) -> int:
        """How many vectors there are to fetch."""
        return sum(size.train_texts for size in self.sizes)

    @property
    def train_rows(self) -> int:
        """How many rows of the query the fetched vectors stand for."""
        return sum(size.train_rows for size in self.sizes)

    @property
    def test_rows(self) -> int:
        """How many rows of the query are held out."""
        return sum(size.test_rows for size in self.sizes)

    @property
    def rows_not_sampled(self) -> int:
        """How many rows could have been used but are not in the sample that was asked for."""
        return self.read - self.without_label - self.without_vector - self.train_rows - self.test_rows


def prepare(
    session: Session, embedder: StoredEmbedder, query: str, settings: TrainSettings, reporter: Reporter
) -> TrainingSet:
    """Run the query and divide its rows into texts to train on and texts to test on.

    Raises
    ------
    QueryRefused : the query is not one SELECT, fails, lacks a column or gives no row
    InputRefused : its rows cannot be trained on: labels or vectors are missing, or there are too few texts
    """
    _take_rows(session, query, settings.timeout)
    rows = _count_rows(session, embedder)
    if settings.sample is None:
        session.execute("train.create_training", embedder=embedder.id)
    else:
        number = keys.stored(session).number("r.question_id")
        parts = {"number": number, "embedder": embedder.id, "sample": settings.sample, "seed": settings.seed}
        session.run_script(session.script("train.create_sampled_training", **parts))
    session.execute("train.analyze_training")
    session.execute("train.create_split", test_size=settings.test_size, seed=settings.seed)
    session.execute("train.analyze_split")
    sizes, similar = _sizes(session), _similar(session)
    _warn_of_similar(similar, reporter)
    _require_trainable(sizes)
    return TrainingSet(rows.read, rows.without_label, rows.without_vector, sizes, similar)


def fetch(session: Session, embedder: StoredEmbedder, training: TrainingSet, take: Take) -> None:
    """COPY the training texts out, block by block."""
    classes = session.cursor().mogrify("%s::text[]", (training.classes,)).decode()
    _copy_out(session, session.script("train.matrix", classes=classes, embedder=embedder.id), embedder.dim, take)


@contextmanager
def shown_to_others(session: Session, training: TrainingSet) -> Iterator[None]:
    """Let other sessions fetch the training texts by their places, from 1 on, as long as this lasts.

    What a process that was killed left of an earlier one goes.
    """
    classes = session.cursor().mogrify("%s::text[]", (training.classes,)).decode()
    session.execute("train.drop_places")
    try:
        session.run_script(session.script("train.create_places", classes=classes))
        session.execute("train.analyze_places")
        yield
    except BaseException:
        with suppress(TagdbError):  # what went wrong first is what has to be told
            session.execute("train.drop_places")
        raise
    session.execute("train.drop_places")


def fetch_places(session: Session, embedder: int, dim: int, places: tuple[int, int], take: Take) -> None:
    """COPY the texts out of which `shown_to_others` speaks: those after the first place, up to the second one."""
    first, last = places
    texts = session.row("train.texts_of_places", first=first, last=last)
    assert texts is not None
    if texts.rows != last - first:
        raise DatabaseError("the training set is gone", hint="another tagdb may have dropped it: train again")
    parts = {"embedder": embedder, "first": first, "last": last, "first_text": texts.first, "last_text": texts.last}
    _copy_out(session, session.script("train.matrix_of_places", **parts), dim, take)


def _copy_out(session: Session, query: str, dim: int, take: Take) -> None:
    fields: list[tuple[str, str | int]] = [("label", "i4"), ("n", "i8"), ("vector", dim)]
    copy.copy_out(session.cursor(), query, fields, lambda block: take(block["vector"], block["label"], block["n"]))


def _take_rows(session: Session, query: str, timeout: int) -> None:
    """Put the rows of the query into a temporary table, in a read-only transaction with a time limit; tally them."""
    key = keys.stored(session)
    session.run_script(session.script("train.create_rows", type="bigint" if key.is_integer else key.sql))
    with userquery.refusals(), session.transaction(read_only=True):
        session.run_script(f"SET LOCAL statement_timeout = '{int(timeout)}s'")
        checked = userquery.check_inside(session, query)
        question_id, label = keys.looked_up(session, checked, key), checked.column("label")
        session.run_script(
            "INSERT INTO pg_temp.tagdb_training_row (question_id, label) "
            + checked.selecting(f"{question_id}, q.{label}::text")
        )
    for step in ("analyze_rows", "tally_rows", "analyze_tally"):
        session.execute(f"train.{step}")


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


def _sizes(session: Session) -> tuple[ClassSize, ...]:
    return tuple(
        ClassSize(row.label, row.texts, row.train_texts, int(row.train_rows), int(row.test_rows))
        for row in session.rows("train.class_sizes")
    )


def _similar(session: Session) -> tuple[SimilarLabels, ...]:
    return tuple(SimilarLabels(tuple(row.labels), tuple(row.rows)) for row in session.rows("train.similar_labels"))


def _warn_of_similar(similar: tuple[SimilarLabels, ...], reporter: Reporter) -> None:
    if similar:
        told = "; ".join(map(str, similar[:_GROUPS_TOLD]))
        more = f"; and {len(similar) - _GROUPS_TOLD:,} more such labels" if len(similar) > _GROUPS_TOLD else ""
        reporter.warn(f"labels that only case or blanks tell apart, or blank ones, are classes too: {told}{more}")


def _quoted(label: str) -> str:
    return repr(shortening.ellipsis(label, _LONGEST_LABEL))


def _require_trainable(sizes: tuple[ClassSize, ...]) -> None:
    if len(sizes) < 2:
        raise InputRefused(
            f"every row has the same label, {_quoted(sizes[0].label)}",
            hint="a classifier needs rows of two labels or more",
        )
    rare = [size for size in sizes if size.train_texts < _LEAST_TEXTS]
    if rare:
        rare.sort(key=lambda size: size.texts, reverse=True)
        told = shortening.named(
            [f"{_quoted(size.label)} ({size.texts}, {size.texts - size.train_texts} held out)" for size in rare]
        )
        raise InputRefused(
            f"labels with too few different texts to learn from (two are needed beside the held-out ones): {told}",
            hint="label more of their questions, or leave these labels out of the query",
        )
    if not any(size.test_rows for size in sizes):
        raise InputRefused("there are too few different texts to hold any out", hint="train on more rows")
