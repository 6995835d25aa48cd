"""The texts that a sync has to embed become rows that any number of workers share, and the workers become rows too.

What is staged is worth nothing after a crash of the server, so it is not in its log.
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(
        """
        CREATE UNLOGGED TABLE tagdb.due (
            run_id bigint NOT NULL,
            place bigint NOT NULL,
            text_id bigint NOT NULL,
            upto bigint NOT NULL,
            PRIMARY KEY (run_id, place)
        );
        COMMENT ON TABLE tagdb.due IS 'texts that a running sync has to embed, in their order';
        COMMENT ON COLUMN tagdb.due.place IS 'in the order of the texts, from 1';
        COMMENT ON COLUMN tagdb.due.upto IS 'bytes of all texts up to this one';

        CREATE UNLOGGED TABLE tagdb.due_range (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            run_id bigint NOT NULL,
            first bigint NOT NULL,
            last bigint NOT NULL,
            cut boolean NOT NULL,
            attempts smallint NOT NULL DEFAULT 0,
            worker_id bigint,
            claimed_at timestamptz NOT NULL DEFAULT '-infinity'
        );
        COMMENT ON TABLE tagdb.due_range IS 'places of due that are not done: the worker at a range has locked its row';
        COMMENT ON COLUMN tagdb.due_range.cut IS 'a piece for one worker; false: what pieces are still to be cut off';
        COMMENT ON COLUMN tagdb.due_range.attempts IS 'how many workers have begun with it';
        COMMENT ON COLUMN tagdb.due_range.worker_id IS 'the last of them';

        CREATE TABLE tagdb.worker (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            run_id bigint NOT NULL REFERENCES tagdb.run ON DELETE CASCADE,
            host text NOT NULL,
            pid integer NOT NULL,
            started_at timestamptz NOT NULL DEFAULT now(),
            last_at timestamptz,
            ended_at timestamptz,
            texts bigint NOT NULL DEFAULT 0,
            truncated bigint NOT NULL DEFAULT 0,
            without_token bigint NOT NULL DEFAULT 0,
            refused bigint NOT NULL DEFAULT 0
        );
        COMMENT ON TABLE tagdb.worker IS 'processes that embed, or did, for the last sync that had something to embed';
        COMMENT ON COLUMN tagdb.worker.last_at IS 'of its last commit; the counts are of what it has committed';
        COMMENT ON COLUMN tagdb.worker.ended_at IS 'of its ordinary end; one that was killed has none';
        COMMENT ON COLUMN tagdb.worker.texts IS 'texts that it gave a vector';
        COMMENT ON COLUMN tagdb.worker.truncated IS 'how many of them only up to the cap on tokens';
        COMMENT ON COLUMN tagdb.worker.without_token IS 'texts in which there was nothing to embed';
        COMMENT ON COLUMN tagdb.worker.refused IS 'texts that got a failure instead, for another reason';
        """
    )


def downgrade() -> None:
    """Drop them; a version of before embeds what is due in one process."""
    op.execute("DROP VIEW IF EXISTS tagdb.health; DROP TABLE tagdb.worker, tagdb.due_range, tagdb.due")
