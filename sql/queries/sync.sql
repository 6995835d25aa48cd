-- The difference between what the user's tables say and what tagdb has stored, and how it is made to vanish.

-- name: take_lock
-- The locks of a collection are told from those of others by its schema: number 0 is the collection's own, and each run
-- has one by its id.
SELECT pg_try_advisory_lock(CAST('tagdb'::regnamespace AS integer) # 1952540530, 0)

-- name: release_lock
SELECT pg_advisory_unlock(CAST('tagdb'::regnamespace AS integer) # 1952540530, 0)

-- name: lock_holder
-- Who may not see another role's session finds its process and its name alone.
SELECT a.pid, a.backend_start, a.application_name,
    CASE WHEN a.state LIKE 'idle%' THEN CAST(extract(epoch FROM clock_timestamp() - a.state_change) AS bigint)
         WHEN a.state = 'active' THEN 0 END AS idle_seconds
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = CAST(CAST('tagdb'::regnamespace AS integer) # 1952540530 AS oid)
    AND l.objid = 0 AND l.objsubid = 2 AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: keep_hashes_small
-- To hash millions of questions costs the planner no more than to walk two keys side by side, the processor much more:
-- its caches hold none of such a table.
SELECT before, set_config('work_mem', '64MB', true)
FROM (SELECT current_setting('work_mem') AS before OFFSET 0) s
WHERE pg_size_bytes(before) > 64 * 1024 * 1024

-- name: set_work_mem
SELECT set_config('work_mem', :size, true)

-- name: stage_changes
-- Questions, of all or of some, whose text is not the stored one. One pass; the texts themselves are compared.
CREATE TEMP TABLE change AS
SELECT
    question_id,
    q.text_id AS old_text_id,
    q.question_id IS NULL AS new,
    s.question_id IS NULL AS gone,
    s.text
FROM {source} s
FULL JOIN {questions} q USING (question_id)
LEFT JOIN tagdb.text t ON t.id = q.text_id
WHERE s.text IS DISTINCT FROM t.text

-- name: stage_no_change
CREATE TEMP TABLE change AS
SELECT question_id, text_id AS old_text_id, false AS new, false AS gone, CAST(NULL AS text) AS text
FROM tagdb.question
WITH NO DATA

-- name: no_questions
-- What stands for the stored questions where all are to be stored anew.
(SELECT question_id, CAST(NULL AS bigint) AS text_id FROM tagdb.source WHERE false)

-- name: count_changes
SELECT
    count(*) FILTER (WHERE new) AS new,
    count(*) FILTER (WHERE NOT new AND NOT gone) AS changed,
    count(*) FILTER (WHERE gone) AS gone,
    count(*) FILTER (WHERE NOT new AND NOT gone AND text = '') AS emptied,
    count(*) FILTER (WHERE new AND text = '') AS new_empty,
    count(*) FILTER (WHERE question_id IS NULL) AS without_id
FROM change

-- name: count_questions
SELECT count(*) FROM tagdb.question

-- name: count_wanted_gone
-- Of the questions stored here, those that were gone from the tables after the last import, since a sync has stored what
-- it found, if one with --replace is among these imports.
SELECT coalesce((
    SELECT CAST(detail->>'wanted_gone' AS bigint)
    FROM tagdb.run
    WHERE command = 'import' AND status = 'done'
        AND id > (SELECT coalesce(max(id), 0) FROM tagdb.run WHERE command = 'sync' AND detail ? 'gone')
    ORDER BY id DESC LIMIT 1), 0)

-- name: note_gone
-- Together with what it is about: a run that is killed later has stored it all the same.
UPDATE tagdb.run SET detail = jsonb_build_object('gone', CAST(:gone AS bigint))
WHERE id = (SELECT max(id) FROM tagdb.run WHERE command = 'sync')

-- name: repeated_question
-- The second part finds a question that stands once with its stored text and once with another.
(SELECT question_id FROM change GROUP BY question_id HAVING count(*) > 1 ORDER BY question_id LIMIT 1)
UNION ALL
(SELECT question_id
 FROM {source} s
 WHERE :any_changed AND question_id IN (SELECT question_id FROM change WHERE NOT new AND NOT gone)
 GROUP BY question_id HAVING count(*) > 1 ORDER BY question_id LIMIT 1)
LIMIT 1

-- name: analyze_changes
ANALYZE change

-- name: stage_texts
CREATE TEMP TABLE change_text AS
SELECT text, sha256(convert_to(text, 'UTF8')) AS hash
FROM (SELECT DISTINCT text FROM change WHERE NOT gone) t;
ANALYZE change_text

-- name: insert_texts
-- In the order of the texts, so that neighbours in the table share their beginnings.
INSERT INTO tagdb.text (hash, text)
SELECT hash, text
FROM change_text
ORDER BY text COLLATE "C"
ON CONFLICT (hash) DO NOTHING

-- name: lock_questions
-- Given up before the server looks for a deadlock and ends somebody else's query.
SELECT set_config('tagdb_before.lock_timeout', current_setting('lock_timeout'), true);
SET LOCAL lock_timeout = '500ms';
LOCK TABLE tagdb.text, tagdb.question IN ACCESS EXCLUSIVE MODE;
SELECT set_config('lock_timeout', current_setting('tagdb_before.lock_timeout'), true)

-- name: begin_filling_questions
-- For a first time: rows are written without a look at each one's text, nor, on a server that archives nothing, to the
-- log.
TRUNCATE tagdb.question;
ALTER TABLE tagdb.question DROP CONSTRAINT question_text_id_fkey;
DROP INDEX tagdb.question_text_id

-- name: end_filling_questions
CREATE INDEX question_text_id ON tagdb.question (text_id);
ALTER TABLE tagdb.question ADD CONSTRAINT question_text_id_fkey FOREIGN KEY (text_id) REFERENCES tagdb.text

-- name: upsert_questions
INSERT INTO tagdb.question (question_id, text_id)
SELECT c.question_id, t.id
FROM change c JOIN change_text USING (text) JOIN tagdb.text t USING (hash)
WHERE NOT c.gone
ORDER BY c.question_id
ON CONFLICT (question_id) DO UPDATE SET text_id = EXCLUDED.text_id, seen_at = now()

-- name: delete_gone_questions
DELETE FROM tagdb.question q USING change c WHERE c.gone AND q.question_id = c.question_id

-- name: delete_gone_labels
DELETE FROM tagdb.labels l USING change c WHERE c.gone AND l.question_id = c.question_id

-- name: delete_orphaned_texts
-- Vectors and failures of a text nobody has any more go with it.
DELETE FROM tagdb.text t
USING (SELECT DISTINCT old_text_id AS id FROM change WHERE NOT new) o
WHERE t.id = o.id AND NOT EXISTS (SELECT FROM tagdb.question q WHERE q.text_id = t.id)

-- name: delete_unused_texts
DELETE FROM tagdb.text t WHERE NOT EXISTS (SELECT FROM tagdb.question q WHERE q.text_id = t.id)

-- name: analyze_texts
ANALYZE tagdb.text, tagdb.question

-- name: drop_changes
DROP TABLE IF EXISTS pg_temp.change, pg_temp.change_text

-- name: count_due_texts
-- Those with neither a vector nor a failure, as three counts of which each reads an index.
SELECT (SELECT count(*) FROM tagdb.text)
    - (SELECT count(*) FROM tagdb.text_vector WHERE embedder_id = :embedder)
    - (SELECT count(*)
     FROM tagdb.failure f
     WHERE f.embedder_id = :embedder
        AND NOT EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = f.text_id AND v.embedder_id = :embedder))

-- name: count_due_moved
-- The same of the questions that moved.
SELECT count(DISTINCT q.text_id)
FROM moved m JOIN tagdb.question q USING (question_id)
WHERE NOT EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = q.text_id AND v.embedder_id = :embedder)
    AND NOT EXISTS (SELECT FROM tagdb.failure f WHERE f.text_id = q.text_id AND f.embedder_id = :embedder)

-- name: count_due_after_changes
-- Distinct texts without a vector once `change` is applied; nothing is written.
SELECT
    (SELECT count(DISTINCT c.text COLLATE "C")
     FROM change c LEFT JOIN tagdb.text t USING (text)
     WHERE NOT c.gone
        AND NOT EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = t.id AND v.embedder_id = :embedder)
        AND NOT EXISTS (SELECT FROM tagdb.failure f WHERE f.text_id = t.id AND f.embedder_id = :embedder))
    + (SELECT count(*)
     FROM tagdb.text t
     WHERE NOT EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = t.id AND v.embedder_id = :embedder)
        AND NOT EXISTS (SELECT FROM tagdb.failure f WHERE f.text_id = t.id AND f.embedder_id = :embedder)
        AND NOT EXISTS (SELECT FROM change c WHERE c.text = t.text)
        AND EXISTS (
            SELECT FROM tagdb.question q
            WHERE q.text_id = t.id AND NOT EXISTS (SELECT FROM change c WHERE c.question_id = q.question_id)))
