"""The words that the views of the source are made from, for names to be read anew and for views that are dropped."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep the words; those of views that stand are what PostgreSQL says of them, with every name qualified."""
    op.execute(
        """
        CREATE TABLE tagdb.source_definition (
            view text PRIMARY KEY,
            preset text,
            sql text,
            CONSTRAINT source_definition_preset_or_sql_check CHECK ((preset IS NULL) <> (sql IS NULL))
        );
        COMMENT ON TABLE tagdb.source_definition IS 'what the views over the user''s tables are made from';
        COMMENT ON COLUMN tagdb.source_definition.preset IS 'whose SQL comes with tagdb';
        COMMENT ON COLUMN tagdb.source_definition.sql IS 'as the user gave it';

        DO $$
        DECLARE
            path text := current_setting('search_path');
        BEGIN
            PERFORM set_config('search_path', '', true);
            INSERT INTO tagdb.source_definition (view, preset, sql)
            SELECT c.relname, p.preset, CASE WHEN p.preset IS NULL THEN rtrim(pg_get_viewdef(c.oid), ';') END
            FROM pg_class c
            LEFT JOIN LATERAL (SELECT obj_description(c.oid, 'pg_class') AS preset) p
                ON p.preset IN ('tags', 'title', 'title+tags', 'preset', 'stand-in')
            WHERE c.oid IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag'));
            IF EXISTS (SELECT FROM tagdb.source_definition WHERE view = 'source_tag' AND preset IS NULL) THEN
                COMMENT ON VIEW tagdb.source_tag IS 'custom SQL';
            END IF;
            PERFORM set_config('search_path', path, true);
        END $$;
        """
    )


def downgrade() -> None:
    """Forget the words; the views stay."""
    op.execute("DROP TABLE tagdb.source_definition")
