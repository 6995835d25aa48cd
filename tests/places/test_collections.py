"""Collections in a DBA's database: a tenant each, made by roles without special rights, dumped one by one."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.db.rights import quoted
from tagdb.errors import Unavailable
from tagdb.models import Silent
from tagdb.pipeline import importing
from tagdb.pipeline.asking import status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.running import collections
from tagdb.pipeline.sync import Choice, sync
from tests.pipeline import stored
from tests.places import world
from tests.places.dba import DbaServer

NASTY = 'Tickets "2026" – it\'s 100% {a} :b'


def _filled(database: Database, embedder: Path, folder: Path) -> Database:
    schema.migrate(database)
    registry.choose(database, str(embedder))
    file = folder / "questions.csv"
    file.write_text("id,tags,label\n" + "".join(f"{n},t{n} shared,{n % 2}\n" for n in range(1, 7)))
    importing.import_files(database, [str(file)], Silent())
    sync(database, Choice(), Silent())
    return database


def test_tenant_has_a_collection_and_no_right_to_another(
    dba: DbaServer, owner: str, shop: str, tiny_embedder: Path, tmp_path: Path
) -> None:
    with dba.role("tenant_7") as seven, dba.role("tenant_8") as eight:
        made = {}
        for tenant in (seven, eight):
            theirs = Database(dba.url(tenant, shop), origin="test", schema=f"of {tenant}")
            with pytest.raises(Unavailable) as refused:
                schema.migrate(theirs)
            assert f'CREATE SCHEMA "of {tenant}" AUTHORIZATION {tenant}' in str(refused.value.hint)
            dba.admin(f'CREATE SCHEMA "of {tenant}" AUTHORIZATION {tenant}', shop)
            made[tenant] = _filled(theirs, tiny_embedder, tmp_path)
            assert status.status(theirs).current
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            world.rows_of(dba.url(seven, shop), 'SELECT count(*) FROM "of tenant_8".questions')
        trespasser = Database(dba.url(seven, shop), origin="test", schema="of tenant_8")
        for attempt in (status.status, schema.migrate):
            with pytest.raises(Unavailable) as refused:
                attempt(trespasser)
        first, second = collections.listed(made[seven])
        assert (first.name, first.questions, first.owner) == ("of tenant_7", 6, "tenant_7")
        assert (second.name, second.questions, second.owner) == ("of tenant_8", None, "tenant_8")
        assert second.unread
        assert second.bytes > 0
        dba.admin("DROP OWNED BY tenant_7, tenant_8", shop)
        assert owner


@pytest.mark.parametrize("name", ["articles", NASTY])
def test_dump_of_one_collection_is_whole_elsewhere(
    dba: DbaServer, owner: str, shop: str, tiny_embedder: Path, tmp_path: Path, name: str
) -> None:
    collection = _filled(Database(dba.url(owner, shop), origin="test", schema=name), tiny_embedder, tmp_path)
    world.filled(dba.url(owner, shop))
    dump = str(tmp_path / "dump.sql")
    pattern = '"' + name.replace('"', '""') + '"'
    dba.run("pg_dump", "-d", collection.dsn, "-n", pattern, "-f", dump)
    with dba.database("archive", f"OWNER {owner}"):
        dba.admin("CREATE EXTENSION vector", "archive")
        dba.run("psql", "-d", dba.url(owner, "archive"), "-f", dump)
        restored = Database(dba.url(owner, "archive"), origin="test", schema=name)
        assert [each.name for each in collections.listed(restored)] == [name]
        assert schema.migrate(restored) is False
        again = sync(restored, Choice(), Silent())
        assert (again.changes.total, again.embedded.texts, again.tags) == (0, 0, 0)
        assert status.status(restored).current
        assert stored.column(restored, f"SELECT count(*) FROM {quoted(name)}.nearest_tags('shared', 3)") == [3]


def test_owner_of_the_database_is_not_made_to_own_what_is_somebody_elses(dba: DbaServer, owner: str, shop: str) -> None:
    with dba.role("another") as another:
        dba.admin(f"CREATE SCHEMA theirs AUTHORIZATION {another}; CREATE TABLE theirs.orders (id int)", shop)
        theirs = Database(dba.url(owner, shop), origin="test", schema="theirs")
        with pytest.raises(Unavailable, match="what it holds is not tagdb's"):
            schema.migrate(theirs)
        dba.admin("DROP SCHEMA theirs CASCADE", shop)