FROM (SELECT) AS nothing

-- name: count_labels_due_after_changes
-- Questions whose label is to be written once `change` is applied and every text that is due has its vector.
SELECT count(*)
FROM (
    SELECT q.question_id, q.text_id
    FROM tagdb.question q
    WHERE NOT EXISTS (SELECT FROM change c WHERE c.question_id = q.question_id)
    UNION ALL
    SELECT c.question_id, t.id FROM change c LEFT JOIN tagdb.text t USING (text) WHERE NOT c.gone
) q
LEFT JOIN tagdb.labels l USING (question_id)
WHERE (l.classifier_id, l.text_id) IS DISTINCT FROM (CAST(:classifier AS integer), q.text_id)
    AND NOT EXISTS (SELECT FROM tagdb.failure f WHERE f.text_id = q.text_id AND f.embedder_id = :embedder)

-- name: delete_otherwise_truncated
-- Vectors that the cap on tokens would make otherwise now, with the centroids and labels that came from them.
WITH otherwise AS (
    DELETE FROM tagdb.text_vector
    WHERE embedder_id = :embedder AND (tokens > :max_tokens OR (truncated AND tokens < :max_tokens))
    RETURNING text_id
), without_labels AS (
    DELETE FROM tagdb.labels l USING otherwise o WHERE l.text_id = o.text_id
)
DELETE FROM tagdb.tag_vector t
USING tagdb.source_tag st JOIN tagdb.question q USING (question_id) JOIN otherwise o ON o.text_id = q.text_id
WHERE t.embedder_id = :embedder AND t.tag = st.tag

