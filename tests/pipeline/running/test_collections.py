"""Collections side by side in a database: each with all that tagdb keeps, and nothing of another's."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest

from tagdb.db import lifting, schema
from tagdb.db.connection import Database
from tagdb.db.rights import quoted
from tagdb.errors import Busy, Unavailable
from tagdb.models import Silent
from tagdb.pipeline.asking import export, nearest, status
from tagdb.pipeline.checking import doctor
from tagdb.pipeline.checking.findings import Level
from tagdb.pipeline.learning import classifiers, predict, train
from tagdb.pipeline.running import collections, pruning, readers
from tagdb.pipeline.running import lifting as views
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import recorded
from tagdb.pipeline.sync import Choice, sync
from tagdb.pipeline.syncing import indexing
from tests.pipeline import stored
from tests.pipeline.running.collected import AS_AT_0009, NASTY, PLAIN, csv_file, filled, own, tables
from tests.pipeline.stored import LABELLED, Listener

KILLED = """
import sys, time
from tagdb.db.connection import Database
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import recorded
with Database(sys.argv[1], origin="test", schema=sys.argv[2]).session() as session, exclusive(session):
    with recorded(session, "sync", {}):
        print(session.cursor().connection.info.backend_pid, flush=True)
        time.sleep(600)
"""


def test_whole_loop_in_two_collections_at_once(
    two: tuple[Database, Database], database: Database, tmp_path: Path
) -> None:
    tickets, articles = two
    before = {table for table in tables(database) if str(table).startswith(("tagdb.", "public."))}
    files = {
        tickets: csv_file(tmp_path, "ticket", range(1, 41)),
        articles: csv_file(tmp_path, "article", range(21, 81)),
    }
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(filled, files, files.values()))
    for each, numbers, mine, other in ((tickets, 40, "ticket", "article"), (articles, 60, "article", "ticket")):
        assert own(each, "SELECT count(*) FROM {own}.questions") == [numbers]
        trained = train.train(each, LABELLED, train.TrainSettings(), Silent(), activate=True)
        assert trained.metrics.accuracy > 0
        assert predict.predict(each, Silent()).written == numbers
        assert [found.name for found in classifiers.stored(each)] == ["classifier-1"]
        assert len(indexing.build(each, Silent())) == 2
        assert all(index.built for index in indexing.show(each))
        tags = [found.name for found in nearest.nearest_tags(each, "java", 100, Silent()).found]
        assert any(tag.startswith(mine) for tag in tags)
        assert not any(tag.startswith(other) for tag in tags)
        near = nearest.nearest_questions(each, "java", 5, Silent(), where="label = 'java' AND title IS NULL")
        assert near.complete
        assert export.export_predictions(each, str(tmp_path / "out.csv"), Silent()) == numbers
        in_sql = "SELECT count(*) FROM {own}.nearest_tags('java', 5), {own}.nearest_questions(25, 5)"
        assert own(each, in_sql) == [25]
        in_sql = "SELECT label FROM {own}.embedding e CROSS JOIN LATERAL {own}.classify(e.embedding, 1) LIMIT 1"
        assert own(each, in_sql)[0] in ("java", "python")
        assert sync(each, Choice(), Silent()).labelled == 0
        picture = status.status(each)
        assert (picture.current, picture.rows, picture.labelled) == (True, numbers, numbers)
        assert picture.tables == [f"{quoted(each.schema)}.questions", f"{quoted(each.schema)}.tags"]
        assert own(each, "SELECT source FROM {own}.status WHERE due = 0 AND stale_labels = 0") == ["tags"]
        assert schema.migrate(each) is False
        assert pruning.prune(each, 0) > 0
    assert {table for table in tables(database) if str(table).startswith(("tagdb.", "public."))} == before
    assert stored.column(database, "SELECT count(*) FROM tagdb.text") == [0]


def test_views_step_aside_and_come_back_in_one_collection_alone(two: tuple[Database, Database], tmp_path: Path) -> None:
    for each in two:
        filled(each, csv_file(tmp_path, "t", range(1, 5)))
    tickets, articles = two
    assert list(views.drop(tickets)) == ["source", "source_tag"]
    with articles.session() as session:
        assert not lifting.lifted(session)
    with pytest.raises(Unavailable, match="lifted") as refused:
        status.status(tickets)
    assert refused.value.hint is not None
    assert refused.value.hint.startswith("tagdb db views restore --schema 'Tickets")
    assert list(views.restore(tickets, Silent())) == ["source", "source_tag"]
    assert status.status(tickets).current
    assert sync(tickets, Choice(), Silent()).changes.total == 0


def test_doctor_finds_nothing_wrong_and_names_the_collection(
    two: tuple[Database, Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tickets, _ = two
    monkeypatch.setenv("TAGDB_DATABASE_URL", tickets.dsn)
    filled(tickets, csv_file(tmp_path, "t", range(1, 5)))
    found = {each.check: each for each in doctor.examine(None, schema=NASTY).findings}
    assert [each for each in found.values() if each.level is Level.PROBLEM] == []
    assert quoted(NASTY) in found["rights"].found
    assert f"{quoted(NASTY)}.questions" in found["source"].found
    stored.run(tickets, f"DROP FUNCTION {quoted(NASTY)}.nearest_tags; DROP VIEW {quoted(NASTY)}.status")
    (problem, *_) = doctor.examine(None, schema=NASTY).problems
    assert problem.mend == f"tagdb db migrate --schema {shlex.quote(NASTY)}"
    assert doctor.examine(None, schema=PLAIN).problems == []


@pytest.fixture
def reader(execute: Callable[[str], None]) -> Iterator[str]:
    """A role that may log in."""
    execute("""CREATE ROLE "collection's reader" LOGIN""")
    yield "collection's reader"
    execute("""DROP ROLE "collection's reader" """)


@pytest.mark.parametrize("wide", [False, True])
def test_rights_are_given_in_one_collection_alone(
    two: tuple[Database, Database], tmp_path: Path, reader: str, wide: bool
) -> None:
    for each in two:
        filled(each, csv_file(tmp_path, "t", range(1, 5)))
    tickets, _ = two
    readers.grant(tickets.dsn, [reader], Silent(), wide=wide, schema=NASTY)
    theirs = tickets.dsn.replace("postgres@", "collection%27s%20reader@")
    connection = psycopg2.connect(theirs)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {quoted(NASTY)}.nearest_tags('java', 3)")
        assert cursor.fetchone() == (3,)
        cursor.execute("SELECT has_table_privilege(%s, 'SELECT')", (f"{quoted(NASTY)}.questions",))
        assert cursor.fetchone() == (wide,)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(f"SELECT count(*) FROM {PLAIN}.labels")
    connection.close()
    listed = {each.name: each for each in collections.listed(Database(theirs, origin="test", schema=NASTY))}
    assert (listed[NASTY].questions, listed[NASTY].unread) == (4, None)
    assert listed[PLAIN].questions is None
    assert listed[PLAIN].unread
    assert f"--schema {PLAIN}" in str(listed[PLAIN].hint)
    with pytest.raises(Unavailable, match="right is missing") as refused:
        status.status(Database(theirs, origin="test", schema=PLAIN))
    assert (
        refused.value.hint == f'tagdb db grant --schema {PLAIN} "collection\'s reader" (as the owner of schema {PLAIN})'
    )
    readers.revoke(tickets.dsn, [reader], Silent(), schema=NASTY)
    assert stored.column(
        tickets, "SELECT count(*) FROM pg_shdepend WHERE refobjid = to_regrole('\"collection''s reader\"')"
    ) == [0]


def test_lock_of_one_keeps_nobody_from_another(
    two: tuple[Database, Database], database: Database, tmp_path: Path
) -> None:
    tickets, articles = two
    with tickets.session() as session, exclusive(session):
        filled(articles, csv_file(tmp_path, "t", range(1, 5)))
        with database.session() as default, exclusive(default):
            pass
        with pytest.raises(Busy, match="server process"):
            sync(tickets, Choice(), Silent())
    assert status.status(articles).rows == 4


def test_runs_of_one_are_neither_seen_nor_closed_by_another(two: tuple[Database, Database]) -> None:
    tickets, articles = two

    def states(of: Database) -> list[object]:
        return own(of, "SELECT status FROM {own}.run WHERE command <> 'embedder use' ORDER BY id")

    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tickets.dsn, NASTY], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    with process:
        process.stdout.readline()
        with articles.session() as session, exclusive(session), recorded(session, "sync", {}):
            assert (states(tickets), states(articles)) == (["running"], ["running"])
            assert own(tickets, "SELECT last_status FROM {own}.status") == ["running"]
        process.send_signal(signal.SIGKILL)
    stored.run(tickets, "SELECT pg_sleep(0.2)")
    with articles.session() as session, exclusive(session), recorded(session, "sync", {}):
        assert own(articles, "SELECT last_status FROM {own}.status") == ["running"]
        assert own(tickets, "SELECT last_status FROM {own}.status") == ["killed"]
    assert states(tickets) == ["running"]
    with tickets.session() as session, exclusive(session), recorded(session, "sync", {}):
        pass
    assert (states(tickets), states(articles)) == (["killed", "done"], ["done", "done"])


def test_list_tells_what_each_embeds_and_how_current_it_is(
    two: tuple[Database, Database], database: Database, tmp_path: Path
) -> None:
    _, articles = two
    filled(articles, csv_file(tmp_path, "t", range(1, 41)))
    train.train(articles, LABELLED, train.TrainSettings(), Silent(), activate=True)
    listed = collections.listed(database)
    assert [each.name for each in listed] == [NASTY, PLAIN, "tagdb"]
    first, second, default = listed
    assert (second.source, second.questions, second.due, second.stale_labels) == ("tags", 40, 0, 40)
    assert (second.embedder, second.classifier) == ("tiny", "classifier-1")
    assert second.tables == [f"{PLAIN}.questions", f"{PLAIN}.tags"]
    assert second.last_command == "train"
    assert second.last_status == "done"
    assert second.seconds_since_sync is not None
    assert (first.source, first.questions, first.seconds_since_sync, first.tables) == (None, 0, None, [])
    assert (default.questions, default.embedder, default.last_command) == (0, None, None)
    assert second.bytes > first.bytes > 100_000
    assert all(each.revision == schema.head() and not each.needs_migration and each.unread is None for each in listed)
    assert second.as_json()["tables"] == second.tables


def test_list_names_older_and_newer_collections_as_such(two: tuple[Database, Database], database: Database) -> None:
    stored.run(database, AS_AT_0009.format(schema=PLAIN))
    stored.run(database, f"UPDATE {quoted(NASTY)}.alembic_version SET version_num = '9999'")
    newer, older, default = collections.listed(database)
    assert (older.revision, older.needs_migration, older.hint) == ("0009", True, f"tagdb db migrate --schema {PLAIN}")
    assert (newer.revision, newer.needs_migration) == ("9999", False)
    assert "made by a newer tagdb" in str(newer.unread)
    assert default.unread is None
    assert schema.migrate(two[1])
    assert collections.listed(database)[1].unread is None


def test_waiting_says_who_is_at_work_in_the_same_collection(two: tuple[Database, Database]) -> None:
    tickets, _ = two
    with tickets.session() as session, exclusive(session):
        pid = session.cursor().connection.info.backend_pid
        with pytest.raises(Busy, match=f"server process {pid}"):
            predict.predict(tickets, Listener())
