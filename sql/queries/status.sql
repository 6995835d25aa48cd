-- One exact picture of how current everything is.

-- name: counts
SELECT
    (SELECT count(*) FROM tagdb.question) AS questions,
    (SELECT count(*) FROM tagdb.text) AS texts,
    (SELECT count(*) FROM tagdb.text_vector WHERE embedder_id = :embedder) AS embedded,
    (SELECT count(*) FROM tagdb.text_vector WHERE embedder_id = :embedder AND truncated) AS truncated,
    (SELECT count(*) FROM tagdb.failure WHERE embedder_id = :embedder) AS failed,
    (SELECT count(*) FROM tagdb.tag_vector WHERE embedder_id = :embedder) AS tags,
    (SELECT count(*) FROM tagdb.labels) AS labelled

-- name: changes
-- As sync.stage_changes, counted in place.
SELECT
    count(*) FILTER (WHERE s.question_id IS NOT NULL) AS rows,
    count(*) FILTER (WHERE q.question_id IS NULL) AS new,
    count(*) FILTER (WHERE q.question_id IS NOT NULL AND s.question_id IS NOT NULL AND s.text <> t.text) AS changed,
    count(*) FILTER (WHERE s.question_id IS NULL) AS gone
FROM tagdb.source s
FULL JOIN tagdb.question q USING (question_id)
LEFT JOIN tagdb.text t ON t.id = q.text_id

-- name: failure_reasons
SELECT f.reason, count(*) AS texts, sum((SELECT count(*) FROM tagdb.question q WHERE q.text_id = f.text_id))::bigint AS questions
FROM tagdb.failure f WHERE f.embedder_id = :embedder GROUP BY f.reason ORDER BY texts DESC

-- name: tables
-- What the two views name, so that it means the same on any search path.
SELECT DISTINCT format('%I.%I', n.nspname, c.relname) AS name
FROM pg_rewrite r
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.ev_class IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag')) AND d.refobjid <> r.ev_class
ORDER BY name

-- name: other_meanings
-- Tables that have taken over a name that a preset reads by: the view goes on reading the one of before.
SELECT DISTINCT p.name, format('%I.%I', n.nspname, c.relname) AS now
FROM (VALUES
    ('tagdb.source', 'questions', CAST(:presets AS text[])),
    ('tagdb.source', 'tags', '{tags,title+tags}'),
    ('tagdb.source_tag', 'tags', '{preset}')
) AS p (view, name, comments)
JOIN pg_class c ON c.oid = to_regclass(p.name)
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE obj_description(to_regclass(p.view), 'pg_class') = ANY (p.comments)
    AND NOT EXISTS (
        SELECT
        FROM pg_rewrite r
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE r.ev_class = to_regclass(p.view) AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid)
ORDER BY p.name

-- name: has_questions
SELECT to_regclass('questions') IS NOT NULL

-- name: lost_classifier
-- No classifier is active, though there was one once: the newest of those that could take its place.
SELECT (
    SELECT c.name FROM tagdb.classifier c JOIN tagdb.embedder e ON e.id = c.embedder_id AND e.active
    ORDER BY c.id DESC LIMIT 1) AS other
WHERE NOT EXISTS (SELECT FROM tagdb.classifier WHERE active)
    AND (EXISTS (SELECT FROM tagdb.labels)
        OR EXISTS (SELECT FROM tagdb.classifier)
        OR EXISTS (SELECT FROM tagdb.run WHERE command = 'train' AND status = 'done'))
