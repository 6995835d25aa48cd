"""Where no row has moved since the last sync, the next one compares nothing; whatever moved, wherever, is found."""

from __future__ import annotations

import psycopg2.extensions
import pytest

from tagdb.db.connection import Database
from tagdb.errors import InputRefused
from tagdb.models import Silent
from tagdb.pipeline.asking import status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.sync import Choice
from tagdb.pipeline.syncing import indexing, moved, tag_vectors
from tests.pipeline.world import SPLIT_QUERY, World


def test_second_sync_reads_no_text_and_no_vector(
    synced: World, compared: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(tag_vectors, "refresh")
    result = synced.sync()
    assert not compared
    assert (result.changes.total, result.embedded.due, result.tags, result.labelled) == (0, 0, 0, 0)
    assert synced.plan().texts_due == 0
    assert synced.sync(Choice("tags")).changes.total == 0
    assert not compared
    assert synced.last_run()["status"] == "done"


@pytest.mark.parametrize(
    "move",
    [
        "INSERT INTO questions VALUES (77)",
        "DELETE FROM questions WHERE id = 3",
        "UPDATE tags SET tag = 'other' WHERE question_id = 3 AND position = 0",
        "DELETE FROM tags WHERE question_id = 3 AND position = 0",
        "DELETE FROM tags WHERE question_id = 3 AND position = 0; INSERT INTO tags VALUES (3, 0, 't3')",
        "DELETE FROM tagdb.text_vector WHERE text_id = (SELECT text_id FROM tagdb.question WHERE question_id = 3)",
        "UPDATE tagdb.question SET text_id = (SELECT min(id) FROM tagdb.text)",
        "UPDATE tagdb.tag_vector SET members = 0 WHERE tag = 't3'",
        "DELETE FROM tagdb.tag_vector WHERE tag = 't3'",
        "CREATE TABLE more () INHERITS (questions)",
        "ALTER TABLE tags ENABLE ROW LEVEL SECURITY",
    ],
)
def test_whatever_moved_is_compared(synced: World, compared: list[None], move: str) -> None:
    expected = synced.tag_vectors().keys()
    synced.run(move)
    synced.sync()
    assert compared or "tag_vector" in move
    assert synced.texts().keys() == {row[0] for row in synced.rows("SELECT id FROM questions")}
    assert synced.texts() == dict(synced.rows("SELECT question_id, text FROM tagdb.source"))
    assert synced.vectors().keys() == {number for number, text in synced.texts().items() if text}
    if "tagdb" in move:
        assert synced.tag_vectors().keys() == expected


def test_labels_that_became_stale_come_back_though_no_text_is_compared(synced: World, compared: list[None]) -> None:
    train(synced.database, SPLIT_QUERY, TrainSettings(), Silent())
    assert (synced.plan().labels_due, status.status(synced.database).stale) == (10, 10)
    assert synced.sync().labelled == 10
    synced.run("DELETE FROM labels WHERE question_id = 3")
    assert (synced.plan().labels_due, status.status(synced.database).stale) == (1, 1)
    assert synced.sync().labelled == 1
    assert not compared


def test_status_says_the_same_without_comparing(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    train(synced.database, SPLIT_QUERY, TrainSettings(), Silent())
    synced.sync()
    short = status.status(synced.database)
    monkeypatch.setattr(moved, "glance", lambda *_: moved.NO_LOOK)
    assert status.status(synced.database) == short
    assert (short.rows, short.labelled, short.stale) == (10, 10, 0)
    monkeypatch.undo()
    monkeypatch.delattr(status, "_readable")
    assert status.status(synced.database) == short


def test_role_that_may_not_read_the_tables_below_the_views_still_has_a_status(synced: World) -> None:
    role = f"reader_{synced.scalar('SELECT oid FROM pg_database WHERE datname = current_database()')}"
    synced.run(f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA tagdb TO {role}")
    synced.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA tagdb TO {role}")
    dsn = psycopg2.extensions.make_dsn(synced.database.dsn, options=f"-c role={role} -c search_path=public,tagdb")
    try:
        assert status.status(Database(dsn, origin="test")).rows == 10
    finally:
        synced.run(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_model_is_loaded_ahead_but_missed_only_where_it_is_needed(
    synced: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: object) -> None:
        raise InputRefused("no model here")

    monkeypatch.setattr(registry, "load", load)
    synced.put({50: "t3 shared"})
    assert synced.sync().changes.new == 1
    synced.put({51: "unseen"})
    with pytest.raises(InputRefused, match="no model here"):
        synced.sync()


def test_another_cap_on_tokens_is_no_second_run(synced: World, compared: list[None]) -> None:
    assert synced.sync(max_tokens=1).embedded.due == 10
    assert synced.sync(max_tokens=1).embedded.due == 0
    assert len(compared) == 1


def test_what_a_limit_left_is_not_forgotten(synced: World, compared: list[None]) -> None:
    synced.put({number: f"new{number}" for number in range(20, 30)})
    assert synced.sync(limit=4).texts_left == 6
    assert synced.sync().embedded.texts == 6
    synced.sync()
    assert len(compared) == 2


@pytest.mark.parametrize(
    "choice",
    [
        Choice(sql="SELECT id AS question_id, title AS text FROM questions"),
        Choice(tags_sql="SELECT question_id, tag FROM tags WHERE now() < '2020-01-01'"),
    ],
)
def test_own_sql_is_always_run(synced: World, compared: list[None], choice: Choice) -> None:
    synced.sync(choice)
    synced.sync()
    assert len(compared) == 2


def test_index_is_built_though_nothing_has_moved(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "ENOUGH", {"text_vector": 5, "tag_vector": 5})
    assert set(synced.sync().indexed) == {"text_vector", "tag_vector"}
