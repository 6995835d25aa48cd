-- The record of what was run: every command that writes leaves one row.

-- name: start
-- The lock tells for as long as the connection lives that the run is still at work.
WITH started AS (
    INSERT INTO tagdb.run (command, args, status) VALUES (:command, CAST(:args AS jsonb), 'running') RETURNING id
)
SELECT id, pg_advisory_lock(CAST('tagdb'::regnamespace AS integer) # 1952540530, id::integer) FROM started

-- name: close_killed
UPDATE tagdb.run SET status = 'killed'
WHERE status = 'running' AND id NOT IN (
    SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
        AND classid = CAST(CAST('tagdb'::regnamespace AS integer) # 1952540530 AS oid)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))

-- name: finish
UPDATE tagdb.run SET
    finished_at = now(), status = :status, read = :read, written = :written, skipped = :skipped, failed = :failed,
    detail = CAST(:detail AS jsonb)
WHERE id = :id

-- name: forget_idle
-- Of a sync that found nothing to do: the last complete one stands for it, if there is one.
WITH last AS (
    SELECT id
    FROM tagdb.run
    WHERE command = 'sync' AND status = 'done' AND args->>'limit' IS NULL AND NOT detail ? 'label_fault' AND id <> :id
    ORDER BY id DESC LIMIT 1
), idle AS (
    DELETE FROM tagdb.run WHERE id = :id AND EXISTS (SELECT FROM last) RETURNING started_at
)
UPDATE tagdb.run r SET detail = r.detail || jsonb_build_object('current_at', idle.started_at)
FROM last, idle
WHERE r.id = last.id

-- name: last
-- A standby does not see who is at work on its primary.
SELECT id, command, started_at, finished_at, read, written, skipped, failed,
    CASE WHEN status = 'running' AND NOT pg_is_in_recovery() AND id NOT IN (
        SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
            AND classid = CAST(CAST('tagdb'::regnamespace AS integer) # 1952540530 AS oid)
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    THEN 'killed' ELSE status END AS status, detail->>'error' AS error
FROM tagdb.run ORDER BY id DESC LIMIT 1

-- name: last_failure
-- The last sync, or else the last command of all, if that is how it ended; one that runs now has not ended.
SELECT command, detail->>'error' AS error
FROM (
    (SELECT * FROM tagdb.run WHERE command = 'sync' AND status <> 'running' ORDER BY id DESC LIMIT 1)
    UNION ALL
    (SELECT * FROM tagdb.run WHERE status <> 'running' ORDER BY id DESC LIMIT 1)
) r
WHERE status = 'failed'
ORDER BY command = 'sync' DESC LIMIT 1

-- name: prune
-- All but what sync and status go by: the last one that left nothing to do, the last ones that tell the rate, the last
-- import, which may have said that questions shall go, and that there was a classifier.
DELETE FROM tagdb.run
WHERE started_at < now() - make_interval(days => :days) AND status <> 'running'
    AND id NOT IN (
        SELECT max(id) FROM tagdb.run
        WHERE command = 'sync' AND status = 'done' AND detail ? 'fingerprints'
        HAVING max(id) IS NOT NULL
        UNION ALL
        SELECT max(id) FROM tagdb.run WHERE command IN ('train', 'import') AND status = 'done' GROUP BY command
        UNION ALL
        SELECT max(id) FROM tagdb.run
        WHERE command = 'sync' AND status = 'done' AND detail->>'texts_per_second' IS NOT NULL
        GROUP BY detail->>'embedder_id', written >= 1000)
