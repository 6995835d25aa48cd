"""`tagdb db`: URLs for other programs, psql with all its options, and a server of one's own."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg2
import psycopg2.extensions
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb.db import address
from tagdb.db.connection import Database
from tagdb.db.embedded import EmbeddedServer
from tests.cli.running import done, tagdb
from tests.pipeline import stored

NAMES = st.text(st.characters(categories=["L", "N", "P", "S"], max_codepoint=0x2FFF), min_size=1, max_size=12)


def test_url_connects_and_bears_no_password(database: Database) -> None:
    with_password = database.dsn.replace("postgres@", "postgres:s3cret@")
    for given_url in (database.dsn, with_password, with_password.replace("postgresql:", "postgres:")):
        printed = done("db", "url", "--db-url", given_url).stdout.strip()
        assert "s3cret" not in printed
        with psycopg2.connect(printed) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_database()")
            assert cursor.fetchone() == (psycopg2.extensions.parse_dsn(database.dsn)["dbname"],)
        connection.close()


def test_url_of_libpqs_own_variables(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = psycopg2.extensions.parse_dsn(database.dsn)
    monkeypatch.delenv("TAGDB_DATABASE_URL")
    for name, key in (("PGHOST", "host"), ("PGUSER", "user"), ("PGDATABASE", "dbname")):
        monkeypatch.setenv(name, parts[key])
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    printed = done("db", "url").stdout.strip()
    assert psycopg2.extensions.parse_dsn(printed) == {key: parts[key] for key in ("host", "user", "dbname")}


@given(st.fixed_dictionaries({}, optional={"user": NAMES, "dbname": NAMES, "host": NAMES, "port": st.just("5433")}))
def test_url_says_what_the_key_value_form_says(parts: dict[str, str]) -> None:
    parts = {key: value.replace("\0", "") for key, value in parts.items()}
    if any(sign in parts.get("host", "") for sign in "[]@:/?#%,&="):
        parts.pop("host")
    dsn = psycopg2.extensions.make_dsn(**parts, password="s3cret") if parts else ""
    printed = address.public_url(dsn, {})
    assert psycopg2.extensions.parse_dsn(printed) == parts


@pytest.mark.parametrize(
    ("dsn", "url"),
    [
        ("host=::1 port=5433 dbname=x", "postgresql://[::1]:5433/x"),
        ("host=a,b port=1,2", "postgresql://?host=a%2Cb&port=1%2C2"),
        ("host=/run/pg user=me", "postgresql://me@?host=/run/pg"),
        ("service=mine password=pw", "postgresql://?service=mine"),
        ("postgresql://me:pw@h/d?sslmode=require&sslpassword=pw", "postgresql://me@h/d?sslmode=require"),
        ("postgresql://h/d?password=pw&passfile=/etc/pw", "postgresql://h/d?passfile=/etc/pw"),
        ("host=h sslpassword='p w' password=pw", "postgresql://h"),
    ],
)
def test_url_forms(dsn: str, url: str) -> None:
    assert address.public_url(dsn, {}) == url
    assert set(psycopg2.extensions.parse_dsn(url)) == set(psycopg2.extensions.parse_dsn(dsn)) - {
        "password",
        "sslpassword",
    }


def test_psql_gets_its_options_and_gives_its_exit_code(database: Database, capfd: pytest.CaptureFixture[str]) -> None:
    result = done("db", "psql", "-q", "-At", "-v", "n=42", "-c", "SELECT 'a' || 1", "-c", "SELECT 2")
    assert capfd.readouterr().out == "a1\n2\n"
    assert result.stderr == ""
    assert tagdb("db", "psql", "-c", "SELECT 1 / 0").exit_code == 1
    assert "division by zero" in capfd.readouterr().err
    assert tagdb("db", "psql", "-f", "/no/such/file.sql").exit_code == 1


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="command lines are read in /proc")
@pytest.mark.parametrize(
    "form",
    [
        lambda url: url.replace("postgres@", "postgres:s3cret@"),
        lambda url: f"{url}&password=s3cret&sslpassword=s3cret",
        lambda url: psycopg2.extensions.make_dsn(url, password="s3cret", sslpassword="s3cret"),
    ],
)
def test_psql_gets_the_password_where_ps_does_not_show_it(
    database: Database, capfd: pytest.CaptureFixture[str], form: Callable[[str], str]
) -> None:
    url = form(database.dsn)
    done("db", "psql", "-q", "--db-url", url, "-c", r"\! echo $PGPASSWORD; tr '\0' ' ' < /proc/$PPID/cmdline")
    password, command_line = capfd.readouterr().out.splitlines()
    assert password == "s3cret"
    assert "psql" in command_line
    assert "s3cret" not in command_line


def test_migrate_says_whether_there_was_something_to_do(empty_database: Database) -> None:
    first = done("db", "migrate", "--db-url", empty_database.dsn)
    assert first.stdout == "schema tagdb is up to date now\n"
    assert done("db", "migrate", "--db-url", empty_database.dsn).stdout == "schema tagdb was up to date\n"
    done("status", "--db-url", empty_database.dsn)


def test_own_server_is_started_used_and_stopped(short_folder: Path) -> None:
    environment = {**os.environ, "TAGDB_HOME": str(short_folder / "own")}

    def run(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "tagdb", *words, "-q"]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert ran.stderr == "", ran.stderr
        return ran.returncode, ran.stdout.strip()

    try:
        assert run("db", "start") == (0, "")
        code, url = run("db", "url")
        assert code == 0
        assert stored.column(Database(url, origin="test"), "SELECT count(*) FROM tagdb.text") == [0]
        assert run("db", "psql", "-Atc", "SHOW search_path") == (0, '"$user", public, tagdb')
    finally:
        assert run("db", "stop", "--force") == (0, "")
    assert done("db", "stop", TAGDB_HOME=environment["TAGDB_HOME"]).stdout == "it was not running\n"
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url)


def test_setting_that_names_a_database_but_no_server_is_told_of(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    told = "PGDATABASE is set but PGHOST is not: using tagdb's own server\n"
    assert told not in done("db", "migrate").stderr
    monkeypatch.setenv("PGDATABASE", "mine")
    assert done("db", "psql", "-c", "SELECT current_database()").stderr == told
    assert "tagdb" in capfd.readouterr().out
    for words in (["db", "migrate"], ["status"]):
        assert done(*words).stderr.startswith(told)
        assert done(*words, "-q").stderr == ""
    assert done("db", "psql", "-q", "-c", "").stderr == ""
    assert told not in done("status", "--db-url", server.dsn).stderr


def test_address_before_the_command_is_that_of_any_command(
    database: Database, empty_database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    def used(*words: str, **environment: str) -> str:
        done(*words, "-q", "-Atc", "SELECT current_database()", **environment)
        return capfd.readouterr().out.strip()

    named, other = (psycopg2.extensions.parse_dsn(each.dsn)["dbname"] for each in (empty_database, database))
    assert used("db", "psql") == other
    assert used("--db-url", empty_database.dsn, "db", "psql") == named
    assert used("--db-url", empty_database.dsn, "db", "psql", TAGDB_DB_PSQL_DB_URL=database.dsn) == named
    assert used("--db-url", "host=/nowhere", "db", "psql", "--db-url", empty_database.dsn) == named
    assert done("--db-url", empty_database.dsn, "db", "migrate").stdout == "schema tagdb is up to date now\n"
    done("--db-url", empty_database.dsn, "status")


def test_user_without_a_home_works_on_a_server_of_their_own(
    standing_world: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TAGDB_HOME", "HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    assert done("status", "--json").stdout.startswith("{")
    assert "starter" in done("embedder", "show", "starter").stdout
    assert "starter" in done("embedder", "list").stdout
    assert done("nearest", "java", "--json").stdout.startswith("{")
    monkeypatch.delenv("TAGDB_DATABASE_URL")
    refused = tagdb("status")
    assert refused.exit_code == 3
    assert refused.stderr == (
        "error: there is no home folder to keep tagdb's files in\n next: set TAGDB_HOME to a folder you may write\n"
    )


@pytest.mark.parametrize("words", [("db", "start"), ("db", "stop")])
def test_own_server_is_neither_started_nor_stopped_for_an_address(words: tuple[str, ...]) -> None:
    result = tagdb("--db-url", "postgresql://db.example.org/x", *words)
    assert (result.exit_code, result.stderr) == (
        2,
        "error: --db-url names a server that tagdb does not run\n next: leave out --db-url\n",
    )


@pytest.mark.parametrize("words", [("db", "start"), ("db", "stop")])
def test_server_of_somebody_else_is_left_alone(database: Database, words: tuple[str, ...]) -> None:
    result = tagdb(*words)
    assert result.exit_code == 2
    assert result.stderr == (
        "error: TAGDB_DATABASE_URL names a server that tagdb does not run\n next: unset TAGDB_DATABASE_URL\n"
    )


def test_psql_that_a_signal_ends_is_told_as_shells_do(database: Database) -> None:
    assert tagdb("db", "psql", "-q", "-c", r"\! kill -TERM $PPID").exit_code == 143
