"""Vectors of any dimension: the relations that hold them are partitioned by embedder, and columns give no length.

Tables stay where they are: that of before becomes the partition of the embedder that has most of it. The HNSW indexes
go, since PostgreSQL would rebuild them under the lock of the migration; the next sync does it without one.
"""

from __future__ import annotations

import sqlalchemy
from alembic import op

from tagdb.errors import SchemaMismatch

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RELATIONS = ("text_vector", "tag_vector")

WITHOUT_LENGTH = """
DROP INDEX IF EXISTS tagdb.text_vector_hnsw, tagdb.tag_vector_hnsw;
ALTER TABLE tagdb.text_vector ALTER COLUMN embedding TYPE vector;
ALTER TABLE tagdb.tag_vector ALTER COLUMN embedding TYPE vector;
ALTER TABLE tagdb.embedder DROP CONSTRAINT embedder_dim_check,
    ADD CONSTRAINT embedder_dim_check CHECK (dim BETWEEN 1 AND 4000);
-- weights stay in line with their row up to 2,000 dimensions, so that scoring reads them without a look-up per text
ALTER TABLE tagdb.classifier_weight ALTER COLUMN coef TYPE vector, ALTER COLUMN coef SET STORAGE EXTERNAL,
    SET (toast_tuple_target = 8160);
"""

PARTITIONED = """
CREATE TABLE tagdb.text_vector (
    text_id bigint NOT NULL REFERENCES tagdb.text ON DELETE CASCADE,
    embedder_id integer NOT NULL REFERENCES tagdb.embedder ON DELETE CASCADE,
    tokens integer NOT NULL,
    truncated boolean NOT NULL,
    embedding vector NOT NULL,
    embedded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (text_id, embedder_id)
) PARTITION BY LIST (embedder_id);

CREATE TABLE tagdb.tag_vector (
    embedder_id integer NOT NULL REFERENCES tagdb.embedder ON DELETE CASCADE,
    tag text NOT NULL,
    questions bigint NOT NULL,
    members bigint NOT NULL,
    embedding vector NOT NULL,
    PRIMARY KEY (embedder_id, tag)
) PARTITION BY LIST (embedder_id);
"""

PLAIN = """
CREATE TABLE tagdb.text_vector (
    text_id bigint NOT NULL REFERENCES tagdb.text ON DELETE CASCADE,
    embedder_id integer NOT NULL REFERENCES tagdb.embedder ON DELETE CASCADE,
    tokens integer NOT NULL,
    truncated boolean NOT NULL,
    embedding vector(1024) NOT NULL,
    embedded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (text_id, embedder_id)
);

CREATE TABLE tagdb.tag_vector (
    embedder_id integer NOT NULL REFERENCES tagdb.embedder ON DELETE CASCADE,
    tag text NOT NULL,
    questions bigint NOT NULL,
    members bigint NOT NULL,
    embedding vector(1024) NOT NULL,
    PRIMARY KEY (embedder_id, tag)
);
"""

COMMENTS = """
COMMENT ON COLUMN tagdb.text_vector.truncated IS 'only the first tokens, up to the cap, are in the vector';
COMMENT ON COLUMN tagdb.tag_vector.members IS 'checksum of the (question, text) pairs in the centroid';
COMMENT ON COLUMN tagdb.tag_vector.embedding IS 'centroid: mean vector of the tag''s questions';
"""

WITH_LENGTH = """
ALTER TABLE tagdb.classifier_weight ALTER COLUMN coef TYPE vector(1024), ALTER COLUMN coef SET STORAGE PLAIN,
    RESET (toast_tuple_target);
ALTER TABLE tagdb.embedder DROP CONSTRAINT embedder_dim_check,
    ADD CONSTRAINT embedder_dim_check CHECK (dim = 1024);
"""

EMBEDDING = """
CREATE VIEW tagdb.embedding AS
SELECT q.question_id, v.embedding
FROM tagdb.question q
JOIN tagdb.text_vector v USING (text_id)
JOIN tagdb.embedder e ON e.id = v.embedder_id AND e.active;
"""

VIEWS_IN_THE_WAY = """
SELECT DISTINCT CAST(CAST(r.ev_class AS regclass) AS text)
FROM pg_depend d JOIN pg_rewrite r ON d.classid = CAST('pg_rewrite' AS regclass) AND r.oid = d.objid
WHERE d.refclassid = CAST('pg_class' AS regclass)
    AND d.refobjid IN (to_regclass('tagdb.text_vector'), to_regclass('tagdb.tag_vector'),
        to_regclass('tagdb.classifier_weight'), to_regclass('tagdb.embedding'))
    AND r.ev_class IS DISTINCT FROM to_regclass('tagdb.embedding')
ORDER BY 1
"""

