"""Capture is switched on for what can be captured, as often as is asked, and leaves nothing when it is switched off."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import InputRefused, QueryRefused, TagdbError
from tagdb.models import Silent
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.running import capturing
from tagdb.pipeline.sync import Choice
from tests.pipeline.capturing import assert_as_if_compared, capture_on, captured
from tests.pipeline.world import World, load_once

HELPDESK = """
CREATE SCHEMA "Help desk";
CREATE TABLE "Help desk"."my=tickets" ("ticket no" integer PRIMARY KEY, subject text, area integer, tg_op text);
CREATE TABLE "Help desk".areas (id integer PRIMARY KEY, name text);
INSERT INTO "Help desk".areas VALUES (1, 'mail'), (2, 'printers');
INSERT INTO "Help desk"."my=tickets" VALUES (1, 'lost', 1, 'x'), (2, 'found', 2, 'y');
"""
TICKETS = Choice(
    sql="SELECT \"ticket no\" AS question_id, concat_ws(' ', subject, a.name, tg_op) AS text "
    'FROM "Help desk"."my=tickets" t JOIN "Help desk".areas a ON a.id = t.area'
)
TABLES: Mapping[str, str] = {'"Help desk"."my=tickets"': '"ticket no"', '"Help desk".areas': "*"}


@pytest.fixture
def helpdesk(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two tickets in tables whose names need quotes, with columns named like what triggers know."""
    monkeypatch.setattr(registry, "load", load_once)
    world = World(database, tiny_embedder, tables=HELPDESK)
    world.sync(TICKETS)
    return world


def _traces(world: World) -> list[tuple[object, ...]]:
    return world.rows(
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal UNION ALL "
        "SELECT proname FROM pg_proc WHERE proname LIKE 'capture%' UNION ALL "
        "SELECT CAST(n AS text) FROM (SELECT count(*) FROM tagdb.capture UNION ALL SELECT count(*) FROM "
        "tagdb.capture_table UNION ALL SELECT count(*) FROM tagdb.captured UNION ALL SELECT count(*) FROM "
        "tagdb.unfinished UNION ALL SELECT count(*) FROM tagdb.tagged) c (n) WHERE n > 0"
    )


def test_odd_names_and_tables_that_any_question_may_be_about(helpdesk: World) -> None:
    done = capture_on(helpdesk, TABLES)
    assert {table.name: table.ids for table in done.capture.tables} == {
        '"Help desk"."my=tickets"': '"ticket no"',
        '"Help desk".areas': None,
    }
    helpdesk.sync()
    helpdesk.run('UPDATE "Help desk"."my=tickets" SET subject = \'other\' WHERE "ticket no" = 2')
    assert captured(helpdesk) == ["2"]
    helpdesk.sync()
    helpdesk.run("UPDATE \"Help desk\".areas SET name = 'post' WHERE id = 1")
    helpdesk.run('DELETE FROM "Help desk".areas WHERE false')
    assert captured(helpdesk) == [None]
    assert capturing.status(helpdesk.database).everything
    helpdesk.sync()
    assert helpdesk.texts() == {1: "lost post x", 2: "other printers y"}
    assert_as_if_compared(helpdesk)


def test_second_time_nothing_is_done_and_the_third_mends(helpdesk: World) -> None:
    assert capture_on(helpdesk, TABLES).changed
    assert not capture_on(helpdesk).changed
    helpdesk.sync()
    helpdesk.run('DROP TRIGGER tagdb_capture_delete ON "Help desk".areas')
    assert 'triggers of "Help desk".areas are missing' in str(capturing.status(helpdesk.database).doubt)
    assert capture_on(helpdesk).changed
    assert not capture_on(helpdesk).changed
    helpdesk.sync()
    assert capturing.status(helpdesk.database).doubt is None


def test_off_leaves_nothing(helpdesk: World) -> None:
    before = _traces(helpdesk)
    capture_on(helpdesk, TABLES)
    helpdesk.sync()
    helpdesk.run('UPDATE "Help desk"."my=tickets" SET subject = \'other\'')
    assert len(_traces(helpdesk)) > len(before) + 8
    assert capturing.switch_off(helpdesk.database).changed
    assert _traces(helpdesk) == before == []
    assert not capturing.switch_off(helpdesk.database).changed
    assert helpdesk.sync().changes.changed == 2


