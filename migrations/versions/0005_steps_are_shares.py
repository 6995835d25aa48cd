"""Steps of a tag's centroid are shares of its questions: a move among few questions counts for several."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say so."""
    _comment("how far it was moved since all were averaged, in 64ths of its questions")


def downgrade() -> None:
    """Say what it was: one for each sync that moved the centroid."""
    _comment("moves by single questions since all were averaged")


def _comment(comment: str) -> None:
    op.execute(f"COMMENT ON COLUMN tagdb.tag_vector.steps IS '{comment}'")
