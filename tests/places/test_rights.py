"""Rights: what tagdb needs and what it does without, what it says where one is missing, and several who share it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tagdb.db import rights, schema
from tagdb.db.connection import Database
from tagdb.errors import Unavailable
from tests.cli.running import done, tagdb
from tests.pipeline import stored
from tests.places import world
from tests.places.dba import DbaServer

QUESTIONS = """
CREATE TABLE questions (id bigint PRIMARY KEY, title text, label text, created_at timestamptz);
CREATE TABLE tags (question_id bigint, position smallint, tag text, PRIMARY KEY (question_id, position));
INSERT INTO questions SELECT n, 'title ' || n, CASE n % 2 WHEN 0 THEN 'even' ELSE 'odd' END
    FROM generate_series(1, 40) n;
INSERT INTO tags
    SELECT id, n, CASE n WHEN 0 THEN label ELSE 'number' || id % 10 END FROM questions, generate_series(0, 1) n
"""


@contextmanager
def _of_the_dba(dba: DbaServer, name: str) -> Iterator[str]:
    """A database of the DBA's with questions, tags and pgvector, in which nobody else may make anything."""
    with dba.database(name):
        dba.admin("CREATE EXTENSION vector", name)
        dba.admin(QUESTIONS, name)
        yield name


def _loop(dsn: str, embedder: Path) -> None:
    environment = {"TAGDB_DATABASE_URL": dsn}
    done("embedder", "use", str(embedder), **environment)
    done("sync", **environment)
    done("train", "--query", "SELECT id AS question_id, label FROM questions", **environment)
    done("sync", **environment)
    assert done("status", "--check", **environment).exit_code == 0


def test_schema_that_the_dba_made_is_enough(dba: DbaServer, owner: str, tiny_embedder: Path) -> None:
    with _of_the_dba(dba, "given") as name:
        dba.admin(f"CREATE SCHEMA tagdb AUTHORIZATION {owner};\nGRANT SELECT ON questions, tags TO {owner}", name)
        database = world.migrated(dba.url(owner, name))
        assert schema.migrate(database) is False
        _loop(database.dsn, tiny_embedder)


def test_revoked_right_to_create_is_not_missed_where_there_is_nothing_to_create(
    dba: DbaServer, owner: str, tiny_embedder: Path
) -> None:
    with _of_the_dba(dba, "given") as name:
        dba.admin(f"GRANT CREATE ON DATABASE {name} TO {owner};\nGRANT SELECT ON questions, tags TO {owner}", name)
        database = world.migrated(dba.url(owner, name))
        dba.admin(f"REVOKE CREATE ON DATABASE {name} FROM {owner}")
        assert schema.migrate(database) is False
        stored.run(database, "DROP VIEW tagdb.status")
        assert schema.migrate(database) is True
        _loop(database.dsn, tiny_embedder)


def test_right_to_make_the_schema_is_asked_for_by_name(dba: DbaServer) -> None:
    dba.admin('CREATE DATABASE "My shop";\nCREATE ROLE "select" LOGIN PASSWORD \'select\'')
    try:
        dba.admin("CREATE EXTENSION vector", "My shop")
        dsn = dba.url("select", "My%20shop")
        grant = 'GRANT CREATE ON DATABASE "My shop" TO "select"'
        refused = tagdb("db", "migrate", TAGDB_DATABASE_URL=dsn)
        assert refused.exit_code == 3
        assert "permission denied for database My shop" in refused.stderr
        assert f'next: {grant}, or CREATE SCHEMA tagdb AUTHORIZATION "select"' in refused.stderr
        dba.admin(grant)
        done("db", "migrate", TAGDB_DATABASE_URL=dsn)
    finally:
        dba.admin('DROP DATABASE "My shop" WITH (FORCE);\nDROP ROLE "select"')


def test_schema_of_somebody_else_is_said_to_be_theirs(dba: DbaServer, owner: str) -> None:
    with _of_the_dba(dba, "taken") as name, dba.role('"Her"') as her:
        dba.admin(f"CREATE SCHEMA tagdb AUTHORIZATION {her}", name)
        database = Database(dba.url(owner, name), origin="test")
        for granted, verb in (("", "use it"), (f"GRANT USAGE ON SCHEMA tagdb TO {owner}", "create in it")):
            if granted:
                dba.admin(granted, name)
            with pytest.raises(Unavailable) as refused:
                schema.migrate(database)
            assert str(refused.value) == f'schema tagdb here belongs to "Her", and {owner} may not {verb}'
            assert f'GRANT "Her" TO {owner}' in (refused.value.hint or "")
        dba.admin(f"GRANT {her} TO {owner}")
        assert schema.migrate(database)
        assert _owners(dba, name) == {"Her"}
        dba.admin(f"DROP OWNED BY {her} CASCADE;\nREVOKE {her} FROM {owner}", name)


def _owners(dba: DbaServer, name: str) -> set[object]:
    relations = "SELECT relowner::regrole::text FROM pg_class WHERE relnamespace = 'tagdb'::regnamespace"
    functions = "SELECT proowner::regrole::text FROM pg_proc WHERE pronamespace = 'tagdb'::regnamespace"
    return {owner.strip('"') for (owner,) in dba.admin(f"{relations} UNION {functions}", name)}


