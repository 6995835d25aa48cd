-- What `tagdb import` does between the staging tables that COPY fills and the user's questions and tags.
-- `place` is a row's place in its file: of two rows with one id, the later one counts.

-- name: create_staging
-- A file fills staged_question, each with its tags in one text with U+001F between them, for a tag may hold blanks, or
-- else staged_tag. What it lists is in listed_question, each question once, and in listed_tag: each tag of a question
-- once, numbered from 0.
CREATE TEMP TABLE staged_question
    (id bigint, place bigint, title text, label text, created_at timestamptz, tags text);
CREATE TEMP TABLE staged_tag (question_id bigint, place bigint, tag text);
CREATE TEMP TABLE listed_question (id bigint, title text, label text, created_at timestamptz, tags text);
CREATE TEMP TABLE incoming_tag (question_id bigint, position smallint, tag text);
CREATE TEMP TABLE imported_question (id bigint PRIMARY KEY);
CREATE TEMP TABLE absent_question (id bigint);
CREATE TEMP VIEW listed_tag AS
SELECT id AS question_id, (generate_subscripts(tags, 1) - 1)::smallint AS position, unnest(tags) AS tag
FROM (SELECT id, string_to_array(tags, chr(31)) AS tags FROM listed_question OFFSET 0) l
UNION ALL
SELECT question_id, (row_number() OVER (PARTITION BY question_id ORDER BY min(place)) - 1)::smallint, tag
FROM staged_tag
GROUP BY question_id, tag

-- name: create_questions
CREATE TABLE IF NOT EXISTS {schema}.questions (
    id bigint NOT NULL,
    title text,
    label text,
    created_at timestamptz
)

-- name: create_tags
CREATE TABLE IF NOT EXISTS {schema}.tags (
    question_id bigint NOT NULL,
    position smallint NOT NULL,
    tag text NOT NULL
)

-- name: add_key_to_questions
ALTER TABLE questions ADD PRIMARY KEY (id)

-- name: add_key_to_tags
ALTER TABLE tags ADD PRIMARY KEY (question_id, position)

-- name: is_key
-- Whether the table has a unique index on exactly these columns, for ON CONFLICT to go by.
SELECT EXISTS (
    SELECT FROM pg_index i
    WHERE i.indrelid = to_regclass(:table_name) AND i.indisunique AND i.indimmediate AND i.indpred IS NULL
        AND CAST(:columns AS text[]) = (
            SELECT array_agg(a.attname::text ORDER BY a.attname)
            FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, place)
            LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE k.place <= i.indnkeyatts)
)

-- name: create_tags_index
CREATE INDEX IF NOT EXISTS tags_tag ON tags (tag)

-- name: list_questions
-- The questions a file speaks of: each once, as its last record has it.
INSERT INTO listed_question
SELECT DISTINCT ON (id) id, title, label, created_at, tags FROM staged_question ORDER BY id, place DESC

-- name: list_tagged_questions
-- The same for a file that has only tags; gives those with many rows of them.
WITH counted AS (
    SELECT question_id, count(*) AS tags FROM staged_tag GROUP BY question_id
), listed AS (
    INSERT INTO listed_question (id) SELECT question_id FROM counted
)
SELECT question_id FROM counted WHERE tags > :most

-- name: most_tagged
SELECT question_id, count(DISTINCT tag) AS tags
FROM staged_tag
WHERE question_id = ANY(CAST(:ids AS bigint[]))
GROUP BY question_id
ORDER BY tags DESC, question_id
LIMIT 1

-- name: note_absent
-- Questions that tags came for before, or without, the questions themselves.
INSERT INTO absent_question
SELECT id FROM listed_question l WHERE NOT EXISTS (SELECT FROM questions q WHERE q.id = l.id)

-- name: count_absent
SELECT count(DISTINCT id) FROM absent_question a WHERE NOT EXISTS (SELECT FROM questions q WHERE q.id = a.id)

-- name: first_staged
-- The questions that a file begins with.
SELECT id
FROM (SELECT id, place FROM staged_question UNION ALL SELECT question_id, place FROM staged_tag) s
GROUP BY id
ORDER BY min(place)
LIMIT :rows

