"""What leaves rows of the source out, and what separates tags that stand in one text.

Going back, a view that has one of them becomes one of the user's own SQL: it goes on reading what it read.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; sources of before have neither."""
    op.execute(
        """
        ALTER TABLE tagdb.source_definition ADD condition text, ADD separator text;
        COMMENT ON COLUMN tagdb.source_definition.condition IS 'on the rows to read; the others are left out';
        COMMENT ON COLUMN tagdb.source_definition.separator IS 'what stands between the tags of one text';
        """
    )


def downgrade() -> None:
    """Keep the words of such views as PostgreSQL has them, with every name qualified; drop the columns."""
    op.execute(
        """
        DO $$
        DECLARE
            path text := current_setting('search_path');
            name text;
        BEGIN
            PERFORM set_config('search_path', '', true);
            FOR name IN
                UPDATE tagdb.source_definition d
                SET preset = NULL, sql = rtrim(pg_get_viewdef(c.oid), ';')
                FROM pg_class c
                WHERE c.oid = to_regclass(format('tagdb.%I', d.view))
                    AND (d.condition IS NOT NULL OR d.separator IS NOT NULL)
                RETURNING d.view
            LOOP
                EXECUTE format('COMMENT ON VIEW tagdb.%I IS %L', name, 'custom SQL');
            END LOOP;
            PERFORM set_config('search_path', path, true);
        END $$;
        ALTER TABLE tagdb.source_definition DROP condition, DROP separator;
        """
    )
