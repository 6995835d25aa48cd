"""Dumps restored by a role without special rights, into a database that a DBA has prepared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.db.source import Choice
from tagdb.errors import SchemaMismatch
from tagdb.models import Silent
from tagdb.pipeline import sync
from tagdb.pipeline.running import capturing
from tests.cli.running import done, tagdb
from tests.pipeline import stored
from tests.places import world
from tests.places.dba import DbaServer
from tests.places.test_readers import FOUND, NARROW

ROUTINES = "SELECT oid, xmin::text FROM pg_proc WHERE pronamespace = 'tagdb'::regnamespace ORDER BY 1"


@contextmanager
def _prepared(dba: DbaServer, name: str, owner: str, extensions: str) -> Iterator[str]:
    """A database of the owner's with pgvector in a schema."""
    with dba.database(name, f"OWNER {owner}"):
        dba.admin(f"CREATE SCHEMA IF NOT EXISTS {extensions};\nCREATE EXTENSION vector SCHEMA {extensions}", name)
        dba.admin(f"GRANT USAGE ON SCHEMA {extensions} TO PUBLIC", name)
        yield dba.url(owner, name)


def _dump_and_restore(dba: DbaServer, source: str, target: str, folder: Path, *options: str, plain: bool) -> None:
    dump = str(folder / "dump")
    dba.run("pg_dump", "-d", source, "-f", dump, "-Fp" if plain else "-Fc", *options)
    said = dba.run("psql", "-d", target, "-f", dump) if plain else dba.run("pg_restore", "-d", target, dump)
    assert "hnsw." not in said


@pytest.mark.parametrize("extensions", ["public", "extensions"])
@pytest.mark.parametrize("plain", [False, True])
def test_restored_dump_is_whole_and_current(
    dba: DbaServer, owner: str, extensions: str, plain: bool, tmp_path: Path
) -> None:
    with _prepared(dba, "before", owner, extensions) as source, _prepared(dba, "after", owner, extensions) as target:
        filled = world.filled(source)
        done("index", "build", TAGDB_DATABASE_URL=source)
        sync.sync(filled, Choice(), Silent())
        _dump_and_restore(dba, source, target, tmp_path, plain=plain)
        restored = Database(target, origin="test")
        with restored.session() as session:
            schema.require_current(session)
        before = stored.rows(restored, ROUTINES)
        assert schema.migrate(restored) is False
        assert stored.rows(restored, ROUTINES) == before
        for name, query in NARROW.items():
            assert world.rows_of(target, query) == [(FOUND[name],)]
        again = sync.sync(restored, Choice(), Silent())
        assert (again.changes.total, again.embedded.texts, again.tags, again.labelled) == (0, 0, 0, 0)
        assert "blue" in done("nearest", "red", TAGDB_DATABASE_URL=target).stdout
        assert done("status", "--check", TAGDB_DATABASE_URL=target).exit_code == 0


def test_restored_capture_is_not_believed_before_all_was_compared(dba: DbaServer, owner: str, tmp_path: Path) -> None:
    with _prepared(dba, "before", owner, "public") as source, _prepared(dba, "after", owner, "public") as target:
        filled = world.filled(source)
        capturing.switch_on(filled, {}, Silent())
        sync.sync(filled, Choice(), Silent())
        assert capturing.status(filled).doubt is None
        _dump_and_restore(dba, source, target, tmp_path, plain=False)
        restored = Database(target, origin="test")
        assert "have changed since" in str(capturing.status(restored).doubt)
        assert not capturing.switch_on(restored, {}, Silent()).changed
        sync.sync(restored, Choice(), Silent())
        assert capturing.status(restored).doubt is None
        stored.run(restored, "DELETE FROM questions WHERE id = 1")
        assert capturing.status(restored).waiting == 1


