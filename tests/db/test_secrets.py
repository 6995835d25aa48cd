"""Whatever goes wrong on the way to a database, the password is in no message, no hint and no traceback."""

from __future__ import annotations

import subprocess
import traceback
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tagdb.cli import app
from tagdb.config import Target, libpq_dsn
from tagdb.db.connection import Database
from tagdb.errors import ConnectionFailed, TagdbError, UsageError

SECRET = "s3cret"

_UNREADABLE = [
    f"postgresql://alice:{SECRET}%zz@localhost/db",
    f"postgresql://alice:%00{SECRET}@localhost/db",
    f"postgresql://alice:{SECRET}",
    f"postgresql://alice:1/{SECRET}@localhost/db",
    f"postgresql://alice:x/{SECRET}@localhost/db",
    f"postgresql://alice:x@{SECRET}@localhost/db",
    f"postgresql://alice:x y{SECRET}@[::1/db",
    f"postgresql://localhost/db?{SECRET}",
    f"postgresql://localhost/db?password={SECRET}%zz",
    f"postgresql://localhost/db?password=x&{SECRET}=y",
    f"postgresql://localhost:{SECRET}/db",
    f"host=localhost password=x {SECRET}",
    f"host=localhost password=x {SECRET}=y",
    f"host=localhost password='x{SECRET}",
    f"host=localhost password={SECRET} port=none",
    f"host=alice:{SECRET}@localhost",
]
_REFUSED = [
    f"postgresql:/alice:{SECRET}@localhost/db",
    f"alice:{SECRET}@localhost/db",
    f"Host=localhost password={SECRET}",
]
_UNREACHABLE = [
    f"postgresql://alice:{SECRET}@localhost:1/db",
    f"postgresql://alice:{SECRET}@/db?host=/nonexistent",
    f"postgresql://alice:{SECRET}@nowhere.invalid/db",
    f"postgresql://alice:{SECRET}@localhost:99999/db",
    f"postgresql://alice:{SECRET}@localhost:1/db?sslmode=nonsense",
    f"postgresql://alice:{SECRET}@localhost:1/db?sslmode=verify-full&sslrootcert=/nonexistent&sslpassword={SECRET}",
    f"postgresql://alice:{SECRET}@localhost:1/db?connect_timeout=soon",
    f"host=localhost port=1 password='{SECRET} \\' {SECRET}' dbname='postgresql://bob:{SECRET}@h/db'",
    f"service=nonexistent password={SECRET}",
]


def _failure(db_url: str) -> tuple[TagdbError, str]:
    """Return how connecting fails, and everything that could be shown of it."""
    try:
        with Database.open(Target(libpq_dsn(db_url), "--db-url")).session():
            pytest.fail("it connected")
    except TagdbError as error:
        return error, f"{error} {error.hint} {error!r} {traceback.format_exc()}"


@pytest.mark.parametrize("db_url", [*_UNREADABLE, *_REFUSED, *_UNREACHABLE])
def test_no_failure_to_connect_shows_the_password(db_url: str) -> None:
    error, shown = _failure(db_url)
    assert isinstance(error, ConnectionFailed | UsageError)
    assert error.hint
    assert SECRET not in shown


@pytest.mark.parametrize("db_url", _UNREADABLE)
def test_connection_string_that_cannot_be_read_is_told_apart_from_a_server_that_is_not_there(db_url: str) -> None:
    error, _ = _failure(db_url)
    assert str(error) == "the connection string of --db-url cannot be read"
    assert "%40" in (error.hint or "")


def test_reason_is_still_told() -> None:
    for db_url, reason in zip(
        _UNREACHABLE[:3], ["Connection refused", "No such file or directory", "nowhere.invalid"], strict=True
    ):
        assert reason in _failure(db_url)[1]


@pytest.mark.parametrize("db_url", [_UNREADABLE[0], _UNREADABLE[11], _REFUSED[0], _UNREACHABLE[0], _UNREACHABLE[7]])
@pytest.mark.parametrize("command", [["db", "migrate", "-v"], ["status", "-v"], ["sync", "-v"]])
def test_command_line_with_tracebacks_shows_no_password(
    command: list[str], db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for typed in ([*command, "--db-url", db_url], ["--db-url", db_url, *command], command):
        if typed is command:
            monkeypatch.setenv("TAGDB_DATABASE_URL", db_url)
        done = CliRunner().invoke(app, typed)
        assert done.exit_code in (2, 3)
        assert "error:" in done.output
        assert "Traceback" in done.output
        assert SECRET not in done.output


def test_working_url_is_shown_without_its_password(database: Database) -> None:
    db_url = database.dsn.replace("postgres@", f"postgres:{SECRET}@")
    for command in (["db", "url"], ["db", "migrate", "-v"]):
        done = CliRunner().invoke(app, [*command, "--db-url", db_url])
        assert done.exit_code == 0, done.output
        assert SECRET not in done.output


def test_statement_that_fails_with_a_password_in_it_is_blanked_out(database: Database) -> None:
    passwords = {"statement": f"SELECT 'password={SECRET}'::integer", "parameter": f"postgresql://a:{SECRET}@h"}
    with database.session() as session:
        for run in (
            lambda: session.run_script(passwords["statement"]),
            lambda: session.rows_of("SELECT CAST(:text AS integer)", {"text": passwords["parameter"]}),
        ):
            with pytest.raises(TagdbError, match=r"invalid input syntax.*\*\*\*") as failed:
                run()
            assert SECRET not in "".join(traceback.format_exception(failed.value))


def test_record_of_what_was_run_and_the_children_know_no_password(
    database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db_url = database.dsn.replace("postgres@", f"postgres:{SECRET}@")
    started, popen = list[str](), subprocess.Popen.__init__

    def note(self: subprocess.Popen[bytes], *arguments: Any, **options: Any) -> None:
        started.append(f"{arguments} {options.get('args')}")
        popen(self, *arguments, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", note)
    monkeypatch.setenv("TAGDB_DATABASE_URL", db_url)
    for command, typed in (
        (["import", "-"], "id,tags,label\n1,a b,x\n2,b c,y\n"),
        (["embedder", "use", str(tiny_embedder)], None),
        (["sync"], None),
        (["sync", "--source-sql", "SELECT 1 AS nothing"], None),
        (["db", "psql", "-c", "SELECT 1"], None),
    ):
        CliRunner().invoke(app, command, input=typed)
    with database.session() as session:
        runs = [str(row) for row in session.rows_of("SELECT CAST(run AS text) FROM tagdb.run", {})]
    assert len(runs) >= 3
    assert started
    assert SECRET not in "".join(started)
    assert SECRET not in "".join(runs)
