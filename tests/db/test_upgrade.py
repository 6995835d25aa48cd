"""Databases of earlier schemas: brought up to date with everything in them, and back where that is possible."""

from __future__ import annotations

from collections.abc import Sequence

import alembic.command
import alembic.config
import pytest

from tagdb.db import resources, schema, source
from tagdb.db.connection import Database
from tagdb.errors import DatabaseError, SchemaMismatch
from tagdb.models import Silent
from tests.pipeline import stored

VECTOR = "(SELECT array_agg(sin(t.id * 10 + e.id + n)) FROM generate_series(1, 1024) n)::vector"
# As of revision 0001: texts, an index, a classifier, and what the routines of that time were.
CONTENT = f"""
INSERT INTO tagdb.text (hash, text) SELECT sha256(convert_to('text ' || n, 'UTF8')), 'text ' || n
    FROM generate_series(1, 6) n;
INSERT INTO tagdb.question (question_id, text_id) SELECT 100 + id, id FROM tagdb.text;
INSERT INTO tagdb.text_vector (text_id, embedder_id, tokens, truncated, embedding)
    SELECT t.id, e.id, 2, t.id = 3, {VECTOR} FROM tagdb.text t, tagdb.embedder e WHERE t.id <= length(e.kind);
INSERT INTO tagdb.tag_vector SELECT e.id, 'tag' || t.id, 1, t.id, {VECTOR}
    FROM tagdb.text t, tagdb.embedder e WHERE t.id <= length(e.kind);
INSERT INTO tagdb.classifier (name, embedder_id, kind, classes, query, metrics, settings, versions)
    SELECT 'classifier-' || id, id, '', '{{a,b}}', '', '{{}}', '{{}}', '{{}}' FROM tagdb.embedder;
INSERT INTO tagdb.classifier_weight SELECT c.id, chr(96 + t.id), t.id, {VECTOR}, t.id
    FROM tagdb.classifier c JOIN tagdb.embedder e ON e.id = c.embedder_id, generate_series(1, 2) AS t (id);
CREATE INDEX text_vector_hnsw ON tagdb.text_vector USING hnsw ((embedding::halfvec(1024)) halfvec_cosine_ops);
CREATE VIEW tagdb.embedding AS SELECT q.question_id, v.embedding FROM tagdb.question q
    JOIN tagdb.text_vector v USING (text_id) JOIN tagdb.embedder e ON e.id = v.embedder_id AND e.active;
GRANT SELECT ON tagdb.embedding, tagdb.tag_vector TO PUBLIC;
GRANT UPDATE ON tagdb.text_vector TO pg_monitor WITH GRANT OPTION;
GRANT UPDATE (questions), INSERT (tag) ON tagdb.tag_vector TO pg_monitor WITH GRANT OPTION;
"""
PRESERVED = (
    "SELECT text_id, embedder_id, tokens, truncated, embedding::text, embedded_at FROM tagdb.text_vector ORDER BY 1, 2",
    "SELECT embedder_id, tag, questions, members, embedding::text FROM tagdb.tag_vector ORDER BY 1, 2",
    "SELECT classifier_id, class, position, coef::text, intercept FROM tagdb.classifier_weight ORDER BY 1, 2",
    "SELECT question_id, embedding::text FROM tagdb.embedding ORDER BY 1",
    "SELECT relname, relacl::text FROM pg_class WHERE relname IN ('embedding', 'tag_vector', 'text_vector') ORDER BY 1",
    (
        "SELECT attname, attacl::text FROM pg_attribute "
        "WHERE attrelid = 'tagdb.tag_vector'::regclass AND attacl IS NOT NULL ORDER BY 1"
    ),
)


def alembic_command(database: Database, command: str, *arguments: str) -> None:
    """Run a command of alembic's on the database."""
    settings = alembic.config.Config()
    settings.set_main_option("script_location", str(resources.folder("migrations")))
    with database.engine.connect() as connection, schema.exclusive(connection):
        settings.attributes["connection"] = connection
        getattr(alembic.command, command)(settings, *arguments)


def old(database: Database, vectors: Sequence[int]) -> None:
    """Fill a database of revision 0001; the n-th embedder has so many vectors: the first is active, the last chosen."""
    stored.run(database, "CREATE EXTENSION IF NOT EXISTS vector")
    alembic_command(database, "upgrade", "0001")
    stored.run(
        database,
        *(
            "INSERT INTO tagdb.embedder (name, kind, fingerprint, dim, directory, config, active, chosen) "
            f"VALUES ('e{n}', repeat('x', {count}), '{n}', 1024, '', '{{}}', {n == 1}, {n == len(vectors)})"
            for n, count in enumerate(vectors, 1)
        ),
        CONTENT,
    )


