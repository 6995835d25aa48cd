"""Changes of the user's tables as triggers write them down, and what a sync that goes by them has to remember."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Of `captured`, every row is its own identity: a publication of all tables lets nothing be deleted from it otherwise.
# To compress a list would take whoever writes longer than to write it.
RELATIONS = """
CREATE TABLE tagdb.capture (
    captures boolean PRIMARY KEY DEFAULT true,
    since timestamptz NOT NULL DEFAULT now(),
    words text,
    kept jsonb,
    tagged_by integer,
    CONSTRAINT capture_captures_check CHECK (captures)
);
COMMENT ON TABLE tagdb.capture IS 'one row while changes are captured: what the next sync may believe';
COMMENT ON COLUMN tagdb.capture.words IS 'digest of the views, tables and triggers that all was compared under';
COMMENT ON COLUMN tagdb.capture.kept IS 'what vectors and labels were made by, if all but unfinished have them';
COMMENT ON COLUMN tagdb.capture.tagged_by IS 'the embedder whose centroids tagged tells of';

CREATE TABLE tagdb.capture_table (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    expression text,
    type text,
    columns text[]
);
COMMENT ON TABLE tagdb.capture_table IS 'tables whose changes are captured, each by the function of its number';
COMMENT ON COLUMN tagdb.capture_table.name IS 'when capture was switched on';
COMMENT ON COLUMN tagdb.capture_table.expression IS 'the question that a row is about; NULL if it may be about any';
COMMENT ON COLUMN tagdb.capture_table.type IS 'of the expression';
COMMENT ON COLUMN tagdb.capture_table.columns IS 'an update of others changes no question; NULL if each of them may';

CREATE TABLE tagdb.captured (
    question_ids text[] NOT NULL,
    captured_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE tagdb.captured ALTER question_ids SET STORAGE EXTERNAL;
ALTER TABLE tagdb.captured REPLICA IDENTITY FULL;
COMMENT ON TABLE tagdb.captured IS 'questions whose rows have changed since a sync, a row a statement';
COMMENT ON COLUMN tagdb.captured.question_ids IS 'with NULL among them, any question may have changed';

CREATE TABLE tagdb.unfinished (
    question_id text COLLATE "C" PRIMARY KEY
);
COMMENT ON TABLE tagdb.unfinished IS 'questions whose texts are compared, and nothing else is known to be done';

CREATE TABLE tagdb.tagged (
    question_id text COLLATE "C" PRIMARY KEY,
    text_id bigint NOT NULL,
    tags text[] NOT NULL
);
CREATE INDEX tagged_tags ON tagdb.tagged USING gin (tags);
COMMENT ON TABLE tagdb.tagged IS 'which questions with which texts are in which centroids, while changes are captured';
"""


def upgrade() -> None:
    """Make the tables; they are empty unless capture is switched on."""
    op.execute(RELATIONS)


def downgrade() -> None:
    """Remove the triggers from the user's tables along with their functions, and what they wrote."""
    op.execute(
        """
        DO $$
        DECLARE
            called regprocedure;
        BEGIN
            FOR called IN
                SELECT p.oid
                FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                WHERE n.nspname = 'tagdb' AND p.proname ~ '^capture_[0-9]+$'
            LOOP
                EXECUTE format('DROP FUNCTION %s CASCADE', called);
            END LOOP;
        END $$;
        DROP VIEW IF EXISTS tagdb.health;
        DROP TABLE tagdb.capture, tagdb.capture_table, tagdb.captured, tagdb.unfinished, tagdb.tagged;
        """
    )
