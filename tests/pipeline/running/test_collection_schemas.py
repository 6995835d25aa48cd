"""Schemas of collections are made, refused, renamed and dropped; who is at work elsewhere is not disturbed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.db.rights import quoted
from tagdb.errors import Busy, SchemaMismatch, Unavailable
from tagdb.models import Silent
from tagdb.pipeline.asking import status
from tagdb.pipeline.running import collections
from tagdb.pipeline.sync import Choice, sync
from tests.pipeline import stored
from tests.pipeline.running.collected import AS_AT_0009, NASTY, PLAIN, csv_file, filled, own, tables


@pytest.mark.parametrize("attempt", range(3))
def test_first_migrations_at_once_all_succeed(empty_database: Database, attempt: int) -> None:
    names = ["tagdb", NASTY, PLAIN, NASTY, f"another {attempt}"]
    together = Barrier(len(names))

    def migrate(name: str) -> bool:
        together.wait()
        return schema.migrate(empty_database.beside(name))

    with ThreadPoolExecutor(len(names)) as pool:
        changed = list(pool.map(migrate, names))
    assert sorted(changed) == [False, True, True, True, True]
    for name in names:
        with empty_database.beside(name).session() as session:
            schema.require_current(session)
    assert stored.column(
        empty_database, "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'vector'"
    ) == ["public"]


@pytest.mark.parametrize(
    "held",
    [
        (
            "CREATE TABLE theirs.alembic_version (version_num text); CREATE TABLE theirs.orders (id int);"
            "INSERT INTO theirs.alembic_version VALUES ('0010')"
        ),
        "CREATE TABLE theirs.questions (id bigint PRIMARY KEY)",
        "CREATE TYPE theirs.mood AS ENUM ('fine')",
        "CREATE FUNCTION theirs.one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SEQUENCE theirs.numbers",
    ],
)
def test_schema_that_holds_something_else_is_refused(database: Database, held: str) -> None:
    stored.run(database, "CREATE SCHEMA theirs", held)
    before = tables(database)
    theirs = database.beside("theirs")
    for attempt in (schema.migrate, _require_current):
        with pytest.raises(Unavailable, match="schema theirs is there, and what it holds is not tagdb's"):
            attempt(theirs)
    assert tables(database) == before
    assert [each.name for each in collections.listed(database)] == ["tagdb"]


def _require_current(database: Database) -> None:
    with database.session() as session:
        schema.require_current(session)


def test_schema_public_is_never_a_collection(empty_database: Database) -> None:
    with pytest.raises(Unavailable, match="schema public is everybody's") as refused:
        schema.migrate(empty_database.beside("public"))
    assert refused.value.hint == "choose a name that is free, or an empty schema: --schema NAME"


def test_empty_schema_and_one_with_an_extension_alone_are_taken(empty_database: Database) -> None:
    stored.run(empty_database, "CREATE SCHEMA made", "CREATE SCHEMA vectors", "CREATE EXTENSION vector SCHEMA vectors")
    assert schema.migrate(empty_database.beside("made"))
    assert schema.migrate(empty_database.beside("vectors"))
    assert [each.name for each in collections.listed(empty_database)] == ["made", "vectors"]


def test_dropped_collection_takes_all_of_its_own_along_and_nothing_else(
    two: tuple[Database, Database], database: Database, tmp_path: Path
) -> None:
    for each in two:
        filled(each, csv_file(tmp_path, "t", range(1, 5)))
    tickets, articles = two
    kept = [table for table in tables(database) if not str(table).startswith(quoted(NASTY))]
    stored.run(database, f"DROP SCHEMA {quoted(NASTY)} CASCADE")
    assert tables(database) == kept
    assert status.status(articles).current
    assert sync(articles, Choice(), Silent()).changes.total == 0
    with pytest.raises(SchemaMismatch, match="no collection"):
        _require_current(tickets)


def test_renamed_schema_is_the_same_collection_under_another_name(
    two: tuple[Database, Database], tmp_path: Path
) -> None:
    _, articles = two
    filled(articles, csv_file(tmp_path, "t", range(1, 5)))
    stored.run(articles, f"ALTER SCHEMA {PLAIN} RENAME TO papers")
    papers = articles.beside("papers")
    assert schema.migrate(papers)
    assert schema.migrate(papers) is False
    assert sync(papers, Choice(), Silent()).embedded.texts == 0
    assert own(papers, "SELECT count(*) FROM {own}.nearest_tags('java', 3)") == [3]
    assert own(papers, "SELECT last_status FROM {own}.status") == ["done"]


def test_older_tagdb_at_work_keeps_the_locks_from_changing_under_it(database: Database) -> None:
    stored.run(database, AS_AT_0009.format(schema="tagdb"))
    other = database.beside(PLAIN)
    with database.session() as older:
        older.rows_of("SELECT pg_advisory_lock(1952540530)", {})
        with pytest.raises(Busy, match="an older one"):
            schema.migrate(database)
        assert schema.migrate(other)
    assert stored.column(database, "SELECT version_num FROM tagdb.alembic_version") == ["0009"]
    assert schema.migrate(database)
    assert stored.column(database, "SELECT version_num FROM tagdb.alembic_version") == [schema.head()]
