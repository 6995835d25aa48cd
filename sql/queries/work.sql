-- The texts that a sync has to embed, as rows of which any number of workers take ranges: staged, claimed, tried, done.

-- name: keep_tried
-- What workers of a run that is dead had begun with. A single text is one that was found by halving, also when nobody has
-- begun with it.
CREATE TEMP TABLE tried AS
SELECT r.id AS range_id, r.attempts, d.text_id
FROM tagdb.due_range r
JOIN tagdb.due d ON d.run_id = r.run_id AND d.place BETWEEN r.first AND r.last
JOIN tagdb.run u ON u.id = r.run_id AND CAST(u.detail->>'embedder_id' AS integer) = :embedder
WHERE r.cut AND (r.attempts > 0 OR r.first = r.last)

-- name: drop_tried
DROP TABLE pg_temp.tried

-- name: is_clear
SELECT NOT EXISTS (SELECT FROM tagdb.due) AND NOT EXISTS (SELECT FROM tagdb.due_range)

-- name: lock_all
-- Given up soon: a late worker of a run that is dead may hold on to its range for ever.
SELECT set_config('tagdb_before.lock_timeout', current_setting('lock_timeout'), true);
SET LOCAL lock_timeout = '500ms';
LOCK TABLE tagdb.due, tagdb.due_range IN ACCESS EXCLUSIVE MODE;
SELECT set_config('lock_timeout', current_setting('tagdb_before.lock_timeout'), true)

-- name: empty
TRUNCATE tagdb.due, tagdb.due_range

-- name: delete_due
DELETE FROM tagdb.due

-- name: delete_free_ranges
DELETE FROM tagdb.due_range WHERE id IN (SELECT id FROM tagdb.due_range FOR UPDATE SKIP LOCKED)

-- name: delete_former_workers
DELETE FROM tagdb.worker
WHERE id IN (SELECT id FROM tagdb.worker WHERE run_id <> :run FOR UPDATE SKIP LOCKED)

-- name: stage_texts
-- Numbered in the order of the texts: neighbours share most of their prefixes. How long they are up to each one tells how
-- far a range of so many bytes reaches.
INSERT INTO tagdb.due (run_id, place, text_id, upto)
SELECT :run, row_number() OVER texts, t.id, sum(octet_length(t.text)) OVER (texts ROWS UNBOUNDED PRECEDING)
FROM (
    SELECT t.id, t.text
    FROM tagdb.text t
    WHERE NOT EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = t.id AND v.embedder_id = :embedder)
        AND NOT EXISTS (SELECT FROM tagdb.failure f WHERE f.text_id = t.id AND f.embedder_id = :embedder)
    ORDER BY t.id
    LIMIT :limit
) t
WINDOW texts AS (ORDER BY t.text COLLATE "C")

-- name: stage_moved
-- The same of the questions that moved.
INSERT INTO tagdb.due (run_id, place, text_id, upto)
SELECT :run, row_number() OVER texts, t.id, sum(octet_length(t.text)) OVER (texts ROWS UNBOUNDED PRECEDING)
FROM (
    SELECT t.id, t.text
    FROM (SELECT DISTINCT q.text_id AS id FROM moved JOIN tagdb.question q USING (question_id)) m
    JOIN tagdb.text t USING (id)
    WHERE NOT EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = t.id AND v.embedder_id = :embedder)
        AND NOT EXISTS (SELECT FROM tagdb.failure f WHERE f.text_id = t.id AND f.embedder_id = :embedder)
    ORDER BY t.id
    LIMIT :limit
) t
WINDOW texts AS (ORDER BY t.text COLLATE "C")

-- name: analyze
ANALYZE tagdb.due

-- name: measure
SELECT place AS texts, upto AS bytes FROM tagdb.due WHERE run_id = :run ORDER BY place DESC LIMIT 1

-- name: stage_tried
-- Both runs have the texts in the same order: ranges that did not overlap do not now.
INSERT INTO tagdb.due_range (run_id, first, last, attempts, cut)
SELECT :run, min(d.place), max(d.place), t.attempts, true
FROM pg_temp.tried t JOIN tagdb.due d ON d.run_id = :run AND d.text_id = t.text_id
GROUP BY t.range_id, t.attempts

-- name: stage_rest
-- All between the ranges that were tried before.
INSERT INTO tagdb.due_range (run_id, first, last, cut)
SELECT :run, g.first, g.last, false
FROM (
    SELECT lag(r.last, 1, 0) OVER (ORDER BY r.first) + 1 AS first, r.first - 1 AS last
    FROM (
        SELECT first, last FROM tagdb.due_range WHERE run_id = :run
        UNION ALL
        SELECT :texts + 1, :texts + 1
    ) r
) g
WHERE g.first <= g.last

