"""The views step aside for an ALTER TABLE of the user's, and come back as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg2
import psycopg2.extensions
import pytest

from tagdb.db import grants
from tagdb.db.connection import Database
from tagdb.errors import ConnectionFailed, InputRefused, QueryRefused, TagdbError, Unavailable
from tagdb.models import Silent
from tagdb.pipeline.asking import nearest, status
from tagdb.pipeline.running import lifting
from tagdb.pipeline.sync import Choice
from tests.pipeline import stored
from tests.pipeline.world import World

OWN = Choice(
    sql='SELECT "Nr" AS question_id, subject AS text FROM "Help desk"."Ticket"',
    tags_sql="SELECT s.question_id, t.topic AS tag FROM tagdb.source s JOIN topic t ON t.ticket = s.question_id",
)
TABLES = """
CREATE SCHEMA "Help desk";
CREATE TABLE "Help desk"."Ticket" ("Nr" integer PRIMARY KEY, subject varchar(40));
CREATE TABLE topic (ticket integer, topic text);
INSERT INTO "Help desk"."Ticket" SELECT i, 'subject ' || i FROM generate_series(1, 6) i;
INSERT INTO topic SELECT i, 'topic' || i % 2 FROM generate_series(1, 6) i;
"""
FACTS = """
SELECT c.relname, pg_get_viewdef(c.oid) AS definition, pg_get_userbyid(c.relowner) AS owner, c.reloptions AS options,
    CAST(c.relacl AS text) AS acl, obj_description(c.oid) AS comment,
    (SELECT string_agg(concat(attname, attacl, col_description(attrelid, attnum)), ' ' ORDER BY attnum)
     FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) AS columns
FROM pg_class c WHERE c.oid IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag')) ORDER BY 1
"""


@pytest.fixture
def helpdesk(database: Database, tiny_embedder: Path) -> World:
    """Six tickets of the user's own, synced."""
    world = World(database, tiny_embedder, tables=TABLES)
    world.sync(OWN)
    return world


def _facts(database: Database) -> list[tuple[object, ...]]:
    return [tuple(row) for row in stored.rows(database, FACTS)]


def test_column_that_the_view_reads_can_be_altered_and_all_is_as_before(
    helpdesk: World, execute: Callable[[str], None]
) -> None:
    database = helpdesk.database
    execute('CREATE ROLE "Old reader"; CREATE ROLE lifting_writer')
    helpdesk.run(
        """
        GRANT SELECT ON tagdb.source TO "Old reader" WITH GRANT OPTION; GRANT SELECT ON tagdb.source_tag TO PUBLIC;
        GRANT SELECT (text), UPDATE (text) ON tagdb.source TO lifting_writer;
        COMMENT ON COLUMN tagdb.source.text IS 'it''s the subject'; COMMENT ON VIEW tagdb.source_tag IS E'a \\\\ b';
        ALTER VIEW tagdb.source SET (security_barrier = true);
        """
    )
    before, versions = _facts(database), helpdesk.versions()
    alter = 'ALTER TABLE "Help desk"."Ticket" ALTER subject TYPE varchar(400)'
    with pytest.raises(TagdbError, match="cannot alter type of a column used by a view"):
        helpdesk.run(alter)
    assert lifting.drop(database) == ["source", "source_tag"]
    helpdesk.run(alter)
    helpdesk.run("ALTER DEFAULT PRIVILEGES IN SCHEMA tagdb GRANT INSERT, SELECT ON TABLES TO lifting_writer")
    assert lifting.restore(database, Silent()) == ["source", "source_tag"]
    assert _facts(database) == before
    helpdesk.sync()
    assert helpdesk.versions() == versions
    assert status.status(database).current
    helpdesk.run('DROP OWNED BY "Old reader", lifting_writer')
    execute('DROP ROLE "Old reader", lifting_writer')


def test_meanwhile_everything_waits_and_says_why(helpdesk: World) -> None:
    versions = helpdesk.versions()
    lifting.drop(helpdesk.database)
    for use in (
        helpdesk.sync,
        helpdesk.plan,
        lambda: status.status(helpdesk.database),
        lambda: nearest.nearest_questions(helpdesk.database, "topic1", 3, Silent(), where="true"),
    ):
        with pytest.raises(Unavailable, match="the views over your tables are lifted") as refused:
            use()
        assert refused.value.hint == "tagdb db views restore"
    assert helpdesk.versions() == versions
    assert nearest.nearest_tags(helpdesk.database, "topic1", 1, Silent()).found


def test_both_can_be_repeated(helpdesk: World) -> None:
    before = _facts(helpdesk.database)
    assert lifting.restore(helpdesk.database, Silent()) == []
    lifting.drop(helpdesk.database)
    assert lifting.drop(helpdesk.database) == []
    lifting.restore(helpdesk.database, Silent())
    assert lifting.restore(helpdesk.database, Silent()) == []
    assert _facts(helpdesk.database) == before
    assert helpdesk.scalar("SELECT count(*) FROM tagdb.lifted_view") == 0


