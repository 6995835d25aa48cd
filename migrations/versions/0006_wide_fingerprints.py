"""Fingerprints of 128 bits, since those of before could not tell all rows apart.

The next sync finds none and compares everything, and it averages all tags anew, whose checksums hash more of an id.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give a fingerprint two halves; the next sync that leaves nothing to do fills them in."""
    op.execute(
        """
        TRUNCATE tagdb.source_band;
        ALTER TABLE tagdb.source_band DROP COLUMN fingerprint,
            ADD COLUMN one_half bigint NOT NULL,
            ADD COLUMN other_half bigint NOT NULL;
        COMMENT ON COLUMN tagdb.source_band.one_half IS
            'of a fingerprint of the rows'' places and writers at the last complete sync';
        COMMENT ON COLUMN tagdb.source_band.other_half IS 'of the same fingerprint';
        """
    )


def downgrade() -> None:
    """Take the halves back; the next sync compares everything."""
    op.execute(
        """
        TRUNCATE tagdb.source_band;
        ALTER TABLE tagdb.source_band DROP COLUMN one_half, DROP COLUMN other_half,
            ADD COLUMN fingerprint bigint NOT NULL;
        COMMENT ON COLUMN tagdb.source_band.fingerprint IS 'of the rows'' places and writers at the last complete sync';
        """
    )
