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