@pytest.mark.parametrize("dies", ["drop", "restore"])
def test_a_killed_one_has_done_nothing(helpdesk: World, dies: str) -> None:
    database = helpdesk.database
    facts = _facts(database)
    helpdesk.run(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
    )
    if dies == "restore":
        lifting.drop(database)
    before = _facts(database), helpdesk.rows("SELECT * FROM tagdb.lifted_view")
    helpdesk.run("CREATE TRIGGER die AFTER INSERT OR DELETE ON tagdb.lifted_view EXECUTE FUNCTION die()")
    with pytest.raises(ConnectionFailed):
        lifting.drop(database) if dies == "drop" else lifting.restore(database, Silent())
    helpdesk.run("DROP TRIGGER die ON tagdb.lifted_view")
    assert (_facts(database), helpdesk.rows("SELECT * FROM tagdb.lifted_view")) == before
    lifting.drop(database)
    lifting.restore(database, Silent())
    assert _facts(database) == facts


def test_views_of_the_users_own_are_named_and_nothing_is_dropped(helpdesk: World) -> None:
    helpdesk.run(
        'CREATE VIEW "My view" AS SELECT count(*) FROM tagdb.source;'
        "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM tagdb.source_tag;"
        "CREATE FUNCTION shown(tagdb.source) RETURNS text LANGUAGE sql AS 'SELECT 1::text'"
    )
    before = _facts(helpdesk.database)
    with pytest.raises(InputRefused) as refused:
        lifting.drop(helpdesk.database)
    for name in ('view public."My view"', "materialized view public.counted", "function public.shown(tagdb.source)"):
        assert name in str(refused.value)
    assert _facts(helpdesk.database) == before
    assert helpdesk.scalar("SELECT count(*) FROM tagdb.lifted_view") == 0


def test_nothing_to_lift_says_so(database: Database) -> None:
    with pytest.raises(InputRefused, match="there is no view over your tables to lift"):
        lifting.drop(database)


def test_renamed_column_is_told_with_the_definition_and_what_to_type(helpdesk: World) -> None:
    lifting.drop(helpdesk.database)
    helpdesk.run('ALTER TABLE "Help desk"."Ticket" RENAME subject TO title')
    with pytest.raises(
        QueryRefused, match=r'cannot be put back: .*column .*subject.* it was: SELECT .*"Help desk"'
    ) as refused:
        lifting.restore(helpdesk.database, Silent())
    assert "tagdb sync --source-sql" in (refused.value.hint or "")
    assert _facts(helpdesk.database) == []
    with pytest.raises(Unavailable):
        helpdesk.sync()


def test_new_source_ends_it_and_leaves_the_tags_and_the_rights(helpdesk: World, execute: Callable[[str], None]) -> None:
    execute("CREATE ROLE lifting_reader")
    helpdesk.run("GRANT SELECT ON tagdb.source TO lifting_reader")
    tags = [fact for fact in _facts(helpdesk.database) if fact[0] == "source_tag"]
    lifting.drop(helpdesk.database)
    helpdesk.run('ALTER TABLE "Help desk"."Ticket" RENAME subject TO title')
    anew = Choice(sql='SELECT "Nr" AS question_id, title AS text FROM "Help desk"."Ticket"')
    assert helpdesk.plan(anew).changes.total == 0
    assert helpdesk.scalar("SELECT count(*) FROM tagdb.lifted_view") == 2
    helpdesk.sync(anew)
    assert [fact for fact in _facts(helpdesk.database) if fact[0] == "source_tag"] == tags
    assert helpdesk.scalar("SELECT has_table_privilege('lifting_reader', 'tagdb.source', 'SELECT')")
    assert helpdesk.scalar("SELECT count(*) FROM tagdb.lifted_view") == 0
    assert set(helpdesk.tag_vectors()) == {"topic0", "topic1"}
    helpdesk.run("DROP OWNED BY lifting_reader")
    execute("DROP ROLE lifting_reader")


def test_preset_in_place_of_lifted_views_leaves_the_tags(database: Database, tiny_embedder: Path) -> None:
    world = World(
        database, tiny_embedder, tables=TABLES + "CREATE TABLE questions (id bigint PRIMARY KEY, title text);"
    )
    world.run("INSERT INTO questions VALUES (1, 'one'), (2, 'two')")
    world.sync(Choice("title"))
    lifting.drop(database)
    world.sync(Choice("title"))
    world.run("CREATE TABLE tags (question_id bigint, position smallint, tag text)")
    world.run("INSERT INTO tags VALUES (1, 0, 'asked')")
    world.sync()
    assert set(world.tag_vectors()) == {"asked"}, "no stand-in is left for good"
    world.sync(Choice(tags_sql="SELECT ticket AS question_id, topic AS tag FROM topic"))
    lifting.drop(database)
    world.sync(Choice("title+tags"))
    assert set(world.tag_vectors()) == {"topic0", "topic1"}