def test_table_that_is_no_longer_read_is_let_go(helpdesk: World) -> None:
    capture_on(helpdesk, TABLES)
    helpdesk.sync(Choice(sql='SELECT "ticket no" AS question_id, subject AS text FROM "Help desk"."my=tickets"'))
    assert capture_on(helpdesk).changed
    assert len(_traces(helpdesk)) == 4 + 1 + 2
    helpdesk.sync()
    assert_as_if_compared(helpdesk)


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ({}, "which question a row of .* is about has to be said"),
        ({**TABLES, "nowhere": "id"}, "does not read the table nowhere"),
        ({**TABLES, "a'b\"": "id"}, "does not read the table a'b\""),
        ({'"Help desk".areas': "*", '"Help desk"."my=tickets"': "nr"}, 'column "nr" does not exist; .* has ticket no'),
        ({'"Help desk".areas': "*", '"Help desk"."my=tickets"': "subject"}, "gives a text, the ids .* are integer"),
        ({'"Help desk".areas': "*", '"Help desk"."my=tickets"': "subject::json"}, "of type json; a key is"),
        ({'"Help desk".areas': "*", '"Help desk"."my=tickets"': "(random() * 9)::int"}, "not decided by a row alone"),
        ({'"Help desk".areas': "*", '"Help desk"."my=tickets"': "(SELECT 1)"}, "not decided by a row alone"),
        ({'"Help desk".areas': "*", '"Help desk"."my=tickets"': "1); DROP TABLE x; SELECT (1"}, "cannot be run"),
        (
            {'"Help desk".areas': "*", '"Help desk"."my=tickets"': "mine(area)"},
            "calls mine\\(\\), whose body",
        ),
    ],
)
def test_what_gives_no_ids_is_refused(helpdesk: World, tables: Mapping[str, str], why: str) -> None:
    helpdesk.run("CREATE FUNCTION mine(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1'")
    before = _traces(helpdesk)
    with pytest.raises(TagdbError, match=why) as refused:
        capture_on(helpdesk, tables)
    assert isinstance(refused.value, InputRefused | QueryRefused)
    assert refused.value.hint
    assert _traces(helpdesk) == before


@pytest.mark.parametrize(
    ("made", "reads", "why"),
    [
        ("CREATE VIEW v AS SELECT 1 AS id, 'a' AS t", "v", "public.v is a view"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1 AS id, 'a' AS t", "v", "public.v is a materialized view"),
        ("CREATE UNLOGGED TABLE v (id int, t text)", "v", "public.v is unlogged"),
        ("CREATE TABLE v (id int, t text, at timestamptz)", "v WHERE at < now()", "more than the rows .* now\\(\\)"),
        ("CREATE TABLE v (id int, t text, at date)", "v WHERE at < current_date", "more than the rows .* the time"),
        ("CREATE TABLE v (id int, t text)", "v ORDER BY id LIMIT 5", "more than the rows .* LIMIT"),
        (
            "CREATE TABLE v (id int, t text)",
            "(SELECT id, t, row_number() OVER () AS n FROM v) w WHERE n < 9",
            "a window function",
        ),
        (
            "CREATE TABLE v (id int, t text); CREATE FUNCTION mine() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'",
            "v WHERE id = mine()",
            "more than the rows .* mine\\(\\)",
        ),
    ],
)
def test_source_that_triggers_cannot_follow_is_refused(
    database: Database, tiny_embedder: Path, made: str, reads: str, why: str
) -> None:
    world = World(database, tiny_embedder, tables=made)
    world.sync(Choice(sql=f"SELECT id AS question_id, t AS text FROM {reads}"), limit=1)
    with pytest.raises(InputRefused, match=why):
        capture_on(world, {"v": "id"})


def test_nothing_to_capture_before_a_first_sync(database: Database) -> None:
    with pytest.raises(InputRefused, match="nothing is embedded yet") as refused:
        capturing.switch_on(database, {}, Silent())
    assert str(refused.value.hint).startswith("tagdb sync")


def test_statement_of_too_many_questions_is_of_any(helpdesk: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagdb.db.capture.MOST", 3)
    capture_on(helpdesk, TABLES)
    helpdesk.sync()
    made = 'INSERT INTO "Help desk"."my=tickets" SELECT n, \'made\', 1 FROM generate_series'
    helpdesk.run(f"{made}(11, 13) n")
    assert captured(helpdesk) == ["11", "12", "13"]
    helpdesk.run(f"{made}(21, 24) n")
    assert captured(helpdesk) == ["11", "12", "13", None]
    helpdesk.sync()
    helpdesk.run('UPDATE "Help desk"."my=tickets" SET subject = subject || \'!\' WHERE "ticket no" < 13')
    assert captured(helpdesk) == [None]
    helpdesk.sync()
    helpdesk.run('DELETE FROM "Help desk"."my=tickets"')
    assert captured(helpdesk) == [None]
