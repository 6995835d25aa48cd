-- An embedder's vectors lie in a partition of text_vector and one of tag_vector, which are made and dropped whole.

-- name: exists
SELECT to_regclass('tagdb.' || :name) IS NOT NULL

-- name: create
-- ATTACH, unlike CREATE TABLE PARTITION OF, lets everybody go on reading.
CREATE TABLE tagdb.{relation}_{embedder} (
    LIKE tagdb.{relation} INCLUDING ALL,
    CONSTRAINT {relation}_{embedder}_dim_check CHECK (vector_dims(embedding) = {dim})
);
ALTER TABLE tagdb.{relation} ATTACH PARTITION tagdb.{relation}_{embedder} FOR VALUES IN ({embedder});
COMMENT ON TABLE tagdb.{relation}_{embedder} IS 'the part of {relation} that embedder {embedder} made'

-- name: unused
-- Embedders that are neither chosen nor active, or no longer there, and still have partitions.
SELECT DISTINCT CAST(substring(c.relname FROM '\d+$') AS integer) AS embedder
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent IN ('tagdb.text_vector'::regclass, 'tagdb.tag_vector'::regclass)
    AND CAST(substring(c.relname FROM '\d+$') AS integer) NOT IN
        (SELECT id FROM tagdb.embedder WHERE chosen OR active)
ORDER BY embedder

-- name: wait_briefly
-- Readers queue behind a DROP that waits. It waits a little longer than deadlock_timeout (one second), when an autovacuum
-- that is in the way gives up.
SET LOCAL lock_timeout = '1500ms'

-- name: drop
DROP TABLE IF EXISTS tagdb.text_vector_{embedder}, tagdb.tag_vector_{embedder}
