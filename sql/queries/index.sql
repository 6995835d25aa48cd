-- The HNSW indexes, one a partition: on the half-precision form of the vectors, a third of the size and twice as fast
-- to build.

-- name: build
CREATE INDEX {index} ON tagdb.{table} USING hnsw ((embedding::halfvec({dim})) halfvec_cosine_ops)

-- name: drop
DROP INDEX IF EXISTS tagdb.{index}

-- name: status
-- Of the embedder in use, then of the one that a switch under way leads to.
SELECT r.relation, e.id AS embedder_id, e.name AS embedder, e.dim, e.active,
    i.indexrelid IS NOT NULL AND i.indisvalid AS built,
    coalesce(pg_relation_size(i.indexrelid), 0) AS bytes,
    CASE r.relation
        WHEN 'text_vector' THEN (SELECT count(*) FROM tagdb.text_vector WHERE embedder_id = e.id)
        ELSE (SELECT count(*) FROM tagdb.tag_vector WHERE embedder_id = e.id) END AS vectors
FROM tagdb.embedder e
CROSS JOIN (VALUES (1, 'text_vector'), (2, 'tag_vector')) AS r (place, relation)
LEFT JOIN pg_index i ON i.indexrelid = to_regclass(format('tagdb.%s_%s_hnsw', r.relation, e.id))
WHERE e.chosen OR e.active
ORDER BY e.active DESC, r.place

-- name: missing
SELECT r.relation
FROM (VALUES ('text_vector'), ('tag_vector')) AS r (relation)
LEFT JOIN pg_index i ON i.indexrelid = to_regclass(format('tagdb.%s_%s_hnsw', r.relation, CAST(:embedder AS integer)))
WHERE i.indexrelid IS NULL OR NOT i.indisvalid

-- name: count_up_to
SELECT count(*) FROM (SELECT FROM {relation} v WHERE embedder_id = :embedder LIMIT :most) counted

-- name: progress
SELECT tuples_done FROM pg_stat_progress_create_index
WHERE datname = current_database() AND relid = to_regclass('tagdb.' || :table)

-- name: maintenance_bytes
SELECT pg_size_bytes(current_setting('maintenance_work_mem'))
