"""The view `tagdb.status`, by which a monitor sees from SQL alone how current everything is."""

from __future__ import annotations

from typing import Any

from tagdb.db.connection import Database
from tagdb.models import Silent
from tagdb.pipeline.asking.status import status
from tagdb.pipeline.learning import predict, train
from tests.cli.running import tagdb
from tests.pipeline import stored

LABELS = ["red", "green", "blue", None] * 6


def _view(database: Database) -> dict[str, Any]:
    (row,) = stored.rows(database, "SELECT * FROM tagdb.status")
    return dict(row._mapping)


def _filled(database: Database) -> None:
    texts = stored.numbered(LABELS)
    vectors = dict(zip(texts[:-3], stored.clustered(LABELS[:-3], dim=16), strict=True))
    stored.fill(database, texts, vectors, labels=LABELS)
    stored.run(
        database, "INSERT INTO tagdb.failure (text_id, embedder_id, reason) SELECT 24, id, 'x' FROM tagdb.embedder"
    )


def test_empty_database_has_a_row_that_says_so(database: Database) -> None:
    view = _view(database)
    assert view["source"] is view["embedder"] is view["last_status"] is view["seconds_since_sync"] is None
    assert (view["questions"], view["due"], view["labelled"], view["stale_labels"]) == (0, 0, 0, 0)


def test_counts_are_those_of_the_command(database: Database) -> None:
    _filled(database)
    train.train(database, stored.LABELLED, train.TrainSettings(), Silent())
    for labelled, stale in ((0, 21), (21, 0)):
        view, picture = _view(database), status(database)
        assert view["questions"] == picture.rows == 24
        assert (view["texts"], view["embedded"], view["due"], view["failed"]) == (24, 21, 2, 1)
        assert (picture.texts, picture.embedded, picture.due, picture.failed) == (24, 21, 2, 1)
        assert view["labelled"] == picture.labelled == labelled
        assert view["stale_labels"] == picture.stale == stale
        assert (view["source"], view["embedder"], view["classifier"]) == ("title", "first", picture.classifier)
        predict.predict(database, Silent())
    stored.run(database, "UPDATE tagdb.question SET text_id = 2 WHERE question_id IN (1, 5)")
    assert _view(database)["stale_labels"] == 2


def test_last_command_and_the_last_complete_sync_are_told(database: Database) -> None:
    stored.run(
        database,
        "INSERT INTO tagdb.run (command, args, status, finished_at) "
        "VALUES ('sync', '{}', 'done', now() - interval '1 hour'), "
        """('sync', '{"limit": 5}', 'done', now()), ('train', '{}', 'done', now())""",
    )
    view = _view(database)
    assert (view["last_command"], view["last_status"], view["last_error"]) == ("train", "done", None)
    assert 3600 <= view["seconds_since_sync"] < 3700
    assert tagdb("import", "/nonexistent.csv").exit_code == 1
    view = _view(database)
    assert (view["last_command"], view["last_status"]) == ("import", "failed")
    assert "/nonexistent.csv" in view["last_error"]
    stored.run(database, "INSERT INTO tagdb.run (command, args, status) VALUES ('sync', '{}', 'running')")
    assert _view(database)["last_status"] == "killed"


def test_what_is_not_asked_for_is_not_counted(database: Database) -> None:
    _filled(database)
    with database.session() as session:
        plan = "\n".join(row[0] for row in session.rows_of("EXPLAIN SELECT due, last_status FROM tagdb.status", {}))
        assert "labels" not in plan
        assert "text_vector" in plan
        assert " on question" not in plan


def test_tables_of_the_user_can_be_dropped(database: Database) -> None:
    _filled(database)
    stored.run(database, "DROP VIEW tagdb.source, tagdb.source_tag", "DROP TABLE questions, tags")
    view = _view(database)
    assert (view["source"], view["questions"]) == (None, 24)