-- name: show_rows
SELECT i.id, q.title, q.label, q.created_at, ARRAY(
    SELECT t.tag::text FROM tags t WHERE t.question_id = i.id ORDER BY t.position) AS tags
FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS i (id, place)
LEFT JOIN questions q ON q.id = i.id
ORDER BY i.place

-- name: count_questions
SELECT count(*) FROM questions

-- name: analyze_staging
ANALYZE listed_question;
ANALYZE staged_tag

-- name: fill_questions
INSERT INTO questions (id, title, label, created_at) SELECT id, title, label, created_at FROM listed_question

-- name: fill_tags
INSERT INTO tags (question_id, position, tag) SELECT question_id, position, tag FROM listed_tag

-- name: merge_questions
-- Adds and updates; a column that the file does not have keeps what is there, and so does a time where times of the
-- file cannot be read.
WITH written AS (
    INSERT INTO questions AS q (id, title, label, created_at)
    SELECT id, title, label, created_at FROM listed_question ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
        title = CASE WHEN :has_title THEN EXCLUDED.title ELSE q.title END,
        label = CASE WHEN :has_label THEN EXCLUDED.label ELSE q.label END,
        created_at = CASE
            WHEN NOT :has_created_at THEN q.created_at
            WHEN :keeps_created_at THEN coalesce(EXCLUDED.created_at, q.created_at)
            ELSE EXCLUDED.created_at
        END
    WHERE (:has_title AND q.title IS DISTINCT FROM EXCLUDED.title)
        OR (:has_label AND q.label IS DISTINCT FROM EXCLUDED.label)
        OR (:has_created_at AND q.created_at IS DISTINCT FROM EXCLUDED.created_at
            AND NOT (:keeps_created_at AND EXCLUDED.created_at IS NULL))
    RETURNING q.xmax = 0 AS added
)
SELECT
    (SELECT count(*) FROM listed_question) AS listed,
    count(*) FILTER (WHERE added) AS added,
    count(*) FILTER (WHERE NOT added) AS updated
FROM written

-- name: collect_incoming_tags
INSERT INTO incoming_tag SELECT question_id, position, tag FROM listed_tag

-- name: analyze_incoming_tags
ANALYZE incoming_tag

-- name: delete_changed_tags
WITH deleted AS (
    DELETE FROM tags t
    USING listed_question l
    WHERE t.question_id = l.id
        AND NOT EXISTS (
            SELECT FROM incoming_tag i
            WHERE i.question_id = t.question_id AND i.position = t.position AND i.tag = t.tag
        )
    RETURNING t.question_id
)
SELECT count(*) FROM deleted

-- name: insert_tags
WITH inserted AS (
    INSERT INTO tags (question_id, position, tag)
    SELECT question_id, position, tag FROM incoming_tag ORDER BY question_id, position
    ON CONFLICT (question_id, position) DO NOTHING
    RETURNING question_id
)
SELECT count(*) FROM inserted

-- name: note_imported
INSERT INTO imported_question SELECT id FROM listed_question ON CONFLICT DO NOTHING

-- name: empty_staging
TRUNCATE staged_question, staged_tag, listed_question, incoming_tag

-- name: delete_missing_questions
DELETE FROM questions q WHERE NOT EXISTS (SELECT FROM imported_question i WHERE i.id = q.id)

-- name: delete_missing_tags
DELETE FROM tags t WHERE NOT EXISTS (SELECT FROM imported_question i WHERE i.id = t.question_id)

-- name: count_stored_missing
-- Provided that these are the questions that the source reads; while it is lifted, nothing can tell.
SELECT count(*)
FROM tagdb.question s
WHERE NOT EXISTS (SELECT FROM questions q WHERE q.id = s.question_id)
    AND (to_regclass('tagdb.source') IS NULL OR EXISTS (
        SELECT
        FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE r.ev_class = to_regclass('tagdb.source') AND d.refclassid = 'pg_class'::regclass
            AND d.refobjid = to_regclass('questions')))

-- name: analyze
ANALYZE questions;
ANALYZE tags
