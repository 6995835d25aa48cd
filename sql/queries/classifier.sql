-- The stored classifiers.

-- name: all
SELECT c.id, c.name, c.active, e.name AS embedder, e.active AS embedder_active, c.classes, c.query, c.metrics, c.settings,
    c.versions, c.created_at
FROM tagdb.classifier c JOIN tagdb.embedder e ON e.id = c.embedder_id
ORDER BY c.id

-- name: find
-- By number or by name.
SELECT c.id, c.name, c.active, e.name AS embedder, e.active AS embedder_active, c.classes, c.query, c.metrics, c.settings,
    c.versions, c.created_at
FROM tagdb.classifier c JOIN tagdb.embedder e ON e.id = c.embedder_id
WHERE c.name = :which OR c.id::text = :which
ORDER BY c.name = :which DESC LIMIT 1

-- name: deactivate
UPDATE tagdb.classifier SET active = false WHERE active AND id <> :id

-- name: activate
UPDATE tagdb.classifier SET active = true WHERE id = :id AND NOT active

-- name: count_labels
SELECT count(*) FILTER (WHERE classifier_id = :id) AS written, count(*) AS total FROM tagdb.labels

-- name: delete
DELETE FROM tagdb.classifier WHERE id = :id
