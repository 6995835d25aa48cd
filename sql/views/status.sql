-- How current everything is, in one row for whoever watches it.
--   SELECT due, stale_labels, last_status, seconds_since_sync FROM tagdb.status;
-- Each count is a subquery of its own: what is not selected is not counted. The user's tables are not read, so what has
-- changed in them since the last sync is not in here; nor do they depend on it.
CREATE OR REPLACE VIEW tagdb.status AS
SELECT
    (SELECT obj_description(c.oid, 'pg_class')
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'tagdb' AND c.relname = 'source') AS source,
    (SELECT count(*) FROM tagdb.question) AS questions,
    (SELECT count(*) FROM tagdb.text) AS texts,
    (SELECT count(*) FROM tagdb.text_vector v WHERE v.embedder_id = chosen.id) AS embedded,
    (SELECT count(*) FROM tagdb.text)
        - (SELECT count(*) FROM tagdb.text_vector v WHERE v.embedder_id = chosen.id)
        - (SELECT count(*)
         FROM tagdb.failure f
         WHERE f.embedder_id = chosen.id
            AND NOT EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = f.text_id AND v.embedder_id = chosen.id)
        ) AS due,
    (SELECT count(*)
     FROM tagdb.failure f
     WHERE f.embedder_id = chosen.id
        AND NOT EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = f.text_id AND v.embedder_id = chosen.id)
    ) AS failed,
    (SELECT count(*) FROM tagdb.labels) AS labelled,
    (SELECT count(*)
     FROM tagdb.question q LEFT JOIN tagdb.labels l USING (question_id)
     WHERE (l.classifier_id, l.text_id) IS DISTINCT FROM (classifier.id, q.text_id)
        AND classifier.id IS NOT NULL
        AND EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = q.text_id AND v.embedder_id = active.id)
    ) AS stale_labels,
    active.name AS embedder,
    CASE WHEN chosen.id <> active.id THEN chosen.name END AS switching_to,
    classifier.name AS classifier,
    last.command AS last_command,
    CASE WHEN last.status = 'running' AND NOT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2
            AND classid = CAST(CAST('tagdb'::regnamespace AS integer) # 1952540530 AS oid) AND objid::bigint = last.id
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    THEN 'killed' ELSE last.status END AS last_status,
    last.finished_at AS last_finished_at,
    last.detail->>'error' AS last_error,
    (SELECT extract(epoch FROM now() - r.finished_at)::double precision
     FROM tagdb.run r
     WHERE r.command = 'sync' AND r.status = 'done' AND r.args->>'limit' IS NULL
     ORDER BY r.id DESC LIMIT 1) AS seconds_since_sync
FROM (SELECT) AS one
LEFT JOIN (SELECT id, name FROM tagdb.embedder WHERE chosen) chosen ON true
LEFT JOIN (SELECT id, name FROM tagdb.embedder WHERE active) active ON true
LEFT JOIN (SELECT id, name FROM tagdb.classifier WHERE active) classifier ON true
LEFT JOIN (SELECT id, command, status, finished_at, detail FROM tagdb.run ORDER BY id DESC LIMIT 1) last ON true;

COMMENT ON COLUMN tagdb.status.source IS 'what is embedded, NULL before the first sync';
COMMENT ON COLUMN tagdb.status.embedded IS 'texts that have a vector by the embedder that sync embeds with';
COMMENT ON COLUMN tagdb.status.due IS 'texts that have neither a vector nor a recorded failure';
COMMENT ON COLUMN tagdb.status.failed IS 'texts that have no vector, for reasons in tagdb.failure';
COMMENT ON COLUMN tagdb.status.stale_labels IS 'questions whose label is missing, or of another text or classifier';
COMMENT ON COLUMN tagdb.status.embedder IS 'the embedder that everything reads';
COMMENT ON COLUMN tagdb.status.switching_to IS 'the embedder that sync embeds with, where it is another one';
COMMENT ON COLUMN tagdb.status.last_status IS 'of the last command: running, done, stopped, failed or killed';
COMMENT ON COLUMN tagdb.status.seconds_since_sync IS 'since the last sync without a limit ended well';