def test_dump_without_comments_gets_them_back(dba: DbaServer, owner: str, shop: str, tmp_path: Path) -> None:
    source = dba.url(owner, shop)
    world.filled(source)
    with _prepared(dba, "after", owner, "public") as target:
        _dump_and_restore(dba, source, target, tmp_path, "--no-comments", plain=False)
        restored = Database(target, origin="test")
        assert schema.migrate(restored) is True
        assert schema.migrate(restored) is False


def test_dump_that_meets_pgvector_elsewhere_is_not_taken_for_whole(
    dba: DbaServer, owner: str, shop: str, tmp_path: Path
) -> None:
    source = dba.url(owner, shop)
    world.filled(source)
    with _prepared(dba, "after", owner, "extensions") as target:
        _dump_and_restore(dba, source, target, tmp_path, plain=False)
        for command in (("status",), ("db", "migrate")):
            refused = tagdb(*command, TAGDB_DATABASE_URL=target)
            assert refused.exit_code == 3
            assert "lacks text_vector, tag_vector, classifier_weight" in refused.stderr
            assert "DROP SCHEMA tagdb CASCADE" in refused.stderr
        stored.run(Database(target, origin="test"), "DROP SCHEMA tagdb CASCADE")
        assert done("db", "migrate", TAGDB_DATABASE_URL=target)


@pytest.mark.parametrize(
    "loss",
    [
        "DROP FUNCTION tagdb.nearest_tags",
        "DROP FUNCTION tagdb.nearest_tags, tagdb.nearest_questions, tagdb.classify, tagdb.open_query",
        "DROP VIEW tagdb.status, tagdb.embedding",
    ],
)
def test_missing_routines_are_noticed_by_every_command_and_brought_back(
    dba: DbaServer, owner: str, shop: str, loss: str
) -> None:
    database = world.migrated(dba.url(owner, shop))
    stored.run(database, loss)
    with database.session() as session, pytest.raises(SchemaMismatch, match=r"here lacks \w+") as refused:
        schema.require_current(session)
    assert refused.value.hint == "tagdb db migrate"
    assert schema.migrate(database) is True
    with database.session() as session:
        schema.require_current(session)
    assert schema.migrate(database) is False


@pytest.mark.parametrize(
    "change",
    [
        "CREATE OR REPLACE FUNCTION tagdb.open_query(query text) RETURNS refcursor LANGUAGE plpgsql AS 'BEGIN END'",
        (
            "CREATE OR REPLACE VIEW tagdb.embedding AS SELECT q.question_id, v.embedding "
            "FROM tagdb.question q JOIN tagdb.text_vector v USING (text_id)"
        ),
        "ALTER FUNCTION tagdb.nearest_tags SET search_path = public",
        "COMMENT ON FUNCTION tagdb.classify IS NULL",
    ],
)
def test_routines_that_are_not_those_of_this_version_are_made_anew(
    dba: DbaServer, owner: str, shop: str, change: str
) -> None:
    database = world.migrated(dba.url(owner, shop))
    functions = "FROM pg_proc WHERE pronamespace = 'tagdb'::regnamespace ORDER BY 1"
    shown = f"SELECT proname, pg_get_functiondef(oid), obj_description(oid) {functions}"
    view = "SELECT pg_get_viewdef('tagdb.embedding'::regclass), obj_description('tagdb.embedding'::regclass)"
    before = [*stored.rows(database, shown), *stored.rows(database, view)]
    stored.run(database, change)
    assert [*stored.rows(database, shown), *stored.rows(database, view)] != before
    assert schema.migrate(database) is True
    assert [*stored.rows(database, shown), *stored.rows(database, view)] == before
    assert schema.migrate(database) is False


def test_comment_on_the_schema_is_the_users(dba: DbaServer, owner: str, shop: str) -> None:
    database = world.migrated(dba.url(owner, shop))
    stored.run(database, "COMMENT ON SCHEMA tagdb IS 'ask Ann'", "COMMENT ON VIEW tagdb.status IS NULL")
    assert schema.migrate(database) is True
    assert stored.column(database, "SELECT obj_description('tagdb'::regnamespace)") == ["ask Ann"]
