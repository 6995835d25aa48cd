"""A comment on every table and on the columns that need one; that on the schema is the user's again.

Going back drops the functions and views: those of before are made another way, and depend on less.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = {
    "alembic_version": "the revision that this schema is at",
    "classifier": "trained classifiers, with their metrics and the query they learnt from",
    "classifier_weight": "the weights of a classifier, a row a class",
    "embedder": "the models that vectors were made with",
    "failure": "texts without a vector, and why",
    "labels": "the label of each question, as the active classifier predicts it",
    "question": "which text each question has",
    "run": "commands that were run, with what they did",
    "source_band": "fingerprints of the user's rows, each of 64 neighbouring question ids",
    "tag_vector": "a centroid for each tag, the mean vector of its questions",
    "text": "the distinct texts of the questions",
    "text_vector": "the vector of each text, by each embedder",
}
COLUMNS = {
    "embedder.fingerprint": "of its weights and settings: another one is another embedder",
    "embedder.dim": "how many numbers its vectors have",
    "failure.attempts": "how many syncs have tried",
    "labels.probability": "of the label, as the classifier gives it",
    "run.status": "running, done, stopped, failed or killed",
    "run.detail": "more counts, and the error of a run that failed",
    "tag_vector.questions": "how many questions with a vector have the tag",
    "text_vector.tokens": "how many the text has",
    "question.seen_at": "when the question got this text",
    "classifier.classes": "the labels it tells apart",
    "classifier.query": "the rows and labels it was trained on",
    "classifier.active": "labels are predicted with this one",
}
FORGET_OURS = """
DO $$
BEGIN
    IF obj_description('tagdb'::regnamespace, 'pg_namespace') LIKE 'tagdb routines %' THEN
        COMMENT ON SCHEMA tagdb IS NULL;
    END IF;
END
$$
"""
PARTITIONS = r"""
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT c.relname AS name, p.relname AS whole, substring(c.relname FROM '\d+$') AS embedder
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
        WHERE p.oid IN ('tagdb.text_vector'::regclass, 'tagdb.tag_vector'::regclass)
    LOOP
        EXECUTE format('COMMENT ON TABLE tagdb.%I IS %L', part.name,
            format('the part of %s that embedder %s made', part.whole, part.embedder));
    END LOOP;
END
$$
"""


def upgrade() -> None:
    """Write the comments."""
    op.execute(FORGET_OURS)
    op.execute(PARTITIONS)
    for kind, comments in (("TABLE", TABLES), ("COLUMN", COLUMNS)):
        for name, comment in comments.items():
            op.execute(f"COMMENT ON {kind} tagdb.{name} IS '{comment.replace(chr(39), chr(39) * 2)}'")


def downgrade() -> None:
    """Drop the comments, the functions and the views; the version of before makes its own."""
    for kind, comments in (("TABLE", TABLES), ("COLUMN", COLUMNS)):
        for name in comments:
            op.execute(f"COMMENT ON {kind} tagdb.{name} IS NULL")
    op.execute(
        """
        DROP VIEW IF EXISTS tagdb.status;
        DROP FUNCTION IF EXISTS tagdb.nearest_tags, tagdb.nearest_questions, tagdb.classify, tagdb.open_query;
        """
    )
