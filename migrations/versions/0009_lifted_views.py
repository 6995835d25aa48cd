"""Where the views over the user's tables are kept while they are lifted."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, with nothing in it."""
    op.execute(
        """
        CREATE TABLE tagdb.lifted_view (
            name text PRIMARY KEY,
            place smallint NOT NULL,
            definition text NOT NULL,
            owner text NOT NULL,
            options text[] NOT NULL,
            comments jsonb NOT NULL,
            grants jsonb NOT NULL,
            lifted_at timestamptz NOT NULL DEFAULT now()
        );
        COMMENT ON TABLE tagdb.lifted_view IS 'views over the user''s tables, while they are taken away';
        COMMENT ON COLUMN tagdb.lifted_view.place IS 'in which order they are put back: one may read the other';
        COMMENT ON COLUMN tagdb.lifted_view.definition IS 'with every name in full, for any search_path';
        COMMENT ON COLUMN tagdb.lifted_view.comments IS 'by column, that of the view under no name';
        """
    )


def downgrade() -> None:
    """Drop the table; views that are lifted have to be named anew."""
    op.execute("DROP TABLE tagdb.lifted_view")