-- name: delete_otherwise_truncated_vectors
-- The same where ids and labels are stored anew, and so are all centroids then.
DELETE FROM tagdb.text_vector
WHERE embedder_id = :embedder AND (tokens > :max_tokens OR (truncated AND tokens < :max_tokens))

-- name: not_storable
-- Of the texts that were embedded, those deleted or embedded by somebody else in the meantime.
SELECT i.text_id
FROM unnest(CAST(:text_ids AS bigint[])) AS i (text_id)
WHERE NOT EXISTS (SELECT FROM tagdb.text t WHERE t.id = i.text_id)
    OR EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = i.text_id AND v.embedder_id = :embedder)

-- name: record_failures
INSERT INTO tagdb.failure (text_id, embedder_id, reason)
SELECT t.id, :embedder, f.reason
FROM unnest(CAST(:text_ids AS bigint[]), CAST(:reasons AS text[])) AS f (text_id, reason)
JOIN tagdb.text t ON t.id = f.text_id
ORDER BY t.id
ON CONFLICT (text_id, embedder_id) DO UPDATE SET
    reason = EXCLUDED.reason, attempts = tagdb.failure.attempts + 1, last_at = now()

-- name: analyze_vectors
ANALYZE tagdb.text_vector

-- name: last_rate
-- Distinct texts a second of the last sync with this embedder, if there is one of those that embedded many.
SELECT (detail->>'texts_per_second')::double precision
FROM tagdb.run
WHERE command = 'sync' AND status = 'done' AND (detail->>'embedder_id')::integer = :embedder
    AND (detail->>'texts_per_second') IS NOT NULL
ORDER BY written >= 1000 DESC, id DESC
LIMIT 1
