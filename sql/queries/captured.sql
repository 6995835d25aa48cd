-- What a sync makes of the questions that triggers wrote down: it takes them in the transaction that applies them.

-- name: stage_taken
CREATE TEMP TABLE taken (question_id text)

-- name: take
-- In one statement, so that what is taken is what was seen: what is committed later is there for the next sync, and all
-- that is taken can be seen by the statements after this.
WITH gone AS (DELETE FROM tagdb.captured RETURNING question_ids)
INSERT INTO pg_temp.taken SELECT DISTINCT t.question_id FROM gone CROSS JOIN LATERAL unnest(question_ids) AS t (question_id)

-- name: any_taken
-- Whether any question may have changed.
SELECT EXISTS (SELECT FROM pg_temp.taken WHERE question_id IS NULL)

-- name: keep
INSERT INTO tagdb.unfinished (question_id)
SELECT question_id FROM pg_temp.taken WHERE question_id IS NOT NULL
ON CONFLICT (question_id) DO NOTHING

-- name: any_waiting
-- Whether a sync has anything to see to, NULL where changes are not captured.
SELECT CASE WHEN EXISTS (SELECT FROM tagdb.capture)
    THEN EXISTS (SELECT FROM tagdb.captured) OR EXISTS (SELECT FROM tagdb.unfinished) END

-- name: stage_moved
CREATE TEMP TABLE moved AS SELECT {id} AS question_id FROM tagdb.unfinished u;
ANALYZE moved

-- name: count_moved
SELECT count(*) AS moved, (SELECT reltuples FROM pg_class WHERE oid = 'tagdb.question'::regclass) AS questions FROM moved

-- name: drop_moved
DROP TABLE pg_temp.moved

-- name: compare_all
-- Until that is finished, any question may be unfinished.
DELETE FROM tagdb.unfinished;
UPDATE tagdb.capture SET words = :words, kept = NULL

-- name: keep_nothing
UPDATE tagdb.capture SET kept = NULL WHERE kept IS NOT NULL

-- name: finish
-- What is unfinished lies in `moved`, or all questions have been seen to.
DELETE FROM tagdb.unfinished

-- name: keep_made
UPDATE tagdb.capture SET kept = CAST(:kept AS jsonb) WHERE kept IS DISTINCT FROM CAST(:kept AS jsonb)

-- name: cost
EXPLAIN (FORMAT JSON) SELECT * FROM {relation} r

-- name: read_through
-- All rows are read, where to look each question up would take longer.
(SELECT s.* FROM tagdb.{view} s WHERE s.question_id IN (SELECT question_id FROM moved))

-- name: looked_up
(SELECT s.* FROM moved m CROSS JOIN LATERAL (
    SELECT * FROM tagdb.{view} WHERE question_id = m.question_id OFFSET 0) s)

-- name: stage_joining
CREATE TEMP TABLE joining AS SELECT question_id FROM moved

-- name: stage_left
-- The pairs that are in the centroids; of those that are to stay, the same pair joins.
CREATE TEMP TABLE left_tag AS
SELECT m.question_id, t.text_id, w.tag
FROM moved m
JOIN tagdb.tagged t ON t.question_id = CAST(m.question_id AS text) COLLATE "C"
CROSS JOIN LATERAL unnest(t.tags) AS w (tag)

-- name: stage_tagged
-- Which tags the questions are counted in, once their moves are made.
CREATE TEMP TABLE tagged_now ON COMMIT DROP AS
SELECT CAST(q.question_id AS text) COLLATE "C" AS question_id, q.text_id,
    array_agg(CAST(st.tag AS text) ORDER BY st.tag COLLATE "C") AS tags
FROM {tags} st
JOIN tagdb.question q USING (question_id)
JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = {embedder}
WHERE st.tag IS NOT NULL
GROUP BY q.question_id, q.text_id;
CREATE INDEX ON tagged_now (question_id);
ANALYZE tagged_now

-- name: untag
DELETE FROM tagdb.tagged t
USING moved m
WHERE t.question_id = CAST(m.question_id AS text) COLLATE "C"
    AND NOT EXISTS (
        SELECT FROM tagged_now n WHERE n.question_id = t.question_id AND n.text_id = t.text_id AND n.tags = t.tags)

-- name: untag_all
DELETE FROM tagdb.tagged t
WHERE NOT EXISTS (
    SELECT FROM tagged_now n WHERE n.question_id = t.question_id AND n.text_id = t.text_id AND n.tags = t.tags)

-- name: tag
INSERT INTO tagdb.tagged (question_id, text_id, tags)
SELECT question_id, text_id, tags FROM tagged_now ORDER BY question_id
ON CONFLICT (question_id) DO NOTHING

-- name: none_tagged
SELECT NOT EXISTS (SELECT FROM tagdb.tagged)

-- name: begin_tagging
DROP INDEX tagdb.tagged_tags

-- name: end_tagging
CREATE INDEX tagged_tags ON tagdb.tagged USING gin (tags)

-- name: analyze_tagged
ANALYZE tagdb.tagged

-- name: tagged_by
UPDATE tagdb.capture SET tagged_by = :embedder WHERE tagged_by IS DISTINCT FROM :embedder

-- name: stale_tagged
-- The questions of the stale tags, by the index on the tags of each.
(SELECT {id} AS question_id, s.tag, CAST(cardinality(array_positions(t.tags, s.tag)) AS bigint) AS listed
 FROM tagdb.stale_tag s JOIN tagdb.tagged t ON t.tags @> ARRAY[s.tag])