GRANTS = """
SELECT format('GRANT %s%s ON tagdb.%I TO %s%s', a.privilege_type, ' (' || quote_ident(a.column_name) || ')', c.relname,
    CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_class c CROSS JOIN LATERAL (
    SELECT NULL AS column_name, g.* FROM aclexplode(c.relacl) g
    UNION ALL
    SELECT t.attname, g.* FROM pg_attribute t CROSS JOIN LATERAL aclexplode(t.attacl) g
    WHERE t.attrelid = c.oid AND NOT t.attisdropped
) a
WHERE c.relnamespace = to_regnamespace('tagdb') AND c.relname IN ('text_vector', 'tag_vector', 'embedding')
    AND a.grantee <> c.relowner
"""

EMBEDDERS = """
SELECT e.id
FROM tagdb.embedder e
LEFT JOIN (SELECT embedder_id AS id, count(*) AS n FROM tagdb.{former} GROUP BY embedder_id) v USING (id)
WHERE e.chosen OR e.active OR v.n > 0
ORDER BY v.n DESC NULLS LAST, e.id
"""

MOVE = """
CREATE TABLE tagdb.{relation}_{embedder} (LIKE tagdb.{relation} INCLUDING ALL);
WITH moved AS (DELETE FROM tagdb.{former} WHERE embedder_id = {embedder} RETURNING *)
INSERT INTO tagdb.{relation}_{embedder} SELECT * FROM moved;
"""

KEEP = """
ALTER TABLE tagdb.{former} RENAME TO {relation}_{embedder};
ALTER INDEX tagdb.{former}_pkey RENAME TO {relation}_{embedder}_pkey;
"""

# Not validated: the column's type was the check until now, and reading all vectors again would take its time.
ATTACH = """
ALTER TABLE tagdb.{relation}_{embedder}
    ADD CONSTRAINT {relation}_{embedder}_dim_check CHECK (vector_dims(embedding) = 1024) NOT VALID;
ALTER TABLE tagdb.{relation} ATTACH PARTITION tagdb.{relation}_{embedder} FOR VALUES IN ({embedder});
"""


def upgrade() -> None:
    """Give each embedder a partition of its own and take the length out of the columns."""
    grants = _set_aside()
    op.execute(WITHOUT_LENGTH)
    _make_room()
    op.execute(PARTITIONED + COMMENTS + EMBEDDING)
    for relation in RELATIONS:
        _distribute(relation)
    _restore(grants)
    op.execute("ANALYZE tagdb.text_vector, tagdb.tag_vector")  # nothing else does it for a partitioned table


def downgrade() -> None:
    """Copy all partitions into one table of 1,024 dimensions again; vectors of any other stand in the way."""
    others = _column("SELECT name FROM tagdb.embedder WHERE dim <> 1024 ORDER BY id")
    if others:
        raise SchemaMismatch(
            f"the older schema has no room for vectors of other dimensions than 1,024, as of {', '.join(others)}",
            hint="tagdb embedder use starter && tagdb sync; then DELETE FROM tagdb.embedder WHERE dim <> 1024",
        )
    grants = _set_aside()
    _make_room()
    op.execute(PLAIN + COMMENTS + WITH_LENGTH + EMBEDDING)
    for relation in RELATIONS:
        op.execute(f"INSERT INTO tagdb.{relation} SELECT * FROM tagdb.former_{relation}")
        op.execute(f"DROP TABLE tagdb.former_{relation}")
    _restore(grants)
    op.execute("COMMENT ON SCHEMA tagdb IS NULL")  # so that the version that works on it brings its routines


def _set_aside() -> list[str]:
    """Drop the view on the vectors; return the grants that it and the tables had."""
    if views := _column(VIEWS_IN_THE_WAY):
        raise SchemaMismatch(
            f"views of your own read relations that the new schema replaces: {', '.join(views)}",
            hint="keep their definitions, drop them, run tagdb db migrate, create them again",
        )
    grants = _column(GRANTS)
    op.execute("DROP VIEW IF EXISTS tagdb.embedding")
    return grants


def _restore(grants: list[str]) -> None:
    for grant in grants:
        op.execute(grant)


def _make_room() -> None:
    """Give the tables of vectors other names."""
    for relation in RELATIONS:
        op.execute(f"ALTER TABLE tagdb.{relation} RENAME TO former_{relation}")
        op.execute(f"ALTER INDEX tagdb.{relation}_pkey RENAME TO former_{relation}_pkey")


def _distribute(relation: str) -> None:
    """Make the former table the partition of the embedder with the most rows, and move those of the others."""
    former = f"former_{relation}"
    embedders = _column(EMBEDDERS.format(former=former))
    if not embedders:
        op.execute(f"DROP TABLE tagdb.{former}")
        return
    for embedder in embedders[1:]:
        op.execute(MOVE.format(relation=relation, former=former, embedder=embedder))
    op.execute(KEEP.format(relation=relation, former=former, embedder=embedders[0]))
    for embedder in embedders:
        op.execute(ATTACH.format(relation=relation, embedder=embedder))


def _column(query: str) -> list[str]:
    return [str(row[0]) for row in op.get_bind().execute(sqlalchemy.text(query))]
