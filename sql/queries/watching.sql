-- What a poll looks at: whether rows may have moved, told without reading a table of the user's.

-- name: signs
-- The snapshot is another one as soon as any transaction of the server that wrote something has ended. What was written
-- to a table PostgreSQL counts once the transaction has ended and its session has told, which may take it ten seconds;
-- a table that was emptied or made anew as a whole has another file. Views and partitions lead to what lies below them.
WITH RECURSIVE below (oid) AS (
    SELECT CAST(v.view AS oid) FROM (VALUES (to_regclass('tagdb.source')), (to_regclass('tagdb.source_tag'))) AS v (view)
    UNION
    SELECT found.oid
    FROM below
    JOIN LATERAL (
        SELECT d.refobjid AS oid
        FROM pg_rewrite r
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
            AND d.refclassid = 'pg_class'::regclass
        WHERE r.ev_class = below.oid AND d.refobjid <> r.ev_class
        UNION ALL
        SELECT inhrelid FROM pg_inherits WHERE inhparent = below.oid
    ) found ON true
)
SELECT clock_timestamp() AS read_at,
    CAST(pg_current_snapshot() AS text) AS snapshot,
    concat_ws(' ', CAST(to_regclass('questions') AS oid), CAST(to_regclass('tags') AS oid),
        (SELECT concat_ws('/', id, active) FROM tagdb.embedder WHERE chosen),
        (SELECT id FROM tagdb.classifier WHERE active),
        (SELECT md5(string_agg(concat_ws(':', c.oid, c.relfilenode, pg_stat_get_tuples_inserted(c.oid),
                pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_deleted(c.oid)), ' ' ORDER BY c.oid))
         FROM below JOIN pg_class c USING (oid)
        )) AS writes

-- name: note_current
-- The last complete sync is what a look at the rows has compared with: nothing has moved since. Tells which transaction
-- says so.
UPDATE tagdb.run SET detail = detail || jsonb_build_object('current_at', CAST(:at AS timestamptz))
WHERE id = (
    SELECT id
    FROM tagdb.run
    WHERE command = 'sync' AND status = 'done' AND args->>'limit' IS NULL AND NOT detail ? 'label_fault'
    ORDER BY id DESC LIMIT 1)
RETURNING CAST(CAST(pg_current_xact_id() AS text) AS bigint) AS transaction

-- name: forget_repeated
-- Of a failure that has come three times in a row, the first and the last are enough; also one to renew the labels only.
DELETE FROM tagdb.run
WHERE id = (
    SELECT (array_agg(id ORDER BY id))[2]
    FROM (SELECT * FROM tagdb.run ORDER BY id DESC LIMIT 3) last
    HAVING count(*) FILTER (WHERE command = 'sync' AND read = 0) = 3 AND count(DISTINCT args) = 1
        AND count(DISTINCT status) = 1 AND count(coalesce(detail->>'error', detail->>'label_fault')) = 3
        AND count(DISTINCT coalesce(detail->>'error', detail->>'label_fault')) = 1)
