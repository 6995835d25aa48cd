"""The relations of tagdb: embedders, distinct texts and their vectors, tag centroids, classifiers, labels, runs."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

RELATIONS = """
CREATE TABLE tagdb.embedder (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    kind text NOT NULL,
    fingerprint text NOT NULL UNIQUE,
    dim integer NOT NULL CHECK (dim = 1024),
    directory text NOT NULL,
    config jsonb NOT NULL,
    chosen boolean NOT NULL DEFAULT false,
    active boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX embedder_chosen ON tagdb.embedder (chosen) WHERE chosen;
CREATE UNIQUE INDEX embedder_active ON tagdb.embedder (active) WHERE active;
COMMENT ON COLUMN tagdb.embedder.directory IS 'where the machine that chose it found its files';
COMMENT ON COLUMN tagdb.embedder.chosen IS 'sync embeds with this one';
COMMENT ON COLUMN tagdb.embedder.active IS 'views and labels use this one';

CREATE TABLE tagdb.text (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash bytea NOT NULL UNIQUE,
    text text NOT NULL
);
COMMENT ON COLUMN tagdb.text.hash IS 'sha256 of the text in UTF-8';

CREATE TABLE tagdb.text_vector (
    text_id bigint NOT NULL REFERENCES tagdb.text ON DELETE CASCADE,
    embedder_id integer NOT NULL REFERENCES tagdb.embedder ON DELETE CASCADE,
    tokens integer NOT NULL,
    truncated boolean NOT NULL,
    embedding vector(1024) NOT NULL,
    embedded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (text_id, embedder_id)
);
COMMENT ON COLUMN tagdb.text_vector.truncated IS 'only the first tokens, up to the cap, are in the vector';

CREATE TABLE tagdb.failure (
    text_id bigint NOT NULL REFERENCES tagdb.text ON DELETE CASCADE,
    embedder_id integer NOT NULL REFERENCES tagdb.embedder ON DELETE CASCADE,
    reason text NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (text_id, embedder_id)
);

CREATE TABLE tagdb.question (
    question_id bigint PRIMARY KEY,
    text_id bigint NOT NULL REFERENCES tagdb.text,
    seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX question_text_id ON tagdb.question (text_id);

CREATE TABLE tagdb.tag_vector (
    embedder_id integer NOT NULL REFERENCES tagdb.embedder ON DELETE CASCADE,
    tag text NOT NULL,
    questions bigint NOT NULL,
    members bigint NOT NULL,
    embedding vector(1024) NOT NULL,
    PRIMARY KEY (embedder_id, tag)
);
COMMENT ON COLUMN tagdb.tag_vector.members IS 'checksum of the (question, text) pairs in the centroid';
COMMENT ON COLUMN tagdb.tag_vector.embedding IS 'centroid: mean vector of the tag''s questions';

CREATE TABLE tagdb.classifier (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    embedder_id integer NOT NULL REFERENCES tagdb.embedder ON DELETE CASCADE,
    kind text NOT NULL,
    classes text[] NOT NULL,
    query text NOT NULL,
    metrics jsonb NOT NULL,
    settings jsonb NOT NULL,
    versions jsonb NOT NULL,
    active boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX classifier_active ON tagdb.classifier (active) WHERE active;
COMMENT ON COLUMN tagdb.classifier.settings IS 'seed, split, sample and solver settings';

CREATE TABLE tagdb.classifier_weight (
    classifier_id integer NOT NULL REFERENCES tagdb.classifier ON DELETE CASCADE,
    class text NOT NULL,
    position smallint NOT NULL,
    coef vector(1024) NOT NULL,
    intercept double precision NOT NULL,
    PRIMARY KEY (classifier_id, class)
);
-- in line with the row, so that scoring reads the weights without a look-up per text
ALTER TABLE tagdb.classifier_weight ALTER COLUMN coef SET STORAGE PLAIN;
COMMENT ON COLUMN tagdb.classifier_weight.position IS 'of the class in classifier.classes, from 1';

CREATE TABLE tagdb.labels (
    question_id bigint PRIMARY KEY,
    label text NOT NULL,
    probability double precision NOT NULL,
    classifier_id integer NOT NULL REFERENCES tagdb.classifier ON DELETE CASCADE,
    text_id bigint NOT NULL,
    predicted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN tagdb.labels.text_id IS 'the text the label was predicted from';

CREATE TABLE tagdb.run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command text NOT NULL,
    args jsonb NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    status text NOT NULL,
    read bigint NOT NULL DEFAULT 0,
    written bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    detail jsonb NOT NULL DEFAULT '{}'
);
"""


def upgrade() -> None:
    """Create the relations."""
    op.execute(RELATIONS)


def downgrade() -> None:
    """Remove every relation, view and function of tagdb; the user's own tables stay."""
    op.execute(
        """
        DROP VIEW IF EXISTS tagdb.embedding, tagdb.source, tagdb.source_tag;
        DROP FUNCTION IF EXISTS tagdb.nearest_tags, tagdb.nearest_questions, tagdb.classify, tagdb.open_query;
        DROP TABLE tagdb.run, tagdb.labels, tagdb.classifier_weight, tagdb.classifier, tagdb.tag_vector,
            tagdb.question, tagdb.failure, tagdb.text_vector, tagdb.text, tagdb.embedder;
        COMMENT ON SCHEMA tagdb IS NULL;
        """
    )
