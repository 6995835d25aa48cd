"""Sessions: transactions, what PostgreSQL's errors become, and how a lost connection ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import psycopg2
import pytest

from tagdb.config import Target
from tagdb.db import copy, queries
from tagdb.db.connection import Database, Session, quote_identifier
from tagdb.errors import (
    ConnectionFailed,
    DatabaseError,
    InputRefused,
    SchemaMismatch,
    TagdbError,
    Unavailable,
)


@pytest.fixture
def session(shared_database: Database) -> Iterator[Session]:
    """A session with a table `t` of one row."""
    with shared_database.session() as opened:
        opened.run_script("CREATE TABLE t (a integer PRIMARY KEY); INSERT INTO t VALUES (1)")
    with shared_database.session() as opened:
        yield opened
    with shared_database.session() as opened:
        opened.run_script("DROP TABLE t")


def _numbers(session: Session) -> list[int]:
    return [row.a for row in session.rows_of("SELECT a FROM t ORDER BY a", {})]


def _terminate_others(database: Database) -> None:
    with database.session() as other:
        other.rows_of(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
            {},
        )


@contextmanager
def _role(execute: Callable[[str], None], name: str, options: str = "") -> Iterator[str]:
    execute(f"CREATE ROLE {name} LOGIN {options}")
    try:
        yield name
    finally:
        execute(f"DROP ROLE {name}")


def test_connection_says_who_it_is_and_notices_a_dead_server(shared_database: Database) -> None:
    with shared_database.session() as session:
        assert session.scalar("schema.revision")
        assert [tuple(row) for row in session.rows_of("SHOW application_name", {})] == [("tagdb 0.1.0",)]
        given = session.cursor().connection.get_dsn_parameters()
    assert given["connect_timeout"] == "10"
    assert given["keepalives_idle"] == "30"
    assert int(given["tcp_user_timeout"]) > 0


def test_setting_in_the_url_beats_the_default(shared_database: Database) -> None:
    own = Database(shared_database.dsn + "&connect_timeout=3&application_name=mine", origin="test")
    with own.session() as session:
        given = session.cursor().connection.get_dsn_parameters()
    assert (given["connect_timeout"], given["application_name"]) == ("3", "mine")


def test_settings_of_libpq_are_left_to_it(shared_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = psycopg2.extensions.parse_dsn(shared_database.dsn)
    for name in ("host", "user"):
        monkeypatch.setenv(f"PG{name.upper()}", parts[name])
    monkeypatch.setenv("PGDATABASE", parts["dbname"])
    found = Database.open(Target("", "PGHOST"))
    assert found.shown == f"{parts['dbname']} on the socket in {parts['host']} (PGHOST)"
    with found.session() as session:
        assert session.scalar("schema.revision")


def test_statement_outside_a_transaction_stays_when_the_next_one_fails(session: Session) -> None:
    session.run_script("INSERT INTO t VALUES (2)")
    with pytest.raises(DatabaseError, match="duplicate key"):
        session.run_script("INSERT INTO t VALUES (2)")
    session.run_script("INSERT INTO t VALUES (3)")
    assert _numbers(session) == [1, 2, 3]


@pytest.mark.parametrize("failure", [DatabaseError, KeyboardInterrupt, ZeroDivisionError])
def test_transaction_that_fails_leaves_nothing_and_the_session_goes_on(
    session: Session, failure: type[BaseException]
) -> None:
    def work() -> None:
        with session.transaction():
            session.run_script("INSERT INTO t VALUES (2)")
            if failure is DatabaseError:
                session.run_script("SELECT 1 / 0")
            raise failure

    with pytest.raises(failure):
        work()
    assert _numbers(session) == [1]
    with session.transaction():
        session.run_script("INSERT INTO t VALUES (3)")
    assert _numbers(session) == [1, 3]


def test_transaction_inside_another_is_a_part_of_it(session: Session) -> None:
    with session.transaction():
        session.run_script("INSERT INTO t VALUES (2)")
        with pytest.raises(DatabaseError), session.transaction():
            session.run_script("INSERT INTO t VALUES (3), (3)")
        with session.transaction():
            session.run_script("INSERT INTO t VALUES (4)")
        assert _numbers(session) == [1, 2, 4]

    def fail_after_a_part() -> None:
        with session.transaction():
            with session.transaction():
                session.run_script("INSERT INTO t VALUES (5)")
            session.run_script("INSERT INTO t VALUES (4)")

    with pytest.raises(DatabaseError):
        fail_after_a_part()
    assert _numbers(session) == [1, 2, 4]


def test_rehearsal_leaves_nothing(session: Session) -> None:
    with session.rehearsal():
        session.run_script("INSERT INTO t VALUES (2)")
        assert _numbers(session) == [1, 2]
    with pytest.raises(DatabaseError), session.rehearsal():
        session.run_script("INSERT INTO t VALUES (3), (3)")
    assert _numbers(session) == [1]


def test_read_only_transaction_writes_nothing_and_sees_one_moment(shared_database: Database, session: Session) -> None:
    with session.transaction(read_only=True):
        assert _numbers(session) == [1]
        with shared_database.session() as other:
            other.run_script("INSERT INTO t VALUES (2)")
        assert _numbers(session) == [1]
        with pytest.raises(Unavailable, match="only reads"):
            session.run_script("INSERT INTO t VALUES (3)")
    assert _numbers(session) == [1, 2]


def _raising(code: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{code}'; END $$"


@pytest.mark.parametrize(
    ("statement", "kind", "message", "hint"),
    [
        ("SELECT * FROM tagdb.nothing", SchemaMismatch, 'relation "tagdb.nothing" does not exist', "tagdb db migrate"),
        ("SELECT tagdb.nothing(1)", SchemaMismatch, "function tagdb.nothing", "tagdb db migrate"),
        ("SELECT * FROM nothing", DatabaseError, 'relation "nothing" does not exist', None),
        (_raising("53100"), DatabaseError, "disk is full: so it is", "free some space"),
        (_raising("40P01"), DatabaseError, "in the way", "same command again"),
        (_raising("40001"), DatabaseError, "changed the same rows", "same command again"),
        (_raising("55P03"), DatabaseError, "in the way", "same command again"),
        (_raising("57P03"), ConnectionFailed, "so it is", "--db-url"),
        (_raising("53300"), ConnectionFailed, "no connection to PostgreSQL: so it is", "--db-url"),
        (_raising("53400"), DatabaseError, "a limit of the server's is reached: so it is", "have the DBA raise it"),
        (_raising("57P01"), ConnectionFailed, "ended: .* an administrator ended it .so it is", "what was done is kept"),
        (
            _raising("57P05"),
            ConnectionFailed,
            "ended: idle_session_timeout ended it",
            "what was done is kept",
        ),
        (_raising("25P03"), ConnectionFailed, "ended: idle_in_transaction_session_timeout", "what was done is kept"),
        (_raising("25P04"), ConnectionFailed, "ended: transaction_timeout ended it", "what was done is kept"),
        (_raising("P0001"), DatabaseError, "^so it is$", None),
        ("SET statement_timeout = 50; SELECT pg_sleep(5)", DatabaseError, "was stopped", "--timeout"),
        ("SET lock_timeout = 50; SET nonsense = 1", DatabaseError, "unrecognized configuration", None),
    ],
)
def test_what_errors_of_the_server_become(
    session: Session, statement: str, kind: type[TagdbError], message: str, hint: str | None
) -> None:
    with pytest.raises(kind, match=message) as failed:
        session.run_script(statement)
    assert type(failed.value) is kind
    assert (hint is None and failed.value.hint is None) or (hint is not None and hint in (failed.value.hint or ""))
    assert "\n" not in str(failed.value)


def test_named_queries_are_translated_like_any_other(session: Session) -> None:
    session.run_script("ALTER TABLE tagdb.run RENAME TO elsewhere")
    try:
        for run in (session.row, session.rows, session.scalar, session.execute):
            with pytest.raises(SchemaMismatch):
                run("run.last")
    finally:
        session.run_script("ALTER TABLE tagdb.elsewhere RENAME TO run")


def test_missing_right_is_named(shared_database: Database, execute: Callable[[str], None]) -> None:
    with _role(execute, "reader_without_rights") as name:
        limited = Database(shared_database.dsn.replace("postgres@", f"{name}@"), origin="test")
        with limited.session() as session, pytest.raises(Unavailable, match="a right is missing: permission denied"):
            session.scalar("run.last")
        with pytest.raises(Unavailable, match="a right is missing"), limited.session() as session:
            session.run_script("CREATE SCHEMA mine")


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_text_that_postgresql_cannot_store_is_refused(session: Session, text: str) -> None:
    with pytest.raises(InputRefused, match="lone surrogate"):
        session.scalar("train.name_taken", name=text)
    assert session.scalar("train.name_taken", name="ab") is False


def test_lost_connection_is_told_at_once_and_the_session_closes(shared_database: Database) -> None:
    started = time.monotonic()
    with shared_database.session() as session:
        _terminate_others(shared_database)
        with pytest.raises(ConnectionFailed, match="the connection was ended: the server was") as ended:
            session.scalar("schema.revision")
        assert "what was done is kept" in (ended.value.hint or "")
        with pytest.raises(ConnectionFailed), session.transaction():
            pytest.fail("it began on a lost connection")
        with pytest.raises(ConnectionFailed):
            session.run_script("SELECT 1")
    assert time.monotonic() - started < 5
    with shared_database.session() as session:
        assert session.scalar("schema.revision")


@pytest.mark.parametrize("copying", [False, True])
def test_connection_lost_in_a_transaction_is_told_and_not_the_rollback(
    shared_database: Database, caplog: pytest.LogCaptureFixture, *, copying: bool
) -> None:
    def work() -> None:
        with shared_database.session() as session, session.transaction():
            _terminate_others(shared_database)
            if copying:
                copy.copy_csv_out(session.cursor(), "SELECT 1", BytesIO())
            session.run_script("SELECT 1")

    with pytest.raises(ConnectionFailed, match=r"terminating connection|server closed"):
        work()
    assert not caplog.records


def test_connection_lost_in_the_middle_of_a_statement_is_told(shared_database: Database) -> None:
    with ThreadPoolExecutor(1) as pool, shared_database.session() as session:
        waiting = pool.submit(session.run_script, "SELECT pg_sleep(60)")
        time.sleep(0.3)
        _terminate_others(shared_database)
        with pytest.raises(ConnectionFailed):
            waiting.result(timeout=10)


def test_lock_is_not_asked_back_from_a_lost_connection(shared_database: Database) -> None:
    with shared_database.session() as session:
        assert session.scalar("sync.take_lock") is True
        _terminate_others(shared_database)
        with pytest.raises(ConnectionFailed):
            session.scalar("schema.revision")
        session.release_lock()
    with shared_database.session() as session:
        assert session.scalar("sync.take_lock") is True


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are looked up in /proc")
def test_sessions_leave_no_connection_open(shared_database: Database) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    for _ in range(5):
        with pytest.raises(ZeroDivisionError), shared_database.session() as session, session.transaction():
            _ = session.scalar("schema.revision") and 1 / 0
    assert open_files() == before


@pytest.mark.parametrize("name", ['a"b', "select", "x; drop table t; --", "ü", "A b", "a.b"])
def test_quoted_identifier_names_exactly_that(session: Session, name: str) -> None:
    session.run_script(f"CREATE TABLE {quote_identifier(name)} (a integer)")
    assert session.rows("source.user_columns", table_name=quote_identifier(name))
    assert _numbers(session) == [1]


def test_unknown_query_is_a_mistake_of_the_program() -> None:
    with pytest.raises(KeyError):
        queries.statement("sync.no_such_query")
