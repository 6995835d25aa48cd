-- Whether labels are kept current, in one row for an alarm: how long ago they were, and what keeps them from being so.
--   SELECT lag_seconds, last_error, running_seconds FROM tagdb.health;
-- Each column is a subquery of its own: what is not selected costs nothing. All but "due" look at a few rows of
-- tagdb.run and tagdb.worker, at tagdb.failure and at what waits; "due" looks at every text. The user's tables are not read.
CREATE OR REPLACE VIEW tagdb.health AS
SELECT
    extract(epoch FROM now() - complete.current_at)::double precision AS lag_seconds,
    complete.current_at,
    complete.finished_at AS last_sync_at,
    extract(epoch FROM now() - complete.finished_at)::double precision AS seconds_since_sync,
    (SELECT coalesce(r.detail->>'error', r.status)
     FROM (SELECT * FROM tagdb.run WHERE command = 'sync' AND status <> 'running' ORDER BY id DESC LIMIT 1) r
     WHERE r.status = 'failed') AS last_error,
    running.command AS running,
    extract(epoch FROM now() - running.started_at)::double precision AS running_seconds,
    (SELECT count(*)
     FROM tagdb.failure f
     WHERE f.embedder_id = chosen.id
        AND NOT EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = f.text_id AND v.embedder_id = chosen.id)
    ) AS failed,
    (SELECT count(*)
     FROM tagdb.text t
     WHERE NOT EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = t.id AND v.embedder_id = chosen.id)
        AND NOT EXISTS (SELECT FROM tagdb.failure f WHERE f.text_id = t.id AND f.embedder_id = chosen.id)
    ) AS due,
    CASE WHEN EXISTS (SELECT FROM tagdb.capture) THEN (
        SELECT count(DISTINCT w.question_id)
        FROM (
            SELECT c.question_id FROM tagdb.captured CROSS JOIN LATERAL unnest(question_ids) AS c (question_id)
            UNION ALL
            SELECT u.question_id FROM tagdb.unfinished u
        ) w) END AS waiting,
    (SELECT extract(epoch FROM now() - min(c.captured_at))::double precision FROM tagdb.captured c) AS waiting_seconds,
    (SELECT count(*)
     FROM tagdb.worker w
     WHERE w.run_id = running.id AND w.ended_at IS NULL AND (pg_is_in_recovery() OR EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2
            AND classid = CAST(CAST('tagdb'::regnamespace AS integer) # 1952540530 AS oid)
            AND objid::bigint = 4294967296 - w.id
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())))
    ) AS workers
FROM (SELECT) AS one
LEFT JOIN (
    SELECT finished_at, greatest(started_at, CAST(detail->>'current_at' AS timestamptz)) AS current_at
    FROM tagdb.run
    WHERE command = 'sync' AND status = 'done' AND args->>'limit' IS NULL AND NOT detail ? 'label_fault'
    ORDER BY id DESC LIMIT 1
) complete ON true
LEFT JOIN (
    SELECT id, command, started_at
    FROM tagdb.run
    WHERE status = 'running' AND (pg_is_in_recovery() OR EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2
            AND classid = CAST(CAST('tagdb'::regnamespace AS integer) # 1952540530 AS oid) AND objid::bigint = run.id
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())))
    ORDER BY id DESC LIMIT 1
) running ON true
LEFT JOIN (SELECT id FROM tagdb.embedder WHERE chosen) chosen ON true;

COMMENT ON COLUMN tagdb.health.lag_seconds IS 'labels are as your rows were so long ago, or newer; NULL before a sync';
COMMENT ON COLUMN tagdb.health.current_at IS 'when everything was last known to be as your rows say';
COMMENT ON COLUMN tagdb.health.last_sync_at IS 'when the last sync ended that left nothing to do';
COMMENT ON COLUMN tagdb.health.last_error IS 'why the last sync failed, NULL where it did not';
COMMENT ON COLUMN tagdb.health.running IS 'the command that is at work; a standby cannot tell one that was killed';
COMMENT ON COLUMN tagdb.health.failed IS 'texts that have no vector, for reasons in tagdb.failure';
COMMENT ON COLUMN tagdb.health.due IS 'texts that have neither a vector nor a recorded failure; this looks at every text';
COMMENT ON COLUMN tagdb.health.waiting IS 'questions whose changes were captured and not yet synced, NULL where changes are not captured';
COMMENT ON COLUMN tagdb.health.waiting_seconds IS 'since the oldest of these changes was made, NULL where none waits';
COMMENT ON COLUMN tagdb.health.workers IS 'processes that embed for the running sync; a standby cannot tell one that was killed';

-- Who was let read tagdb.status may read this, too, also where that was before there was this view.
DO $$
DECLARE reader text;
BEGIN
    FOR reader IN
        SELECT DISTINCT quote_ident(pg_get_userbyid(a.grantee))
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
        WHERE c.oid = to_regclass('tagdb.status') AND a.privilege_type = 'SELECT' AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT SELECT ON tagdb.health TO %s', reader);
    END LOOP;
END $$;
