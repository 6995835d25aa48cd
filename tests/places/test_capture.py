"""Capture where the tables are somebody else's, and those who write to them may nothing in tagdb's schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.errors import Unavailable
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.running import capturing
from tests.pipeline.capturing import assert_as_if_compared, capture_on, captured
from tests.pipeline.world import USER_TABLES, World, load_once
from tests.places.dba import DbaServer


@pytest.fixture
def application(dba: DbaServer) -> Iterator[str]:
    """Another role, which will own the tables or write to them."""
    with dba.role("application") as name:
        yield name
        for (database,) in dba.admin("SELECT datname FROM pg_database WHERE datname LIKE 'shop%'"):
            dba.admin(f"DROP OWNED BY {name} CASCADE", database)


def _as(dba: DbaServer, role: str, database: str, *statements: str) -> None:
    connection = psycopg2.connect(dba.url(role, database))
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def test_writers_need_no_right_in_the_schema(
    dba: DbaServer,
    owner: str,
    shop: str,
    application: str,
    tiny_embedder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "load", load_once)
    database = Database(dba.url(owner, shop), origin="test")
    _as(dba, owner, shop, f"GRANT CREATE ON SCHEMA public TO {application}")
    _as(dba, application, shop, USER_TABLES, f"GRANT SELECT ON questions, tags TO {owner}")
    schema.migrate(database)
    world = World(database, tiny_embedder, tables="SELECT 1")
    _as(dba, application, shop, "INSERT INTO questions (id) VALUES (1); INSERT INTO tags VALUES (1, 0, 'a')")
    world.sync()
    for _ in ("questions", "tags"):
        with pytest.raises(Unavailable, match="belongs to application") as refused:
            capture_on(world)
        assert str(refused.value.hint).startswith("GRANT TRIGGER ON public.")
        _as(dba, application, shop, str(refused.value.hint))
    assert capture_on(world).changed
    assert not capture_on(world).changed
    world.sync()
    _as(dba, application, shop, "INSERT INTO tags VALUES (1, 1, 'b')")
    assert captured(world) == ["1"]
    world.sync()
    assert world.texts() == {1: "a b"}
    assert "session_replication_role" in str(capturing.status(database).unseen)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        _as(dba, application, shop, "SELECT * FROM tagdb.captured")
    forged = "CREATE TRIGGER mine AFTER INSERT ON theirs REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION "
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        _as(dba, application, shop, "CREATE TABLE theirs (id bigint)", f"{forged} tagdb.capture_1()")
    assert_as_if_compared(world)
    assert capturing.switch_off(database).changed
    _as(dba, application, shop, "INSERT INTO tags VALUES (1, 2, 'c')")


def test_writer_cannot_lead_the_triggers_astray(
    dba: DbaServer, owner: str, shop: str, application: str, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a writer calls like the functions, tables and operators that a trigger needs is not what it takes."""
    monkeypatch.setattr(registry, "load", load_once)
    database = Database(dba.url(owner, shop), origin="test")
    schema.migrate(database)
    world = World(database, tiny_embedder)
    _as(
        dba,
        owner,
        shop,
        f"GRANT CREATE ON SCHEMA public TO {application}; GRANT ALL ON questions, tags TO {application}",
    )
    world.put({1: "a"})
    world.sync()
    capture_on(world)
    world.sync()
    _as(
        dba,
        application,
        shop,
        "CREATE FUNCTION public.tell(integer, integer) RETURNS boolean LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION ''called as %'', current_user; END'",
        "CREATE OPERATOR public.<> (FUNCTION = public.tell, LEFTARG = integer, RIGHTARG = integer)",
        "SET search_path = public, pg_catalog; CREATE TEMP TABLE new_rows (question_id bigint); "
        "INSERT INTO tags VALUES (1, 1, 'b'); UPDATE tags SET tag = 'c' WHERE position = 0",
    )
    assert captured(world) == ["1"]
    world.sync()
    assert world.texts() == {1: "c b"}