@pytest.mark.parametrize("preset", [None, "title"])
def test_tags_that_no_longer_fit_are_asked_for(helpdesk: World, preset: str | None) -> None:
    helpdesk.run("CREATE TABLE questions (id bigint PRIMARY KEY, title text); INSERT INTO questions VALUES (1, 'one')")
    lifting.drop(helpdesk.database)
    helpdesk.run("ALTER TABLE topic RENAME topic TO name")
    anew = Choice(preset, sql=None if preset else OWN.sql)
    before = helpdesk.versions()
    with pytest.raises((QueryRefused, InputRefused)) as refused:
        helpdesk.sync(anew)
    assert "--source-tags-sql" in (refused.value.hint or "")
    assert helpdesk.versions() == before
    tags = "SELECT ticket AS question_id, name AS tag FROM topic"
    helpdesk.sync(Choice(anew.preset, anew.sql, tags))
    assert set(helpdesk.tag_vectors()) >= {"topic1"}


def test_rights_given_and_taken_meanwhile_hold(helpdesk: World, execute: Callable[[str], None]) -> None:
    database = helpdesk.database
    for role in ("lifting_old", '"Lifting new"'):
        execute(f"CREATE ROLE {role}")
    with database.session() as session:
        grants.grant(session, ["lifting_old"], wide=True)
        lifting.drop(database)
        grants.revoke(session, ["lifting_old"])
        for _ in range(2):
            grants.grant(session, ["Lifting new"], wide=True)
        lifting.restore(database, Silent())
        for view in ("source", "source_tag"):
            readers = f"SELECT rolname FROM pg_roles WHERE has_table_privilege(oid, 'tagdb.{view}', 'SELECT')"
            named = helpdesk.rows(f"{readers} AND rolname ILIKE 'lifting%'")
            assert named == [("Lifting new",)]
        grants.revoke(session, ["Lifting new"])
    for role in ("lifting_old", '"Lifting new"'):
        execute(f"DROP ROLE {role}")


def test_role_that_is_gone_is_told(helpdesk: World, execute: Callable[[str], None]) -> None:
    execute("CREATE ROLE lifting_gone")
    helpdesk.run("GRANT SELECT ON tagdb.source TO lifting_gone")
    lifting.drop(helpdesk.database)
    execute("DROP ROLE lifting_gone")
    told: list[str] = []

    class Warned(Silent):
        def warn(self, message: str) -> None:
            told.append(message)

    lifting.restore(helpdesk.database, Warned())
    assert told == [
        "the role lifting_gone is gone, which tagdb.source named: GRANT SELECT ON tagdb.source TO lifting_gone"
    ]


def test_a_plain_owner_can_do_it_under_any_search_path(
    empty_database: Database, tiny_embedder: Path, execute: Callable[[str], None]
) -> None:
    from tagdb.db import schema

    name = psycopg2.extensions.parse_dsn(empty_database.dsn)["dbname"]
    execute(f"CREATE ROLE lifting_owner LOGIN; GRANT CREATE ON DATABASE {name} TO lifting_owner")
    stored.run(empty_database, "CREATE EXTENSION vector; GRANT CREATE ON SCHEMA public TO lifting_owner")
    owner = Database(empty_database.dsn.replace("postgres@", "lifting_owner@"), origin="test")
    schema.migrate(owner)
    world = World(owner, tiny_embedder)
    world.put({1: "a b", 2: "b"})
    world.sync()
    before = _facts(owner)
    for database in (owner, empty_database):
        lifting.drop(database)
        lifting.restore(database, Silent())
        assert _facts(owner) == before
    superuser = Database(f"{empty_database.dsn}&options=-crole%3Dpostgres", origin="test")
    stored.run(superuser, "ALTER VIEW tagdb.source OWNER TO postgres")
    with pytest.raises(
        Unavailable, match="belongs to postgres, to whom lifting_owner could not give it back"
    ) as refused:
        lifting.drop(owner)
    stored.run(superuser, (refused.value.hint or "").partition("run: ")[2])
    lifting.drop(owner)
    elsewhere = Database(f"{owner.dsn}&options=-csearch_path%3Dtagdb,public,nowhere", origin="test")
    lifting.restore(elsewhere, Silent())
    assert _facts(owner) == before
    stored.run(superuser, "REASSIGN OWNED BY lifting_owner TO postgres; DROP OWNED BY lifting_owner")
    execute("DROP ROLE lifting_owner")


def test_what_somebody_wrote_into_the_table_is_no_statement(helpdesk: World) -> None:
    lifting.drop(helpdesk.database)
    helpdesk.run("UPDATE tagdb.lifted_view SET definition = 'SELECT 1; DROP TABLE topic' WHERE name = 'source'")
    with pytest.raises(QueryRefused):
        lifting.restore(helpdesk.database, Silent())
    assert helpdesk.scalar("SELECT count(*) FROM topic") == 6