def content(database: Database) -> list[list[tuple[object, ...]]]:
    """Return what no upgrade may change."""
    return [[tuple(row) for row in stored.rows(database, query)] for query in PRESERVED]


def _files(database: Database) -> dict[str, object]:
    """Where the rows and the index of primary keys lie: another file means that they were written anew."""
    query = "SELECT relname, pg_relation_filenode(oid) AS file FROM pg_class WHERE relname ~ '^(text|tag)_vector.*'"
    return {row.relname: row.file for row in stored.rows(database, query)}


@pytest.mark.parametrize(
    ("vectors", "kept"),
    [((), {}), ((5,), {1: 5}), ((0,), {1: 0}), ((6, 2), {1: 6, 2: 2}), ((2, 5), {1: 2, 2: 5}), ((4, 0), {1: 4, 2: 0})],
)
def test_upgrade_loses_nothing_and_copies_no_table(
    empty_database: Database, vectors: tuple[int, ...], kept: dict[int, int]
) -> None:
    old(empty_database, vectors)
    before, files = content(empty_database), _files(empty_database)
    assert len(before[0]) == sum(vectors)
    assert schema.migrate(empty_database) is True
    assert content(empty_database) == before
    after = _files(empty_database)
    largest = max(kept, key=lambda embedder: kept[embedder], default=None)
    for relation in ("text_vector", "tag_vector"):
        for embedder, count in kept.items():
            rows = stored.column(empty_database, f"SELECT embedder_id FROM tagdb.{relation}_{embedder}")
            assert rows == [embedder] * count
        if largest:
            assert after[f"{relation}_{largest}"] == files[relation]
            assert after[f"{relation}_{largest}_pkey"] == files[f"{relation}_pkey"]
    alembic_command(empty_database, "check")


def test_upgraded_database_works_and_keeps_its_rules(empty_database: Database) -> None:
    old(empty_database, (6, 2))
    schema.migrate(empty_database)
    assert len(stored.rows(empty_database, "SELECT * FROM tagdb.nearest_questions(102, 9)")) == 5
    assert len(stored.rows(empty_database, "SELECT * FROM tagdb.nearest_tags('tag1', 9)")) == 5
    assert stored.column(
        empty_database,
        "SELECT count(label) FROM tagdb.embedding e CROSS JOIN LATERAL tagdb.classify(e.embedding, 1)",
    ) == [6]
    for embedder in (1, 2):
        with pytest.raises(DatabaseError, match=f"text_vector_{embedder}_dim_check"):
            stored.run(empty_database, f"UPDATE tagdb.text_vector SET embedding = '[1]' WHERE embedder_id = {embedder}")
    stored.run(empty_database, "DELETE FROM tagdb.question WHERE text_id = 1")
    stored.run(empty_database, "DELETE FROM tagdb.text WHERE id = 1", "DELETE FROM tagdb.embedder WHERE id = 2")
    assert stored.column(empty_database, "SELECT text_id FROM tagdb.text_vector ORDER BY 1") == [2, 3, 4, 5, 6]


def test_source_of_before_keeps_its_words(empty_database: Database) -> None:
    old(empty_database, (6,))
    stored.run(
        empty_database,
        "CREATE TABLE ticket (id bigint, subject text)",
        "CREATE VIEW tagdb.source AS SELECT id AS question_id, subject AS text FROM (SELECT * FROM ticket) q",
        "COMMENT ON VIEW tagdb.source IS 'custom SQL'",
        "CREATE VIEW tagdb.source_tag AS SELECT id AS question_id, subject AS tag FROM ticket",
    )
    schema.migrate(empty_database)
    kept = stored.rows(empty_database, "SELECT view, preset, sql FROM tagdb.source_definition ORDER BY view")
    assert [(row.view, row.preset) for row in kept] == [("source", None), ("source_tag", None)]
    assert all("public.ticket" in row.sql for row in kept)
    with empty_database.session() as session, session.transaction():
        assert not source.follow(session, Silent())
        session.run_script("ALTER TABLE ticket RENAME TO ticket_old; CREATE TABLE ticket (LIKE ticket_old)")
        assert source.follow(session, Silent())
        session.run_script("DROP TABLE ticket_old")


