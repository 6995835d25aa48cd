"""An ordinary role on somebody else's server: a password over TCP, an extension that the DBA made."""

from __future__ import annotations

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tests.places.dba import DbaServer


def test_owner_without_superuser_makes_the_schema(dba: DbaServer, owner: str, shop: str) -> None:
    database = Database(dba.url(owner, shop), origin="test")
    assert schema.migrate(database)
    assert not schema.migrate(database)
    with database.session() as session:
        assert session.scalar("schema.revision") == schema.head()


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout", "idle_session_timeout"])
def test_small_timeouts_of_a_role_are_not_those_of_tagdb(dba: DbaServer, owner: str, shop: str, setting: str) -> None:
    dba.admin(f"ALTER ROLE {owner} SET {setting} = '50ms'")
    with Database(dba.url(owner, shop), origin="test").session() as session:
        session.rows_of("SELECT pg_sleep(0.3)", {})
        assert session.rows_of(f"SHOW {setting}", {})[0][0] == "0"


def test_timeouts_that_the_user_gives_to_tagdb_hold(dba: DbaServer, owner: str, shop: str) -> None:
    given = Database(dba.url(owner, shop, options="-c statement_timeout=7s"), origin="test")
    with given.session() as session:
        assert session.rows_of("SHOW statement_timeout", {})[0][0] == "7s"


def test_server_looks_for_a_client_that_vanished_as_often_as_its_dba_says_or_soon(
    dba: DbaServer, owner: str, shop: str
) -> None:
    def every() -> list[str]:
        with Database(dba.url(owner, shop), origin="test").session() as session:
            names = [f"tcp_keepalives_{name}" for name in ("idle", "interval", "count")]
            return [session.rows_of(f"SHOW {name}", {})[0][0] for name in names]

    assert every() == ["30", "10", "3"]
    dba.admin(f"ALTER ROLE {owner} SET tcp_keepalives_idle = 7")
    assert every() == ["7", "10", "3"]


def test_extension_is_found_where_the_dba_put_it(dba: DbaServer, owner: str) -> None:
    with dba.database("elsewhere", f"OWNER {owner}") as name:
        dba.admin("CREATE SCHEMA extensions;\nCREATE EXTENSION vector SCHEMA extensions", name)
        dba.admin("GRANT USAGE ON SCHEMA extensions TO PUBLIC", name)
        database = Database(dba.url(owner, name), origin="test")
        assert schema.migrate(database)
        with database.session() as session:
            assert session.scalar("source.user_schema") == "public"
