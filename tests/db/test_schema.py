"""The schema: made once, by whoever comes first, and refused when it is newer than this tagdb."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tagdb.db import routines, schema
from tagdb.db.connection import Database
from tagdb.errors import SchemaMismatch
from tests.pipeline import stored

ROOT = Path(__file__).resolve().parents[2]


def _catalog_rows(database: Database) -> Sequence[object]:
    """Everything the catalogs say of schema tagdb, with the transaction that wrote it."""
    with database.session() as session:
        return session.rows_of(
            "SELECT c.oid, c.xmin\\:\\:text, c.relname FROM pg_class c WHERE relnamespace = 'tagdb'\\:\\:regnamespace "
            "UNION ALL SELECT p.oid, p.xmin\\:\\:text, p.proname FROM pg_proc p "
            "WHERE pronamespace = 'tagdb'\\:\\:regnamespace ORDER BY 1",
            {},
        )


def test_migrating_twice_does_nothing(empty_database: Database) -> None:
    assert schema.migrate(empty_database) is True
    before = _catalog_rows(empty_database)
    assert schema.migrate(empty_database) is False
    assert _catalog_rows(empty_database) == before


def test_processes_that_migrate_at_once_all_succeed(empty_database: Database) -> None:
    command = [sys.executable, "-m", "tagdb", "db", "migrate", "--db-url", empty_database.dsn]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    results = [(process.communicate(timeout=120), process.returncode) for process in running]
    assert [code for _, code in results] == [0] * 6, results
    assert sum("is up to date now" in out for (out, _), _ in results) == 1
    with empty_database.session() as session:
        schema.require_current(session)


def test_newer_schema_is_refused(database: Database) -> None:
    with database.session() as session:
        session.run_script("UPDATE tagdb.alembic_version SET version_num = '9999'")
        with pytest.raises(SchemaMismatch, match="made by a newer tagdb") as refused:
            schema.require_current(session)
    assert "upgrade" in (refused.value.hint or "")
    with pytest.raises(SchemaMismatch, match="newer"):
        schema.migrate(database)


def test_missing_schema_says_what_to_type(empty_database: Database) -> None:
    with empty_database.session() as session, pytest.raises(SchemaMismatch) as refused:
        schema.require_current(session)
    assert refused.value.hint == "tagdb db migrate"


def test_failed_migration_leaves_nothing(empty_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routines, "install", lambda _session, _routines: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        schema.migrate(empty_database)
    with empty_database.session() as session:
        assert session.scalar("schema.has_version_table") is False


def test_alembic_sees_no_difference_between_tables_and_migrations(database: Database) -> None:
    with database.session() as session:
        stored.new_embedder(session, "small", dim=256)
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "check"],
        cwd=ROOT,
        env={"TAGDB_DATABASE_URL": database.dsn, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No new upgrade operations detected" in done.stdout, done.stdout + done.stderr


def test_downgrade_and_upgrade_again(database: Database) -> None:
    for direction in (("downgrade", "base"), ("upgrade", "head")):
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *direction],
            cwd=ROOT,
            env={"TAGDB_DATABASE_URL": database.dsn, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert schema.migrate(database) is True
    with database.session() as session:
        schema.require_current(session)


def test_routines_come_back_when_the_version_installs_others(database: Database) -> None:
    with database.session() as session:
        session.run_script("DROP VIEW tagdb.embedding; COMMENT ON SCHEMA tagdb IS 'another version''s'")
    assert schema.migrate(database) is True
    with database.session() as session:
        assert session.rows_of("SELECT * FROM tagdb.embedding", {}) == []


def test_everything_in_the_schema_says_what_it_is(database: Database) -> None:
    with database.session() as session:
        stored.new_embedder(session, "small", dim=256)
    silent = stored.column(
        database,
        "SELECT relname FROM pg_class WHERE relnamespace = 'tagdb'::regnamespace AND relkind IN ('r', 'p', 'v') "
        "AND obj_description(oid, 'pg_class') IS NULL UNION ALL "
        "SELECT proname FROM pg_proc WHERE pronamespace = 'tagdb'::regnamespace "
        "AND obj_description(oid, 'pg_proc') IS NULL",
    )
    assert silent == []
    said = stored.column(database, "SELECT obj_description('tagdb.nearest_tags'::regproc, 'pg_proc')")
    assert str(said[0]).startswith("The k tags nearest to a tag, by cosine distance of their centroids.")