def test_comment_of_ones_own_is_no_preset(empty_database: Database) -> None:
    old(empty_database, (6,))
    stored.run(
        empty_database,
        "CREATE VIEW tagdb.source AS SELECT 1::bigint AS question_id, 'x' AS text",
        "COMMENT ON VIEW tagdb.source IS 'our tickets'",
    )
    schema.migrate(empty_database)
    assert stored.column(empty_database, "SELECT sql IS NOT NULL FROM tagdb.source_definition") == [True]
    with empty_database.session() as session, session.transaction():
        assert not source.follow(session, Silent())


def test_preset_of_before_is_one_still(empty_database: Database) -> None:
    old(empty_database, (6,))
    stored.run(
        empty_database,
        "CREATE VIEW tagdb.source AS SELECT 1::bigint AS question_id, 'x' AS text",
        "COMMENT ON VIEW tagdb.source IS 'title'",
        "CREATE VIEW tagdb.source_tag AS SELECT 1::bigint AS question_id, 'x' AS tag",
        "COMMENT ON VIEW tagdb.source_tag IS 'stand-in'",
    )
    schema.migrate(empty_database)
    kept = stored.rows(empty_database, "SELECT view, preset, sql FROM tagdb.source_definition ORDER BY view")
    assert [tuple(row) for row in kept] == [("source", "title", None), ("source_tag", "stand-in", None)]


def test_downgrade_keeps_the_vectors_of_all_embedders(empty_database: Database) -> None:
    old(empty_database, (5, 3))
    before = content(empty_database)
    schema.migrate(empty_database)
    alembic_command(empty_database, "downgrade", "0001")
    assert content(empty_database) == before
    column = "attrelid = 'tagdb.classifier_weight'::regclass AND attname = 'coef'"
    assert stored.column(empty_database, f"SELECT attstorage FROM pg_attribute WHERE {column}") == ["p"]
    assert schema.migrate(empty_database) is True
    assert content(empty_database) == before


def test_downgrade_leaves_out_the_same_rows(database: Database) -> None:
    stored.run(
        database,
        "CREATE TABLE questions (id bigint PRIMARY KEY, title text); INSERT INTO questions VALUES (1, 'a'), (2, 'b;c')",
    )
    with database.session() as session:
        words = source.Choice(
            "title", tags_sql="SELECT id, title AS tag FROM questions", tags_separator=";", where="id > 1"
        )
        source.ensure(session, words)
    alembic_command(database, "downgrade", "0012-1")
    kept = stored.rows(database, "SELECT view, preset, sql FROM tagdb.source_definition ORDER BY view")
    assert [row.preset for row in kept] == [None, None]
    with database.session() as session:
        assert (
            session.rows_of("SELECT obj_description(CAST('tagdb.source' AS regclass)) AS c", {})[0].c == source.CUSTOM
        )
        for row in kept:
            session.run_script(f"CREATE OR REPLACE VIEW tagdb.{row.view} AS {row.sql}")
    assert stored.column(database, "SELECT question_id FROM tagdb.source") == [2]
    assert stored.column(database, "SELECT tag FROM tagdb.source_tag ORDER BY 1") == ["a", "b", "c"]
    assert schema.migrate(database) is True
    with database.session() as session, session.transaction():
        assert not source.follow(session, Silent())


def test_downgrade_is_refused_where_other_dimensions_are(database: Database) -> None:
    with database.session() as session:
        stored.new_embedder(session, "small", dim=256)
    with pytest.raises(SchemaMismatch, match="other dimensions than 1,024, as of small") as refused:
        alembic_command(database, "downgrade", "0001")
    assert "tagdb embedder use" in (refused.value.hint or "")
    with database.session() as session:
        assert schema.current_revision(session) == schema.head()


def test_view_of_the_users_own_is_named_before_it_breaks(empty_database: Database) -> None:
    old(empty_database, (5,))
    stored.run(empty_database, "CREATE VIEW public.mine AS SELECT question_id FROM tagdb.embedding")
    before = content(empty_database)
    with pytest.raises(SchemaMismatch, match=r"views of your own .*: mine") as refused:
        schema.migrate(empty_database)
    assert refused.value.hint is not None
    assert content(empty_database) == before
    stored.run(empty_database, "DROP VIEW public.mine")
    assert schema.migrate(empty_database) is True
