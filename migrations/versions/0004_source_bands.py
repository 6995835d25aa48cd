"""Fingerprints of the user's rows, by which sync finds the few questions that it has to compare."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the fingerprints; the next sync that leaves nothing to do fills them in."""
    op.execute(
        """
        CREATE TABLE tagdb.source_band (
            band bigint PRIMARY KEY,
            fingerprint bigint NOT NULL
        );
        COMMENT ON COLUMN tagdb.source_band.band IS 'of neighbouring question ids';
        COMMENT ON COLUMN tagdb.source_band.fingerprint IS 'of the rows'' places and writers at the last complete sync';
        """
    )


def downgrade() -> None:
    """Drop the fingerprints."""
    op.execute("DROP TABLE tagdb.source_band")
