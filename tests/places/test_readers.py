"""Readers: what a grant lets another role see, what it does not, and how it lasts."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from typer.testing import Result

from tagdb.db import schema
from tagdb.db.connection import Database, quote_identifier
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.syncing import tag_vectors
from tests.cli.running import done, tagdb
from tests.pipeline import stored
from tests.places import world
from tests.places.dba import DbaServer

NARROW = {
    "labels": "SELECT count(label) FROM tagdb.labels",
    "tags": "SELECT count(nearest) FROM tagdb.nearest_tags('red', 10)",
    "questions": "SELECT count(nearest) FROM tagdb.nearest_questions(1, 50)",
    "classify": "SELECT count(c.label) FROM tagdb.embedding e CROSS JOIN LATERAL tagdb.classify(e.embedding, 1) c",
    "status": "SELECT labelled FROM tagdb.status",
    "health": "SELECT due FROM tagdb.health",
}
FOUND = {"labels": 24, "tags": 4, "questions": 23, "classify": 24, "status": 24, "health": 0}


@pytest.fixture
def owned(dba: DbaServer, owner: str, shop: str) -> Database:
    """A filled database of the owner's."""
    return world.filled(dba.url(owner, shop))


@pytest.fixture
def reader(dba: DbaServer, shop: str) -> Iterator[str]:
    """A role that may do nothing yet."""
    with dba.role("reader") as name:
        yield name
        dba.admin(f"DROP OWNED BY {name}", shop)


def _found(dsn: str) -> dict[str, object]:
    return {name: world.rows_of(dsn, "SET search_path = ''", query)[0][0] for name, query in NARROW.items()}


def _as(dsn: str, *arguments: str) -> Result:
    return tagdb(*arguments, TAGDB_DATABASE_URL=dsn)


