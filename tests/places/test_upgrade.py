"""Databases of every schema there was, brought up to date by an ordinary owner on somebody else's server."""

from __future__ import annotations

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.errors import SchemaMismatch
from tests.cli.running import done, objects
from tests.db import test_upgrade as earlier
from tests.pipeline import stored
from tests.places import world
from tests.places.dba import DbaServer

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
OLD_COMMENT = "tagdb routines 0123456789abcdef"
# As earlier versions made it: with settings of the scan in the definition.
OLD_ROUTINE = """
SELECT CAST('[1]' AS vector);
CREATE FUNCTION tagdb.nearest_tags(tag text, k integer DEFAULT 10)
RETURNS TABLE (nearest text, questions bigint, distance double precision)
LANGUAGE plpgsql STABLE SET hnsw.ef_search = 100 AS 'BEGIN END';
GRANT EXECUTE ON FUNCTION tagdb.nearest_tags TO pg_monitor
"""
MORE = {
    "0003": "UPDATE tagdb.tag_vector SET steps = 3",
    "0004": "INSERT INTO tagdb.source_band (band, fingerprint) VALUES (1, 2)",
}
LABELLED = """
INSERT INTO tagdb.labels (question_id, label, probability, classifier_id, text_id)
    SELECT question_id, 'a', 0.5, 1, text_id FROM tagdb.question;
UPDATE tagdb.classifier SET active = id = 1;
INSERT INTO tagdb.run (command, args, status) VALUES ('sync', '{}', 'done')
"""
KEPT = (
    "SELECT question_id, label, probability, classifier_id, text_id FROM tagdb.labels ORDER BY 1",
    "SELECT id, name, active, classes FROM tagdb.classifier ORDER BY 1",
    "SELECT id, name, active, chosen FROM tagdb.embedder ORDER BY 1",
    "SELECT id, text, hash FROM tagdb.text ORDER BY 1",
    "SELECT id, command, status FROM tagdb.run ORDER BY 1",
)


def _kept(database: Database) -> list[list[tuple[object, ...]]]:
    return [*earlier.content(database), *([tuple(row) for row in stored.rows(database, query)] for query in KEPT)]


def _comment(database: Database) -> object:
    return stored.column(database, "SELECT obj_description('tagdb'::regnamespace)")[0]


@pytest.mark.parametrize("comment", [OLD_COMMENT, "ask Ann"])
@pytest.mark.parametrize("revision", REVISIONS)
def test_vectors_labels_and_models_of_every_revision_open(
    dba: DbaServer, owner: str, shop: str, revision: str, comment: str
) -> None:
    database = Database(dba.url(owner, shop), origin="test")
    earlier.old(database, (6, 2))
    stored.run(database, LABELLED, OLD_ROUTINE, f"COMMENT ON SCHEMA tagdb IS '{comment}'")
    for each in REVISIONS[1 : REVISIONS.index(revision) + 1]:
        earlier.alembic_command(database, "upgrade", each)
        stored.run(database, MORE.get(each, "SELECT"))
    before = _kept(database)
    with database.session() as session, pytest.raises(SchemaMismatch, match=f"here is {revision}"):
        schema.require_current(session)
    assert schema.migrate(database) is True
    assert schema.migrate(database) is False
    assert _kept(database) == before
    assert _comment(database) == (None if comment == OLD_COMMENT else comment)
    assert world.rows_of(database.dsn, "SELECT count(*) FROM tagdb.nearest_tags('tag1', 9)") == [(5,)]
    rights = "SELECT has_function_privilege('pg_monitor', 'tagdb.nearest_tags(text, integer)', 'EXECUTE')"
    assert world.rows_of(database.dsn, rights) == [(True,)]
    settings = "SELECT proconfig FROM pg_proc WHERE proname = 'nearest_tags'"
    assert world.rows_of(database.dsn, settings) == [(None,)]
    (picture,) = objects(done("status", "--json", TAGDB_DATABASE_URL=database.dsn).stdout)
    assert (picture["texts"], picture["embedded"], picture["labelled"]) == (6, 2, 6)
    assert "tag2" in done("nearest", "tag1", TAGDB_DATABASE_URL=database.dsn).stdout
    assert done("export", "predictions", "-", TAGDB_DATABASE_URL=database.dsn).stdout.count("\n") == 7
