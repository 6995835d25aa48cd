"""Every command leaves a row that tells how it ended, and whose numbers add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import ConnectionFailed, InputRefused, TagdbError
from tagdb.models import Silent
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.importing import import_files
from tagdb.pipeline.learning.predict import predict
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.running.recording import recorded
from tagdb.pipeline.running.stopping import Stopped
from tagdb.pipeline.sync import Choice
from tests.pipeline.world import World, load_once


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    return World(database, tiny_embedder)


def test_read_is_written_and_skipped_and_failed_in_every_command(world: World, tmp_path: Path) -> None:
    file = tmp_path / "questions.csv"
    rows = [f"{n},{'odd' if n % 2 else 'even'} t{n % 9},{'' if n % 10 == 0 else n % 2}" for n in range(1, 61)]
    file.write_text("\n".join(["id,tags,label", *rows, "nope,a,1", "61,,1", "62,x,1", ""]))
    import_files(world.database, [str(file)], Silent())
    world.sync()
    world.put({70: "late t1"})
    train(
        world.database,
        "SELECT id AS question_id, label FROM questions UNION ALL SELECT 999, '1'",
        TrainSettings(sample=40),
        Silent(),
    )
    predict(world.database, Silent())
    runs = world.rows("SELECT command, status, read, written, skipped, failed FROM tagdb.run ORDER BY id")
    assert [(command, status, read) for command, status, read, *_ in runs] == [
        ("import", "done", 63),
        ("sync", "done", 20),
        ("train", "done", 64),
        ("predict", "done", 61),
    ]
    for command, _, read, written, skipped, failed in runs:
        assert read == written + skipped + failed, command
        assert written, command
    assert [(skipped, failed) for *_, skipped, failed in runs] == [(0, 1), (1, 0), (24, 0), (0, 0)]
    assert world.scalar("SELECT count(*) FROM questions") == 1 + runs[0][3]
    assert world.scalar("SELECT count(*) FROM tagdb.text_vector") == runs[1][3]
    assert world.scalar("SELECT count(*) FROM tagdb.labels") == runs[3][3]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputRefused("too odd"), "failed"),
        (MemoryError(), "failed"),
        (Stopped(15), "stopped"),
        (KeyboardInterrupt(), "stopped"),
        (ConnectionFailed("elsewhere"), "failed"),
    ],
)
def test_command_that_ends_early_is_recorded_with_the_reason(world: World, error: BaseException, status: str) -> None:
    def command() -> None:
        with world.database.session() as session, recorded(session, "try", {}) as counts:
            counts.read = counts.written = 3
            raise error

    with pytest.raises(type(error)):
        command()
    run = world.last_run()
    assert (run["command"], run["status"], run["read"], run["written"]) == ("try", status, 3, 3)
    assert run["detail"]["error"] == str(error)
    assert run["finished_at"] >= run["started_at"]


def test_what_postgresql_cannot_store_is_replaced_and_secrets_are_blanked(world: World) -> None:
    with pytest.raises(TagdbError), world.database.session() as session, recorded(session, "try", {"a": "x\0\udc80"}):
        raise TagdbError("\0 postgresql://me:s3cret@host/db 'quoted' \ud800")
    run = world.last_run()
    assert run["args"] == {"a": "x\ufffd?"}
    assert run["detail"]["error"] == "\ufffd postgresql://me:***@host/db 'quoted' ?"


def test_arguments_tell_what_was_asked_for(world: World) -> None:
    world.run("CREATE TABLE docs AS SELECT 1 AS question_id, 'a' AS text, 'b' AS tag")
    world.sync(Choice(sql="SELECT question_id, text FROM docs", tags_sql="SELECT question_id, tag FROM docs"), limit=5)
    assert world.last_run()["args"] == {
        "source_sql": "SELECT question_id, text FROM docs",
        "source_tags_sql": "SELECT question_id, tag FROM docs",
        "limit": 5,
        "max_tokens": 512,
    }


def test_run_that_is_still_at_work_is_not_taken_for_a_killed_one(world: World) -> None:
    with world.database.session() as one, recorded(one, "long", {}):
        with world.database.session() as other, recorded(other, "short", {}):
            pass
        assert world.rows("SELECT command, status FROM tagdb.run ORDER BY id") == [
            ("long", "running"),
            ("short", "done"),
        ]
    assert world.rows("SELECT status FROM tagdb.run ORDER BY id") == [("done",), ("done",)]


def test_password_in_the_sql_that_was_asked_for_is_blanked(world: World) -> None:
    sql = "SELECT * FROM dblink('host=h password=s3cret', 'SELECT 1, ''a''') AS t (question_id bigint, text text)"
    with world.database.session() as session, recorded(session, "try", {"source_sql": sql}):
        pass
    shown = world.last_run()["args"]["source_sql"]
    assert "s3cret" not in shown
    assert shown.startswith("SELECT * FROM dblink(")
