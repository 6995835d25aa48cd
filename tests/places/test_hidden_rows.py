"""Row-level security over the tables of somebody else: what tagdb may not see it does not take for deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.errors import CheckFailed, Unavailable
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.sync import Choice
from tests.pipeline.world import World, load_once
from tests.places.dba import DbaServer

TICKETS = """
CREATE TABLE ticket (id bigint PRIMARY KEY, tenant text, subject text);
INSERT INTO ticket SELECT n, 'tenant' || n % 5, 'subject' FROM generate_series(1, 1500) n;
GRANT SELECT ON ticket TO {owner}
"""
HIDE = """
ALTER TABLE ticket ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON ticket USING (tenant = 'tenant1')
"""


@pytest.fixture
def world(dba: DbaServer, owner: str, shop: str, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """1,500 tickets of the DBA's, synced by a role that owns the database but not the table."""
    monkeypatch.setattr(registry, "load", load_once)
    database = Database(dba.url(owner, shop), origin="test")
    schema.migrate(database)
    dba.admin(TICKETS.format(owner=owner), shop)
    made = World(database, tiny_embedder, tables="SELECT 1")
    made.sync(Choice(sql="SELECT id, subject AS text FROM ticket"))
    assert len(made.texts()) == 1500
    return made


def test_policy_is_told_of_and_nothing_is_deleted(dba: DbaServer, owner: str, shop: str, world: World) -> None:
    dba.admin(HIDE, shop)
    with pytest.raises(Unavailable, match=r"rows are hidden from this role.*ticket") as refused:
        world.sync()
    assert "ALTER ROLE … BYPASSRLS" in (refused.value.hint or "")
    assert len(world.texts()) == 1500
    dba.admin(f"ALTER ROLE {owner} BYPASSRLS")
    assert world.sync().changes.total == 0


def test_owner_of_the_table_is_not_kept_from_its_rows(dba: DbaServer, owner: str, shop: str, world: World) -> None:
    dba.admin(f"{HIDE};\nALTER TABLE ticket OWNER TO {owner}", shop)
    assert world.sync().changes.total == 0


def test_rows_hidden_by_a_view_are_many_gone(dba: DbaServer, shop: str, world: World) -> None:
    dba.admin(
        "ALTER TABLE ticket RENAME TO all_tickets;\n"
        "CREATE VIEW ticket AS SELECT * FROM all_tickets WHERE tenant = 'tenant1'",
        shop,
    )
    dba.admin("GRANT SELECT ON ticket TO PUBLIC", shop)
    with pytest.raises(CheckFailed, match="1,200 of 1,500 questions are gone"):
        world.sync()
    assert len(world.texts()) == 1500