@pytest.mark.parametrize("setting", [False, True])
def test_operators_share_a_schema_of_their_group(dba: DbaServer, tiny_embedder: Path, setting: bool) -> None:
    with (
        dba.role("tagdb_ops") as group,
        dba.role("alice") as alice,
        dba.role("bob") as bob,
        _of_the_dba(dba, "shared") as name,
    ):
        dba.admin(f"GRANT {group} TO {alice}, {bob}")
        dba.admin(f"CREATE SCHEMA tagdb AUTHORIZATION {group};\nGRANT SELECT ON questions, tags TO {group}", name)
        if setting:
            dba.admin(f"ALTER ROLE {alice} SET role = {group};\nALTER ROLE {bob} SET role = {group}")
        as_alice, as_bob = dba.url(alice, name), dba.url(bob, name)
        done("db", "migrate", TAGDB_DATABASE_URL=as_alice)
        _loop(as_bob, tiny_embedder)
        dba.admin("UPDATE tags SET tag = 'new' WHERE question_id = 1", name)
        _loop(as_alice, tiny_embedder)
        done("index", "build", TAGDB_DATABASE_URL=as_bob)
        done("index", "drop", TAGDB_DATABASE_URL=as_alice)
        stored.run(Database(as_bob, origin="test"), "DROP VIEW tagdb.status")
        done("db", "migrate", TAGDB_DATABASE_URL=as_alice)
        assert _owners(dba, name) == {group}


def test_superuser_leaves_everything_to_the_owner_of_the_schema(dba: DbaServer, owner: str, shop: str) -> None:
    world.migrated(dba.url(owner, shop))
    with dba.role("boss", "SUPERUSER") as boss:
        database = Database(dba.url(boss, shop), origin="test")
        stored.run(database, "DROP FUNCTION tagdb.nearest_tags")
        assert schema.migrate(database)
        with database.session() as session:
            stored.new_embedder(session, "first", dim=3)
    assert _owners(dba, shop) == {owner}


def test_role_that_the_user_has_chosen_stays(dba: DbaServer, owner: str, shop: str) -> None:
    world.migrated(dba.url(owner, shop))
    with dba.role("other"), dba.role("boss", "SUPERUSER") as boss:
        chosen = Database(dba.url(boss, shop, options="-c role=other"), origin="test")
        assert stored.column(chosen, "SELECT current_user") == ["other"]


def test_object_of_another_role_says_how_it_changes_hands(dba: DbaServer, owner: str, shop: str) -> None:
    database = world.migrated(dba.url(owner, shop))
    dba.admin("ALTER VIEW tagdb.status OWNER TO postgres;\nCOMMENT ON VIEW tagdb.status IS NULL", shop)
    refused = tagdb("db", "migrate", TAGDB_DATABASE_URL=database.dsn)
    assert refused.exit_code == 3
    assert "must be owner of view status" in refused.stderr
    assert f"ALTER VIEW tagdb.status OWNER TO {owner}" in refused.stderr


@pytest.mark.parametrize(
    ("statement", "grant"),
    [
        ("SELECT * FROM secret", "GRANT SELECT ON secret TO {me}"),
        ("SELECT * FROM vault.secret", "GRANT USAGE ON SCHEMA vault TO {me}"),
        ('SELECT * FROM "Odd table"', 'GRANT SELECT ON "Odd table" TO {me}'),
        ("INSERT INTO secret VALUES (1)", "GRANT SELECT, INSERT, UPDATE, DELETE ON secret TO {me}"),
        ("SELECT * FROM secret_view", "GRANT SELECT ON secret_view TO {me}"),
        ("SELECT hidden()", "GRANT EXECUTE ON FUNCTION hidden TO {me}"),
        ("SELECT nextval('counter')", "GRANT USAGE, SELECT ON SEQUENCE counter TO {me}"),
        ("CREATE TABLE vault.x ()", "GRANT USAGE, CREATE ON SCHEMA vault TO {me}"),
        ("CREATE TEMP TABLE x ()", "GRANT TEMPORARY ON DATABASE shop_for_rights TO {me}"),
        ("ALTER TABLE secret ADD x integer", "ALTER TABLE secret OWNER TO {me}"),
    ],
)
def test_missing_right_is_answered_with_the_statement_that_gives_it(
    dba: DbaServer, owner: str, secrets: str, statement: str, grant: str
) -> None:
    with Database(dba.url(owner, secrets), origin="test").session() as session:
        with pytest.raises(Unavailable) as refused:
            session.run_script(statement)
        assert grant.format(me=owner) in (refused.value.hint or "")
        if grant.startswith("GRANT"):
            dba.admin(grant.format(me=owner), secrets)
            session.run_script(statement if "vault.secret" not in statement else "SELECT")


@pytest.fixture
def secrets(dba: DbaServer) -> Iterator[str]:
    """A database in which an ordinary role may do nothing."""
    with dba.database("shop_for_rights") as name:
        dba.admin("REVOKE TEMPORARY ON DATABASE shop_for_rights FROM PUBLIC")
        dba.admin(
            """
            CREATE TABLE secret (n integer);
            CREATE TABLE "Odd table" ();
            CREATE VIEW secret_view AS SELECT 1 AS n;
            CREATE SEQUENCE counter;
            CREATE SCHEMA vault;
            CREATE TABLE vault.secret ();
            CREATE FUNCTION hidden() RETURNS integer LANGUAGE sql AS 'SELECT 1';
            REVOKE EXECUTE ON FUNCTION hidden FROM PUBLIC
            """,
            name,
        )
        yield name


def test_words_that_need_quotes_are_those_of_the_server(dba: DbaServer) -> None:
    reserved = {word for (word,) in dba.admin("SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')")}
    assert reserved <= rights.RESERVED