-- name: announce
-- What a worker that joins has to know.
UPDATE tagdb.run SET detail = detail || jsonb_build_object(
    'embedder_id', CAST(:embedder AS integer), 'max_tokens', CAST(:max_tokens AS integer),
    'block_size', CAST(:block_size AS integer), 'texts', CAST(:texts AS bigint), 'bytes', CAST(:bytes AS bigint))
WHERE id = :run

-- name: running
-- The sync that is at work on the collection, and what it has announced.
SELECT id AS run, detail ? 'bytes' AS announced, CAST(detail->>'embedder_id' AS integer) AS embedder_id,
    CAST(detail->>'max_tokens' AS integer) AS max_tokens, CAST(detail->>'block_size' AS integer) AS block_size,
    CAST(detail->>'texts' AS bigint) AS texts, CAST(detail->>'bytes' AS bigint) AS bytes
FROM tagdb.run
WHERE command = 'sync' AND status = 'running' AND id IN (
    SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
        AND classid = CAST(CAST('tagdb'::regnamespace AS integer) # 1952540530 AS oid)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY id DESC LIMIT 1

-- name: embedder
SELECT id, name, kind, fingerprint, dim, directory, config, active FROM tagdb.embedder WHERE id = :id

-- name: goes_on
-- Whether whoever coordinates the run is there still, and has not called its workers off.
SELECT EXISTS (SELECT FROM tagdb.run WHERE id = :run AND status = 'running' AND NOT detail ? 'called_off') AND EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 2 AND objid::bigint = :run
        AND classid = CAST(CAST('tagdb'::regnamespace AS integer) # 1952540530 AS oid)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))

-- name: call_off
-- Workers finish what they have at hand, and leave.
UPDATE tagdb.run SET detail = detail || '{"called_off": true}' WHERE id = :run

-- name: register
INSERT INTO tagdb.worker (run_id, host, pid) VALUES (:run, :host, :pid) RETURNING id

-- name: hold
-- A worker is there for as long as its connection holds this lock; those of runs have the numbers above 0.
SELECT pg_advisory_lock(CAST('tagdb'::regnamespace AS integer) # 1952540530, CAST(-CAST(:worker AS bigint) AS integer))

-- name: let_go
SELECT pg_advisory_unlock(CAST('tagdb'::regnamespace AS integer) # 1952540530, CAST(-CAST(:worker AS bigint) AS integer))

-- name: leave
UPDATE tagdb.worker SET ended_at = clock_timestamp() WHERE id = :worker

-- name: lock_rest
-- Whoever cuts a piece off holds the rest for a moment, and is not waited for inside a statement: it might be frozen.
SELECT id, first, last FROM tagdb.due_range WHERE run_id = :run AND NOT cut ORDER BY first LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: has_rest
SELECT EXISTS (SELECT FROM tagdb.due_range WHERE run_id = :run AND NOT cut)

-- name: lock_free
-- A range that is cut and that nobody works on: its worker has died, or gave it back. One that was claimed just now is
-- about to be locked. Whoever claims `ahead` takes none that others have died of.
SELECT id, first, last, attempts FROM tagdb.due_range
WHERE run_id = :run AND cut AND claimed_at < clock_timestamp() - interval '1 second' AND (attempts = 0 OR NOT :ahead)
ORDER BY attempts, first LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: cut
-- A piece off the beginning of a range that the session has locked: at least one text, at most so many texts and bytes.
-- Where several workers are there, it is no more than half of what is left for each, or the least that is worth it: so
-- all end together.
WITH base AS (
    SELECT coalesce((SELECT upto FROM tagdb.due WHERE run_id = :run AND place = :first - 1), 0) AS upto,
        least(CAST(:last AS bigint), :first + CAST(:texts AS bigint) - 1) AS stop
), sharing AS (
    SELECT count(*) AS workers
    FROM tagdb.worker w
    WHERE w.run_id = :run AND w.ended_at IS NULL AND 4294967296 - w.id IN (
        SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
            AND classid = CAST(CAST('tagdb'::regnamespace AS integer) # 1952540530 AS oid)
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
), uncut AS (
    SELECT sum(e.upto - coalesce(b.upto, 0)) AS bytes
    FROM tagdb.due_range r
    JOIN tagdb.due e ON e.run_id = r.run_id AND e.place = r.last
    LEFT JOIN tagdb.due b ON b.run_id = r.run_id AND b.place = r.first - 1
    WHERE r.run_id = :run AND NOT r.cut
), size AS (
    SELECT CAST(CASE
        WHEN s.workers > 1 THEN least(:bytes, greatest(:least_bytes, u.bytes / (2 * s.workers))) ELSE :bytes END AS bigint
    ) AS bytes
    FROM sharing s CROSS JOIN uncut u
), piece AS (
    SELECT coalesce((
        SELECT d.place - 1 FROM tagdb.due d
        WHERE d.run_id = :run AND d.place > :first AND d.place <= b.stop AND d.upto > b.upto + s.bytes
        ORDER BY d.place LIMIT 1), b.stop) AS last
    FROM base b CROSS JOIN size s
), shortened AS (
    UPDATE tagdb.due_range r SET first = p.last + 1 FROM piece p WHERE r.id = :range AND p.last < :last
), used_up AS (
    DELETE FROM tagdb.due_range r USING piece p WHERE r.id = :range AND p.last >= :last
)
INSERT INTO tagdb.due_range AS r (run_id, first, last, cut, attempts, worker_id, claimed_at)
SELECT :run, :first, p.last, true, :attempts, :worker, clock_timestamp() FROM piece p
RETURNING r.id, r.first, r.last, r.attempts,
    (SELECT e.upto - b.upto FROM tagdb.due e, base b WHERE e.run_id = r.run_id AND e.place = r.last) AS bytes

-- name: halve
-- Halves of what was tried too often begin with one attempt less. A single text begins anew: it may have lain beside one
-- that kills.
WITH halved AS (
    DELETE FROM tagdb.due_range WHERE id = :range RETURNING run_id, first, last, attempts
)
INSERT INTO tagdb.due_range (run_id, first, last, cut, attempts)
SELECT h.run_id, p.first, p.last, true, CASE WHEN p.first < p.last THEN h.attempts - 1 ELSE 0 END
FROM halved h
CROSS JOIN LATERAL (VALUES (h.first, (h.first + h.last) / 2), ((h.first + h.last) / 2 + 1, h.last)) AS p (first, last)

-- name: lock
SELECT id FROM tagdb.due_range WHERE id = :range AND attempts = :attempts FOR UPDATE SKIP LOCKED

-- name: texts
-- A text that was deleted meanwhile keeps its place.
SELECT t.id, t.text
FROM tagdb.due d JOIN tagdb.text t ON t.id = d.text_id
WHERE d.run_id = :run AND d.place BETWEEN :first AND :last
ORDER BY d.place

-- name: finish
DELETE FROM tagdb.due_range WHERE id = :range

-- name: count
UPDATE tagdb.worker SET
    texts = texts + :texts, truncated = truncated + :truncated, without_token = without_token + :without_token,
    refused = refused + :refused, last_at = clock_timestamp()
WHERE id = :worker

-- name: give_back
-- Unless somebody else has taken it since.
UPDATE tagdb.due_range SET attempts = attempts - 1, claimed_at = '-infinity'
WHERE id IN (SELECT id FROM tagdb.due_range WHERE id = :range AND attempts = :attempts FOR UPDATE SKIP LOCKED)

-- name: is_left
SELECT EXISTS (SELECT FROM tagdb.due_range WHERE run_id = :run)

-- name: done_by_others
SELECT coalesce(sum(texts), 0)::bigint AS texts, coalesce(sum(truncated), 0)::bigint AS truncated,
    coalesce(sum(without_token), 0)::bigint AS without_token, coalesce(sum(refused), 0)::bigint AS refused
FROM tagdb.worker WHERE run_id = :run AND id IS DISTINCT FROM :worker

-- name: at_work
-- Whoever claimed what is left, the one of the longest silence first.
SELECT w.host, w.pid, CAST(extract(epoch FROM clock_timestamp() - max(r.claimed_at)) AS bigint) AS seconds
FROM tagdb.due_range r JOIN tagdb.worker w ON w.id = r.worker_id
WHERE r.run_id = :run AND r.cut
GROUP BY w.id, w.host, w.pid
ORDER BY seconds DESC

-- name: of_process
-- Whether a process has begun with anything.
SELECT bool_or(texts + without_token + refused > 0
    OR EXISTS (SELECT FROM tagdb.due_range r WHERE r.worker_id = w.id)) AS began
FROM tagdb.worker w WHERE run_id = :run AND host = :host AND pid = :pid

-- name: count_done
SELECT coalesce(sum(texts + without_token + refused), 0)::bigint FROM tagdb.worker WHERE run_id = :run
