"""pgvector where a DBA put it, and search paths that leave it out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.errors import SchemaMismatch, Unavailable
from tests.cli.running import done, tagdb
from tests.pipeline import stored
from tests.places import world
from tests.places.dba import DbaServer
from tests.places.test_readers import FOUND, NARROW

PATHS = ("", '"$user", public, tagdb', "mine", "public", "tagdb")


@pytest.fixture
def apart(dba: DbaServer, owner: str) -> Iterator[str]:
    """A database of the owner's with pgvector in a schema that is on nobody's path."""
    with dba.database("apart", f"OWNER {owner}") as name:
        dba.admin('CREATE SCHEMA "Our extensions";\nCREATE EXTENSION vector SCHEMA "Our extensions"', name)
        dba.admin('GRANT USAGE ON SCHEMA "Our extensions" TO PUBLIC', name)
        yield name


@pytest.mark.parametrize("path", PATHS[:3])
def test_every_command_works_whatever_the_path_is(
    dba: DbaServer, owner: str, apart: str, path: str, tmp_path: Path, tiny_embedder: Path
) -> None:
    dsn = dba.url(owner, apart)
    dba.admin("CREATE SCHEMA mine AUTHORIZATION " + owner, apart)
    dba.admin(f"ALTER DATABASE {apart} SET search_path = {path or chr(39) * 2}")
    environment = {"TAGDB_DATABASE_URL": dsn}
    done("db", "migrate", **environment)
    colours = [("red", "blue")[n % 2] for n in range(60)]
    lines = ["id,title,tags,label", *(f"{n},{c} {n % 5},{c} tag{n % 5},{c}" for n, c in enumerate(colours))]
    (tmp_path / "questions.csv").write_text("\n".join(lines))
    where = {"PGOPTIONS": "-c search_path=public"} if path in ("", "tagdb") else {}
    done("import", str(tmp_path / "questions.csv"), **environment, **where)
    done("embedder", "use", str(tiny_embedder), **environment)
    source = ("--source-sql", "SELECT id AS question_id, title AS text FROM public.questions",
              "--source-tags-sql", "SELECT question_id, tag FROM public.tags") if where else ()  # fmt: skip
    done("sync", *source, **environment)
    table = "public.questions" if where else "questions"
    done("train", "--query", f"SELECT id AS question_id, label FROM {table}", **environment)
    done("sync", **environment)
    done("predict", **environment)
    done("index", "build", **environment)
    assert "blue" in done("nearest", "red", **environment).stdout
    assert "red" in done("nearest", "tag1", "--questions", **environment).stdout
    assert done("export", "predictions", "-", **environment).stdout.count("\n") == 61
    assert done("status", "--check", **environment).exit_code == 0
    assert done("sync", "--dry-run", **environment).exit_code == 0


@pytest.mark.parametrize("path", PATHS)
def test_functions_and_views_work_for_readers_with_any_path(dba: DbaServer, owner: str, apart: str, path: str) -> None:
    filled = world.filled(dba.url(owner, apart))
    with dba.role("reader") as reader:
        done("db", "grant", reader, TAGDB_DATABASE_URL=filled.dsn)
        setting = f"SET search_path = {path or chr(39) * 2}"
        for name, query in NARROW.items():
            assert world.rows_of(dba.url(reader, apart), setting, query) == [(FOUND[name],)]
        dba.admin("CREATE SCHEMA elsewhere;\nGRANT USAGE ON SCHEMA elsewhere TO PUBLIC", apart)
        dba.admin("ALTER EXTENSION vector SET SCHEMA elsewhere", apart)
        for name, query in NARROW.items():
            assert world.rows_of(dba.url(reader, apart), setting, query) == [(FOUND[name],)]
        dba.admin(f"DROP OWNED BY {reader}", apart)


def test_functions_set_back_what_they_set_for_a_scan(dba: DbaServer, owner: str, shop: str) -> None:
    filled = world.filled(dba.url(owner, shop))
    names = ("hnsw.iterative_scan", "hnsw.max_scan_tuples", "hnsw.ef_search")
    show = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
    (before,) = world.rows_of(filled.dsn, "SELECT vector '[1]' <-> '[2]'", show)
    for query in (NARROW["tags"], NARROW["questions"]):
        assert world.rows_of(filled.dsn, "SELECT vector '[1]' <-> '[2]'", query, show) == [before]
        assert world.rows_of(filled.dsn, "SET hnsw.ef_search = 7", query, show) == [(*before[:2], "7")]


def test_schema_of_the_extension_that_a_role_may_not_use_is_named(dba: DbaServer, owner: str, apart: str) -> None:
    dba.admin('REVOKE USAGE ON SCHEMA "Our extensions" FROM PUBLIC', apart)
    database = Database(dba.url(owner, apart), origin="test")
    with pytest.raises(Unavailable) as refused:
        schema.migrate(database)
    assert str(refused.value) == f'pgvector is in schema "Our extensions", which {owner} may not use'
    assert refused.value.hint == f'GRANT USAGE ON SCHEMA "Our extensions" TO {owner}'
    dba.admin(refused.value.hint, apart)
    assert schema.migrate(database)
    dba.admin(f'REVOKE USAGE ON SCHEMA "Our extensions" FROM {owner}', apart)
    for command in (("status",), ("sync",), ("nearest", "x")):
        result = tagdb(*command, TAGDB_DATABASE_URL=database.dsn)
        assert result.exit_code == 3
        assert f'GRANT USAGE ON SCHEMA "Our extensions" TO {owner}' in result.stderr


def test_extension_is_made_where_the_path_is_empty_but_never_in_the_schema_of_tagdb(dba: DbaServer, owner: str) -> None:
    for path in ("''", "tagdb"):
        with dba.database("bare") as name, dba.role("boss", "SUPERUSER") as boss:
            dba.admin(f"ALTER ROLE {boss} SET search_path = {path}")
            dba.admin("CREATE SCHEMA tagdb", name)
            assert schema.migrate(Database(dba.url(boss, name), origin="test"))
            where = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'vector'"
            assert dba.admin(where, name) == [("public",)]
            dba.admin("DROP SCHEMA tagdb CASCADE", name)


def test_missing_extension_says_who_can_add_it(dba: DbaServer, owner: str) -> None:
    with dba.database("bare", f"OWNER {owner}") as name:
        with pytest.raises(Unavailable, match="not in this database, and this role may not add it") as refused:
            schema.migrate(Database(dba.url(owner, name), origin="test"))
        assert "CREATE EXTENSION vector" in (refused.value.hint or "")
        assert dba.admin("SELECT to_regnamespace('tagdb')", name) == [(None,)]


def test_missing_extension_is_made_by_who_may_though_the_schema_is_anothers(dba: DbaServer, owner: str) -> None:
    with dba.database("bare", f"OWNER {owner}") as name, dba.role("boss", "SUPERUSER") as boss:
        dba.admin(f"CREATE SCHEMA tagdb AUTHORIZATION {owner}", name)
        as_owner = Database(dba.url(boss, name, options=f"-c role={owner}"), origin="test")
        with pytest.raises(Unavailable, match="this role may not add it"):
            schema.migrate(as_owner)
        assert schema.migrate(Database(dba.url(boss, name), origin="test"))
        owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'tagdb'::regnamespace"
        assert dba.admin(owners, name) == [(owner,)]
        dba.admin("DROP EXTENSION vector CASCADE;\nDROP SCHEMA tagdb CASCADE", name)


def test_extension_that_was_dropped_is_missed_before_anything_is_done(dba: DbaServer, owner: str, shop: str) -> None:
    filled = world.filled(dba.url(owner, shop))
    dba.admin("DROP EXTENSION vector CASCADE", shop)
    result = tagdb("status", TAGDB_DATABASE_URL=filled.dsn)
    assert result.exit_code == 3
    assert 'type "vector"' not in result.stderr
    with filled.session() as session, pytest.raises((SchemaMismatch, Unavailable)):
        schema.require_current(session)
    assert stored.column(filled, "SELECT count(*) FROM tagdb.labels") == [24]
