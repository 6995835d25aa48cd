"""Training refuses what it cannot learn from, says what and where, and leaves the database as it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tagdb.db.connection import Database, Session
from tagdb.errors import DatabaseError, InputRefused, QueryRefused, TagdbError, UsageError
from tagdb.models import Silent
from tagdb.pipeline.learning import train as use_case
from tagdb.pipeline.learning import training_set
from tagdb.pipeline.learning.train import TrainSettings, train
from tests.pipeline import stored
from tests.pipeline.conftest import Shared

REFUSED = {
    "no rows": ("SELECT id, label FROM questions WHERE false", QueryRefused, "returned no rows"),
    "one label": ("SELECT id, 'java' AS label FROM questions", InputRefused, "every row has the same label, 'java'"),
    "no label": ("SELECT id, NULL::text AS label FROM questions", InputRefused, "every label of the query is NULL"),
    "no vector": (
        "SELECT id + 5000 AS id, label FROM questions",
        InputRefused,
        "none of the questions of the query has a vector",
    ),
    "missing label": ("SELECT id, title FROM questions", QueryRefused, "no column label; it has id, title"),
    "missing id": (
        "SELECT label, title FROM questions",
        QueryRefused,
        "no column question_id or id; it has label, title",
    ),
    "id of another type": ("SELECT title AS id, label FROM questions", QueryRefused, "invalid input syntax"),
    "unknown table": ("SELECT id, label FROM nowhere", QueryRefused, 'relation "nowhere" does not exist'),
    "syntax": ("SELEC id", QueryRefused, "syntax error"),
    "empty": (" ; ", QueryRefused, "the query is empty"),
    "two statements": ("SELECT 1 AS id, 'a' AS label; DROP TABLE questions", QueryRefused, "more than one statement"),
    "writing statement": ("DELETE FROM questions RETURNING id, label", QueryRefused, "not a SELECT|read-only|writes"),
    "writing clause": (
        "WITH gone AS (DELETE FROM questions RETURNING id, label) SELECT * FROM gone",
        QueryRefused,
        "read-only|only reads|writes|data-modifying",
    ),
    "writing function": ("SELECT id, forget(id) AS label FROM questions", QueryRefused, "read-only|only reads|writes"),
    "text of one question": (
        "SELECT id, CASE WHEN id = 1 THEN 'rare' ELSE label END AS label FROM questions",
        InputRefused,
        r"too few different texts to learn from .*'rare' \(1, ",
    ),
    "text of two questions": (
        "SELECT id, CASE WHEN title IN ('text 1', 'text 2') THEN 'rare' ELSE label END AS label FROM questions",
        InputRefused,
        r"'rare' \(2, 1 held out\)",
    ),
    "label as a number of rows": ("SELECT count(*) FROM questions", QueryRefused, "it has count"),
}


def _contents(database: Database) -> Sequence[object]:
    return stored.rows(
        database,
        "SELECT (SELECT count(*) FROM questions), (SELECT count(*) FROM tagdb.classifier), "
        "(SELECT count(*) FROM tagdb.classifier_weight), (SELECT count(*) FROM tagdb.labels)",
    )


@pytest.mark.parametrize("case", REFUSED)
def test_query_is_refused_and_nothing_changes(shared: Shared, case: str) -> None:
    query, kind, message = REFUSED[case]
    database, _ = shared
    stored.run(
        database,
        "CREATE OR REPLACE FUNCTION forget(bigint) RETURNS text LANGUAGE sql "
        "AS 'DELETE FROM questions WHERE id = $1; SELECT ''x'''",
    )
    before = _contents(database)
    with pytest.raises(kind, match=message) as refused:
        train(database, query, TrainSettings(), Silent())
    assert refused.value.hint
    assert refused.value.exit_code == 1
    assert _contents(database) == before
    assert stored.column(database, "SELECT status FROM tagdb.run ORDER BY id DESC LIMIT 1") == ["failed"]


def test_query_that_takes_too_long_is_stopped(shared: Shared) -> None:
    database, _ = shared
    with pytest.raises(QueryRefused, match="the statement was stopped") as refused:
        train(database, "SELECT id, label FROM questions, pg_sleep(60)", TrainSettings(timeout=1), Silent())
    assert "--timeout" in (refused.value.hint or "")


def test_timeout_ends_with_the_query(database: Database, vectors: dict[str, stored.Vector]) -> None:
    timeouts = []

    def looked(session: Session, *args: Any) -> Any:
        timeouts.append(session.rows_of("SHOW statement_timeout", {})[0][0])
        return fetch(session, *args)

    fetch = training_set.fetch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_set, "fetch", looked)
        train(database, stored.LABELLED, TrainSettings(timeout=7), Silent())
    assert timeouts == ["0"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test_size": 0.0}, "leaves one side empty"),
        ({"test_size": 1.0}, "leaves one side empty"),
        ({"C": 0.0}, "C is a positive number"),
        ({"C": float("inf")}, "C is a positive number"),
        ({"seed": -1}, "a seed lies between"),
        ({"seed": 2**32}, "a seed lies between"),
    ],
)
def test_impossible_settings_are_wrong_usage(settings: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        TrainSettings(**settings)  # type: ignore[arg-type]
    assert refused.value.hint


def test_largest_seed_and_share_work(database: Database, vectors: dict[str, stored.Vector]) -> None:
    result = train(database, stored.LABELLED, TrainSettings(seed=2**32 - 1, test_size=0.9), Silent())
    assert result.training.train_texts == 9


def test_database_without_vectors_says_so(database: Database) -> None:
    with pytest.raises(InputRefused, match="no question has a vector yet") as refused:
        train(database, "SELECT 1 AS id, 'a' AS label", TrainSettings(), Silent())
    assert refused.value.hint == "tagdb sync"


def test_taken_and_unusable_names_are_refused_before_the_query_runs(
    database: Database, vectors: dict[str, stored.Vector]
) -> None:
    train(database, stored.LABELLED, TrainSettings(), Silent(), name="mine")
    never_run = "SELECT 1 / 0 AS id, 'a' AS label"
    with pytest.raises(InputRefused, match="there is a classifier 'mine' already"):
        train(database, never_run, TrainSettings(), Silent(), name="mine")
    for name in ("", " ", "12"):
        with pytest.raises(UsageError, match="cannot be told from"):
            train(database, never_run, TrainSettings(), Silent(), name=name)


@pytest.mark.parametrize(("file", "message"), [("c.bmp", "type '.bmp'"), ("no/such/c.png", "there is no such folder")])
def test_picture_that_cannot_be_drawn_is_refused_before_the_query_runs(
    shared: Shared, tmp_path: Path, file: str, message: str
) -> None:
    database, _ = shared
    runs = stored.column(database, "SELECT count(*) FROM tagdb.run")
    with pytest.raises(InputRefused, match=message):
        train(database, stored.LABELLED, TrainSettings(), Silent(), plot=tmp_path / file)
    assert stored.column(database, "SELECT count(*) FROM tagdb.run") == runs


@pytest.mark.parametrize("step", ["_store_weights", "_judge", "_decide"])
def test_failed_store_leaves_nothing_behind(
    database: Database, vectors: dict[str, stored.Vector], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    train(database, stored.LABELLED, TrainSettings(), Silent(), name="before")
    before = stored.rows(database, "SELECT * FROM tagdb.classifier"), _contents(database)

    def broken(*args: object, **options: object) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(use_case, step, broken)
    with pytest.raises(TagdbError, match="the disk is full"):
        train(database, stored.LABELLED, TrainSettings(), Silent(), activate=True)
    assert (stored.rows(database, "SELECT * FROM tagdb.classifier"), _contents(database)) == before
    assert stored.column(database, "SELECT status FROM tagdb.run ORDER BY id") == ["done", "failed"]
