"""`tagdb demo`: the whole loop on the bundled sample, each step explained in a line and shown by its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tagdb import advice, sample
from tagdb.db import usertables
from tagdb.db.connection import Database
from tagdb.db.source import Choice
from tagdb.errors import InputRefused
from tagdb.models import Reporter
from tagdb.pipeline import importing, sync
from tagdb.pipeline.learning import classifiers, train

CLASSIFIER = "demo"
TRAINING_QUERY = "SELECT id AS question_id, label FROM questions WHERE label IS NOT NULL"


@dataclass(frozen=True)
class Step:
    """One step as it is shown: what happens and why, the command or SQL that does it, and what came of it."""

    explanation: str
    command: str
    outcome: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()


def demo(database: Database, reporter: Reporter, show: Callable[[Step], None]) -> float:
    """Import the sample, sync, train, predict and look around; return how many seconds it took.

    Running it again changes nothing but a question of its own that it lets arrive anew.

    Raises
    ------
    InputRefused : the database holds questions that are not the sample's
    """
    started = time.perf_counter()
    _import(database, reporter, show)
    _sync(database, reporter, show)
    _train(database, reporter, show)
    _predict(database, reporter, show)
    _look_around(database, show)
    _let_a_question_arrive(database, reporter, show)
    return time.perf_counter() - started


def _import(database: Database, reporter: Reporter, show: Callable[[Step], None]) -> None:
    with database.session() as session:
        if session.row("source.user_columns", table_name=usertables.imported_table(session, "questions")):
            if session.scalar("demo.holds_other_questions"):
                raise InputRefused(
                    "this database holds questions of your own; the demo keeps away from them",
                    hint='TAGDB_HOME="$(mktemp -d)" tagdb demo',
                )
            session.execute("demo.forget_arrival")
    result = importing.import_files(database, [str(sample.path())], reporter, recorded_as="demo")
    total = result.added + result.updated + result.unchanged
    outcome = f"{total:,} made-up questions are in the tables questions and tags"
    show(Step("Questions come in from a file, by COPY.", _typed(database, "tagdb import questions.csv.gz"), outcome))


def _sync(database: Database, reporter: Reporter, show: Callable[[Step], None]) -> None:
    result = sync.sync(database, Choice(), reporter)
    outcome = f"{result.embedded.texts:,} distinct tag lists embedded, {result.tags:,} tags averaged"
    if not result.embedded.due:
        outcome = "nothing had changed, so nothing was embedded"
    show(
        Step(
            "ELMo gives every distinct tag list a vector of 1,024 numbers, in pgvector.",
            _typed(database, "tagdb sync"),
            outcome,
        )
    )


def _train(database: Database, reporter: Reporter, show: Callable[[Step], None]) -> None:
    """Train once: an earlier demo's classifier is shown again, for it would come out the same."""
    if all(each.name != CLASSIFIER for each in classifiers.stored(database)):
        train.train(database, TRAINING_QUERY, train.TrainSettings(), reporter, name=CLASSIFIER, activate=True)
    stored = classifiers.find(database, CLASSIFIER)
    accuracy, macro_f1, rows = (stored.metrics[name] for name in ("accuracy", "macro_f1", "rows"))
    outcome = f"accuracy {accuracy:.3f}, macro F1 {macro_f1:.3f} on {rows:,} held-out questions\n\n{stored.confusion}"
    explanation = "A logistic regression learns the known labels from a SQL query and is tested on texts it never saw."
    show(Step(explanation, _typed(database, f"tagdb train --query '{TRAINING_QUERY}'"), outcome))


def _predict(database: Database, reporter: Reporter, show: Callable[[Step], None]) -> None:
    result = sync.sync(database, Choice(), reporter)
    written = f"{result.labelled:,} labels written, computed inside PostgreSQL"
    show(Step("Sync ends by writing the labels that are due.", _typed(database, "tagdb sync"), written))
    _show_query(
        database, show, "Labels are a table like any other; here those of questions without one.", "predicted_counts"
    )
    _show_query(
        database, show, "The questions the classifier is least sure of are the ones to label by hand.", "doubtful"
    )


def _look_around(database: Database, show: Callable[[Step], None]) -> None:
    also = _typed(database, "tagdb nearest pandas")
    _show_query(database, show, f"Tags have vectors too, so they have neighbours (also: {also}).", "nearest_tags")


def _let_a_question_arrive(database: Database, reporter: Reporter, show: Callable[[Step], None]) -> None:
    with database.session() as session, session.transaction():
        session.execute("demo.arrival")
    result = sync.sync(database, Choice(), reporter)
    outcome = f"{result.embedded.texts:,} text embedded, {result.labelled:,} label written; all else was current"
    show(
        Step(
            "A new question arrives by INSERT; sync does only what that asks for.",
            _typed(database, "tagdb sync"),
            outcome,
        )
    )
    _show_query(database, show, "And there is its label.", "arrival_label")


def _typed(database: Database, command: str) -> str:
    return advice.addressed(command, database.schema)


def _show_query(database: Database, show: Callable[[Step], None], explanation: str, name: str) -> None:
    with database.session() as session:
        rows, command = session.rows(f"demo.{name}"), session.script(f"demo.{name}")
    columns = list(rows[0]._fields) if rows else []
    show(Step(explanation, command, columns=columns, rows=[tuple(row) for row in rows]))