def test_narrow_reader_sees_labels_neighbours_and_status_but_no_text(
    dba: DbaServer, owned: Database, shop: str, reader: str
) -> None:
    dsn = dba.url(reader, shop)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        world.rows_of(dsn, NARROW["labels"])
    assert "labels, neighbours and status" in done("db", "grant", reader, TAGDB_DATABASE_URL=owned.dsn).stdout
    assert _found(dsn) == FOUND
    assert {text for (text,) in world.rows_of(dsn, "SELECT text FROM tagdb.nearest_questions(1, 9)")} == {None}
    for relation in ("text", "source", "source_tag", "run", "classifier", "failure", "embedder", "source_band"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            world.rows_of(dsn, f"SELECT * FROM tagdb.{relation}")
    for change in ("DELETE FROM tagdb.labels", "UPDATE tagdb.embedder SET active = true", "CREATE TABLE tagdb.x ()"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            world.rows_of(dsn, change)


def test_commands_of_a_narrow_reader_work_or_say_what_to_ask_for(
    dba: DbaServer, owned: Database, shop: str, reader: str
) -> None:
    dsn = dba.url(reader, shop)
    refused = _as(dsn, "status")
    assert refused.exit_code == 3
    assert f"next: tagdb db grant {reader} (as the owner" in refused.stderr
    done("db", "grant", reader, TAGDB_DATABASE_URL=owned.dsn)
    assert _as(dsn, "export", "predictions", "-").stdout.count("\n") == 25
    assert "tagdb_texts_due" in _as(dsn, "status", "--prometheus").stdout
    reading: tuple[tuple[str, ...], ...] = (("status",), ("nearest", "red"), ("nearest", "red", "--questions"))
    for command in reading:
        refused = _as(dsn, *command)
        assert refused.exit_code == 3, refused.output
        assert f"next: tagdb db grant {reader} --wide (as the owner" in refused.stderr
    writing: tuple[tuple[str, ...], ...] = (
        ("sync",),
        ("watch",),
        ("predict",),
        ("models", "delete", "1", "--yes"),
        ("index", "build"),
    )
    for command in writing:
        refused = _as(dsn, *command)
        assert refused.exit_code == 3, refused.output
        assert "only the owner of schema tagdb writes" in refused.stderr or "db grant" in refused.stderr


def test_wide_reader_uses_the_commands_that_read(dba: DbaServer, owned: Database, shop: str, reader: str) -> None:
    dsn = dba.url(reader, shop)
    assert "all of schema tagdb" in done("db", "grant", reader, "--wide", TAGDB_DATABASE_URL=owned.dsn).stdout
    assert _found(dsn) == FOUND
    assert None not in {text for (text,) in world.rows_of(dsn, "SELECT text FROM tagdb.nearest_questions(1, 9)")}
    assert "distinct texts        24" in done("status", TAGDB_DATABASE_URL=dsn).stdout
    assert "blue" in done("nearest", "red", TAGDB_DATABASE_URL=dsn).stdout
    assert "  text 1" in done("nearest", "red", "--questions", TAGDB_DATABASE_URL=dsn).stdout
    assert done("export", "predictions", "-", TAGDB_DATABASE_URL=dsn).stdout.count("\n") == 25
    assert _as(dsn, "sync").exit_code == 3


@pytest.mark.parametrize("wide", [False, True])
def test_grants_outlast_migrations_other_embedders_and_tables_made_later(
    dba: DbaServer, owned: Database, shop: str, reader: str, wide: bool
) -> None:
    done("db", "grant", reader, *["--wide"] * wide, TAGDB_DATABASE_URL=owned.dsn)
    for routine in ("FUNCTION tagdb.nearest_tags", "FUNCTION tagdb.classify", "VIEW tagdb.status"):
        stored.run(owned, f"COMMENT ON {routine} IS NULL")
    assert schema.migrate(owned)
    with owned.session() as session:
        embedder = stored.new_embedder(session, "second", dim=16)
        texts = [str(row.text) for row in session.rows_of("SELECT text FROM tagdb.text", {})]
        stored.embed(session, embedder, dict(zip(texts, stored.clustered(texts, dim=16), strict=True)))
        active = registry.active(session)
        assert active is not None
        tag_vectors.refresh(session, active)
    stored.run(owned, "CREATE TABLE tagdb.later (n integer)")
    dsn = dba.url(reader, shop)
    assert _found(dsn) == FOUND
    if wide:
        assert world.rows_of(dsn, "SELECT count(*) FROM tagdb.later") == [(0,)]
    else:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            world.rows_of(dsn, "SELECT count(*) FROM tagdb.later")


def test_roles_with_odd_names_and_several_at_once(dba: DbaServer, owned: Database, shop: str, reader: str) -> None:
    odd = 'Odd "one"; DROP TABLE x'
    dba.admin("CREATE ROLE " + quote_identifier(odd) + ";\n" + 'CREATE ROLE "user"')
    try:
        done("db", "grant", odd, "user", reader, TAGDB_DATABASE_URL=owned.dsn)
        rights = "SELECT has_table_privilege(rolname, 'tagdb.labels', 'SELECT') FROM pg_roles WHERE rolname = ANY (%s)"
        roles = "'{" + ",".join(f'"{name}"' for name in (reader, "user")) + "}'"
        assert dba.admin(rights.replace("%s", roles), shop) == [(True,), (True,)]
        assert dba.admin(
            "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'Odd%' "
            "AND has_table_privilege(rolname, 'tagdb.labels', 'SELECT')",
            shop,
        ) == [(1,)]
        done("db", "revoke", odd, "user", TAGDB_DATABASE_URL=owned.dsn)
    finally:
        dba.admin("DROP ROLE " + quote_identifier(odd) + ";\n" + 'DROP ROLE "user"')


def test_who_cannot_be_granted_anything_is_refused_and_nobody_else_is_granted(
    dba: DbaServer, owned: Database, shop: str, owner: str, reader: str
) -> None:
    for name, message, next_step in (
        ("nobody_here", "there is no role nobody_here on this server", 'CREATE ROLE "nobody_here" LOGIN'),
        ("Reader", "there is no role Reader on this server; there is reader", "CREATE ROLE"),
        ("public", "PUBLIC is everybody who can connect here", "CREATE ROLE readers"),
        (owner, "acts as the owner of schema tagdb already", ""),
    ):
        refused = _as(owned.dsn, "db", "grant", reader, name)
        assert refused.exit_code == 1
        assert message in refused.stderr
        assert next_step in refused.stderr
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        world.rows_of(dba.url(reader, shop), NARROW["labels"])


def test_reader_cannot_grant(dba: DbaServer, owned: Database, shop: str, reader: str, owner: str) -> None:
    done("db", "grant", reader, "--wide", TAGDB_DATABASE_URL=owned.dsn)
    refused = _as(dba.url(reader, shop), "db", "grant", "pg_monitor")
    assert refused.exit_code == 3
    assert f"belongs to {owner}, who alone can let others read it" in refused.stderr


@pytest.mark.parametrize("wide", [False, True])
def test_revoked_role_reads_nothing_and_can_be_dropped(dba: DbaServer, owned: Database, shop: str, wide: bool) -> None:
    with dba.role("leaver") as leaver:  # whose end drops the role, which rights that are left would prevent
        done("db", "grant", leaver, *["--wide"] * wide, TAGDB_DATABASE_URL=owned.dsn)
        assert _found(dba.url(leaver, shop)) == FOUND
        done("db", "revoke", leaver, TAGDB_DATABASE_URL=owned.dsn)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            world.rows_of(dba.url(leaver, shop), NARROW["labels"])


def test_rights_that_only_others_can_give_are_named(dba: DbaServer, owner: str, reader: str) -> None:
    with dba.database("closed", f"OWNER {owner}") as name:
        dba.admin(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
        dba.admin("CREATE SCHEMA extensions;\nCREATE EXTENSION vector SCHEMA extensions", name)
        dba.admin(f"GRANT USAGE ON SCHEMA extensions TO {owner}", name)
        database = world.migrated(dba.url(owner, name))
        granted = done("db", "grant", reader, TAGDB_DATABASE_URL=database.dsn)
        assert f"GRANT CONNECT ON DATABASE {name} TO {reader}" in granted.stderr
        assert f"GRANT USAGE ON SCHEMA extensions TO {reader}" in granted.stderr
        refused = _as(dba.url(reader, name), "status")
        assert f"GRANT CONNECT ON DATABASE {name} TO" in refused.stderr
