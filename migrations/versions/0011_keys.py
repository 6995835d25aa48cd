"""Question ids may be of other types than bigint, which the next sync of an empty database finds out by itself."""

from __future__ import annotations

import sqlalchemy
from alembic import op

from tagdb.errors import SchemaMismatch

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TYPE = """
SELECT format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = 'tagdb.question'::regclass AND attname = 'question_id'
"""
AS_BEFORE = """
DROP VIEW IF EXISTS tagdb.embedding, tagdb.status;
DROP FUNCTION IF EXISTS tagdb.nearest_questions;
ALTER TABLE tagdb.question ALTER question_id TYPE bigint;
ALTER TABLE tagdb.labels ALTER question_id TYPE bigint;
"""


def upgrade() -> None:
    """Say so; the ids that there are stay as they are."""
    _comment(
        ids="'of the type that the source gave it first'",
        band="of question ids: integers that are neighbours, or others whose hashes begin alike",
        bands="fingerprints of the user''s rows, each of a few dozen question ids",
    )


def downgrade() -> None:
    """Make all integers bigint again; uuids and texts stand in the way."""
    kind = op.get_bind().execute(sqlalchemy.text(TYPE)).scalar()
    if kind in ("uuid", "text"):
        raise SchemaMismatch(
            f"the older schema has no room for question ids of type {kind}",
            hint="DROP SCHEMA tagdb CASCADE, then let the older version begin anew",
        )
    if kind != "bigint":
        op.execute(AS_BEFORE)
    _comment(
        ids="NULL",
        band="of neighbouring question ids",
        bands="fingerprints of the user''s rows, each of 64 neighbouring question ids",
    )


def _comment(*, ids: str, band: str, bands: str) -> None:
    for column in ("question.question_id", "labels.question_id"):
        op.execute(f"COMMENT ON COLUMN tagdb.{column} IS {ids}")
    op.execute(f"COMMENT ON COLUMN tagdb.source_band.band IS '{band}'")
    op.execute(f"COMMENT ON TABLE tagdb.source_band IS '{bands}'")
