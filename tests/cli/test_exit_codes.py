"""Each exit code of the help page, and what else a failure says: one line, a hint, and never a secret."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tagdb.db.connection import Database
from tagdb.elmo import Elmo
from tagdb.pipeline.learning import predict
from tagdb.pipeline.running.locking import exclusive
from tests.cli.running import done, objects, tagdb
from tests.pipeline import stored

TRAIN = ("train", "--query", stored.LABELLED)
PASSWORD = "s3cr3t-pa55"


def test_0_and_4_tell_whether_everything_is_current(world: Database) -> None:
    done(*TRAIN)
    behind = tagdb("status", "--check")
    assert behind.exit_code == 4
    assert re.search(r"labels due +60\n", behind.stdout)
    assert behind.stderr.endswith("error: not everything is current: 60 labels due\n next: tagdb sync\n")
    done("predict")
    assert "everything is current" in done("status", "--check").stdout
    stored.run(world, "INSERT INTO questions (id, title) VALUES (500, 'one more')")
    assert tagdb("status", "--check", "--json").exit_code == 4


def test_4_with_the_reason_and_what_to_type_next(database: Database) -> None:
    never = tagdb("status", "--check")
    assert never.exit_code == 4
    begin = "tagdb import FILE, or for tables of your own: tagdb sync --source-sql 'SELECT …'"
    assert never.stdout.endswith(f"not current: nothing was ever synced\nnext: {begin}\n")
    assert never.stderr.endswith(f"error: not everything is current: nothing was ever synced\n next: {begin}\n")
    stored.run(database, "CREATE TABLE docs AS SELECT NULL::bigint AS id, 'a' AS text")
    assert tagdb("sync", "--source-sql", "SELECT id, text FROM docs").exit_code == 1
    failed = tagdb("status", "--check")
    assert failed.exit_code == 4
    fault = "the source has rows without a question_id"
    assert re.search(rf"last run +sync at .*: failed, {fault}\n", failed.stdout)
    assert (
        f"error: not everything is current: the last sync failed: {fault}; nothing was ever synced\n" in failed.stderr
    )
    told = objects(tagdb("status", "--json").stdout)[0]
    assert (told["current"], told["last_run"]["error"]) == (False, fault)
    assert told["reasons"][0] == {"why": f"the last sync failed: {fault}", "next": "tagdb sync"}


def test_1_when_some_rows_failed(database: Database) -> None:
    result = tagdb("import", "-", typed="id,title,tags\nx,no number,a\n7,a number,b c\n")
    assert result.exit_code == 1
    assert "1 added" in result.stdout
    assert stored.column(database, "SELECT id FROM questions") == [7]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("predict",), "there is no classifier yet", "tagdb train --query"),
        (("models", "show", "x"), "there is no classifier 'x'", "tagdb models list"),
        (("train", "--query", "SELECT 1 AS a"), "the query has no column question_id or id; it has a", "SELECT … AS"),
        (("export", "predictions", "r.csv"), "there are no labels yet", "tagdb train --query …, then tagdb sync"),
        (("export", "predictions", "r.doc"), "r.doc: only .csv and .parquet are written", "results.csv"),
        (("nearest", "java", "--questions", "--where", "nope = 1"), 'column "nope" does not exist', "tagdb db psql"),
        (("nearest", " "), "an empty text has no neighbours", "tagdb nearest pandas"),
    ],
    ids=str,
)
def test_1_for_what_tagdb_refuses(standing_world: Database, words: tuple[str, ...], message: str, hint: str) -> None:
    result = tagdb(*words)
    assert result.exit_code == 1
    assert result.stdout == ""
    _, error, following = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert message in error
    assert following.startswith(" next: ")
    assert hint in following


@pytest.mark.parametrize(
    "words",
    [
        ("bogus",),
        ("models", "bogus"),
        ("sync", "--bogus"),
        ("nearest",),
        ("nearest", "java", "-k", "0"),
        ("nearest", "java", "--where", "true"),
        ("train",),
        ("train", "--query", "SELECT 1", "--query-file", "q.sql"),
        ("train", "--query-file", "no-such.sql"),
        ("train", "--query", "SELECT 1", "--test-size", "1.5"),
        ("train", "--query", "SELECT 1", "--C", "0"),
        ("train", "--query", "SELECT 1", "--seed", "-1"),
        ("train", "--query", "SELECT 1", "--name", "7"),
        ("sync", "--limit", "0"),
        ("sync", "--workers", "0"),
        ("work", "--threads", "0"),
        ("db", "start"),
        ("status", "--db-url", "mysql://me@somewhere/db"),
    ],
    ids=str,
)
def test_2_for_wrong_usage(standing_world: Database, words: tuple[str, ...]) -> None:
    result = tagdb(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "error: " in result.stderr or "Error" in result.stderr


def test_3_without_a_server_a_schema_or_a_model(empty_database: Database, database: Database) -> None:
    nowhere = tagdb("status", "--db-url", "postgresql://me@127.0.0.1:9/db")
    assert nowhere.exit_code == 3
    assert "error: no connection to PostgreSQL" in nowhere.stderr
    bare = tagdb("status", "--db-url", empty_database.dsn)
    assert bare.exit_code == 3
    assert bare.stderr.endswith("error: this database has no tagdb schema yet\n next: tagdb db migrate\n")
    model = tagdb("embedder", "use", "no-such-model")
    assert model.exit_code == 3
    assert "there is no embedder 'no-such-model'" in model.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("sync",),
        ("sync", "--dry-run"),
        ("import", "-"),
        TRAIN,
        ("predict",),
        ("index", "build"),
        ("index", "drop"),
        ("embedder", "use", "starter"),
    ],
    ids=str,
)
def test_5_while_another_one_is_at_work_unless_it_is_waited_for(world: Database, words: tuple[str, ...]) -> None:
    typed = "id,title,tags\n900,one more,b c\n"
    with world.session() as session, exclusive(session):
        for more in ((), ("--wait", "0.2")):
            busy = tagdb(*words, *more, typed=typed)
            assert busy.exit_code == 5
            assert "error: another tagdb is at work on this database (server process" in busy.stderr
            assert ("waiting for another tagdb (server process" in busy.stderr) == bool(more)
    assert tagdb(*words, "--wait", "60", typed=typed).exit_code == (1 if words == ("predict",) else 0)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_130_and_143_after_finishing_the_batch_at_hand(
    database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch, signum: int, code: int
) -> None:
    stored.run(
        database,
        "CREATE TABLE questions (id bigint PRIMARY KEY, title text)",
        "INSERT INTO questions SELECT i, 'title ' || i FROM generate_series(1, 12) i",
    )
    done("embedder", "use", str(tiny_embedder))
    embed = Elmo.embed_tokens

    def stopped(self: Elmo, *args: Any, **options: Any) -> Any:
        os.kill(os.getpid(), signum)
        return embed(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Elmo, "embed_tokens", stopped)
        result = tagdb("sync", "--text", "title", "--batch-size", "5")
    assert result.exit_code == code
    assert "error: stopped; what was done is kept" in result.stderr
    assert stored.column(database, "SELECT count(*) FROM tagdb.text_vector") == [5]
    assert stored.column(database, "SELECT status FROM tagdb.run WHERE command = 'sync'") == ["stopped"]
    assert "7 due, 7 embedded" in done("sync").stdout


def test_130_anywhere_else(standing_world: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(predict, "predict", interrupted)
    result = tagdb("predict")
    assert result.exit_code == 130
    assert result.stderr.endswith("stopped\n")


def test_143_at_a_question(world: Database) -> None:
    done(*TRAIN)
    command = [sys.executable, "-m", "tagdb", "models", "delete", "classifier-1", "-q"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.read(len("Delete classifier-1")) == b"Delete classifier-1"
        process.terminate()
        assert process.wait(30) == 143
    assert len(stored.rows(world, "SELECT FROM tagdb.classifier")) == 1


def test_traceback_only_on_request(standing_world: Database) -> None:
    query = ("train", "--query", "SELECT id, label FROM nowhere")
    assert "Traceback" not in tagdb(*query).output
    told = tagdb(*query, "-v")
    assert told.exit_code == 1
    assert "Traceback" in told.stderr
    assert " error: the query cannot be run" in told.stderr.splitlines()[-2]
    assert "Traceback" not in tagdb(*query).output


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{PASSWORD}@127.0.0.1:9/db",
        f"host=127.0.0.1 port=9 user=me password={PASSWORD}",
        f"postgresql://127.0.0.1:9/db?user=me&password={PASSWORD}",
        f"postgresql://me:{PASSWORD}@127.0.0.1:nine/db",
        f"mysql://me:{PASSWORD}@127.0.0.1/db",
    ],
)
def test_no_secret_is_shown(url: str) -> None:
    for words in (["status"], ["status", "-v"], ["db", "url"], ["predict", "--json", "-v"]):
        for result in (tagdb(*words, TAGDB_DATABASE_URL=url), tagdb(*words, "--db-url", url)):
            assert result.exit_code in (2, 3)
            assert PASSWORD not in result.output
