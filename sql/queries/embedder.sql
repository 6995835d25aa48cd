-- Which embedders a database knows, which one sync embeds with (chosen) and which one everything reads (active).

-- name: all
SELECT e.id, e.name, e.kind, e.fingerprint, e.dim, e.directory, e.config, e.chosen, e.active, e.created_at,
    (SELECT count(*) FROM tagdb.text_vector v WHERE v.embedder_id = e.id) AS vectors
FROM tagdb.embedder e ORDER BY e.id

-- name: chosen
SELECT id, name, kind, fingerprint, dim, directory, config, active FROM tagdb.embedder WHERE chosen

-- name: active
SELECT id, name, kind, fingerprint, dim, directory, config, active FROM tagdb.embedder WHERE active

-- name: active_has_vectors
SELECT EXISTS (SELECT FROM tagdb.text_vector WHERE embedder_id = (SELECT id FROM tagdb.embedder WHERE active))

-- name: register
INSERT INTO tagdb.embedder (name, kind, fingerprint, dim, directory, config)
VALUES (:name, :kind, :fingerprint, :dim, :directory, CAST(:config AS jsonb))
ON CONFLICT (fingerprint) DO UPDATE SET name = EXCLUDED.name, directory = EXCLUDED.directory, config = EXCLUDED.config
RETURNING id

-- name: unchoose
UPDATE tagdb.embedder SET chosen = false WHERE chosen AND id <> :id

-- name: choose
UPDATE tagdb.embedder SET chosen = true WHERE id = :id AND NOT chosen

-- name: deactivate
UPDATE tagdb.embedder SET active = false WHERE active AND id <> :id

-- name: activate
UPDATE tagdb.embedder SET active = true WHERE id = :id AND NOT active

-- name: delete_unused_failures
DELETE FROM tagdb.failure f USING tagdb.embedder e WHERE e.id = f.embedder_id AND NOT (e.chosen OR e.active)
