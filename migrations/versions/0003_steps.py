"""A count on each tag centroid of how often it was moved since it was last averaged: each move rounds it."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the count; the centroids of before are all averages."""
    op.execute(
        """
        ALTER TABLE tagdb.tag_vector ADD COLUMN steps smallint NOT NULL DEFAULT 0;
        COMMENT ON COLUMN tagdb.tag_vector.steps IS 'moves by single questions since all were averaged';
        """
    )


def downgrade() -> None:
    """Drop the count."""
    op.execute("ALTER TABLE tagdb.tag_vector DROP COLUMN steps")
