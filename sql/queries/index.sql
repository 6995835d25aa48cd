-- The HNSW indexes: on the half-precision form of the vectors, a third of the size and twice as fast to build.

-- name: build_text_vector
CREATE INDEX text_vector_hnsw ON tagdb.text_vector USING hnsw ((embedding::halfvec(1024)) halfvec_cosine_ops)

-- name: build_tag_vector
CREATE INDEX tag_vector_hnsw ON tagdb.tag_vector USING hnsw ((embedding::halfvec(1024)) halfvec_cosine_ops)

-- name: drop_text_vector
DROP INDEX IF EXISTS tagdb.text_vector_hnsw

-- name: drop_tag_vector
DROP INDEX IF EXISTS tagdb.tag_vector_hnsw

-- name: status
SELECT t.relation, t.index_name,
    i.indexrelid IS NOT NULL AND i.indisvalid AS built,
    coalesce(pg_relation_size(i.indexrelid), 0) AS bytes,
    (SELECT CASE t.relation WHEN 'text_vector' THEN (SELECT count(*) FROM tagdb.text_vector)
        ELSE (SELECT count(*) FROM tagdb.tag_vector) END) AS vectors
FROM (VALUES ('text_vector', 'text_vector_hnsw'), ('tag_vector', 'tag_vector_hnsw')) AS t (relation, index_name)
LEFT JOIN pg_index i ON i.indexrelid = to_regclass('tagdb.' || t.index_name)

-- name: progress
SELECT tuples_done FROM pg_stat_progress_create_index
WHERE datname = current_database() AND relid = to_regclass('tagdb.' || :relation)
