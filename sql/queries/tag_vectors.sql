-- Centroids of the tags: kept current by comparing, tag by tag, which questions with which texts are in them.

-- name: freeze
-- Members and centroids are read one after the other and have to be of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: stage_members
-- The sum over a hash of every (question, text) pair tells whether a centroid still has the same members.
CREATE TEMP TABLE tag_now ON COMMIT DROP AS
SELECT st.tag, CAST(sum(hashint8extended(q.question_id, q.text_id)) % 9223372036854775808 AS bigint) AS members
FROM tagdb.source_tag st
JOIN tagdb.question q USING (question_id)
JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = :embedder
WHERE st.tag IS NOT NULL
GROUP BY st.tag

-- name: delete_gone
DELETE FROM tagdb.tag_vector t
WHERE t.embedder_id = :embedder AND NOT EXISTS (SELECT FROM tag_now n WHERE n.tag = t.tag)

-- name: create_stale
-- Unlogged and not temporary: parallel workers cannot read temporary tables. It lives for one transaction.
CREATE UNLOGGED TABLE tagdb.stale_tag AS
SELECT n.tag, n.members
FROM tag_now n
LEFT JOIN tagdb.tag_vector t ON t.embedder_id = :embedder AND t.tag = n.tag
WHERE t.members IS DISTINCT FROM n.members

-- name: analyze_stale
ANALYZE tagdb.stale_tag

-- name: count_stale
SELECT count(*) FROM tagdb.stale_tag

-- name: create_stale_pairs
-- A question counts once for a tag, however often the source lists it there.
CREATE UNLOGGED TABLE tagdb.stale_pair AS
SELECT st.tag, q.text_id, count(*) AS n
FROM (SELECT DISTINCT question_id, tag FROM tagdb.source_tag JOIN tagdb.stale_tag USING (tag)) st
JOIN tagdb.question q USING (question_id)
GROUP BY st.tag, q.text_id

-- name: create_scales
-- pgvector multiplies element by element, so a factor is a vector of equal elements.
CREATE UNLOGGED TABLE tagdb.stale_scale AS
SELECT n, array_fill(n::real, ARRAY[CAST(:dim AS integer)])::vector AS factor
FROM (SELECT DISTINCT n FROM tagdb.stale_pair) t

-- name: analyze_pairs
ANALYZE tagdb.stale_pair, tagdb.stale_scale

-- name: prefer_workers
-- To the planner a vector costs as little as a number, too little to share the work.
SET LOCAL parallel_tuple_cost = 0

-- name: create_centroids
-- A text that many questions share is read once for each of its tags and weighs as many times as it occurs:
-- mean = avg(n * embedding) * texts / questions. `avg` sums in double precision. Most texts occur once.
CREATE UNLOGGED TABLE tagdb.stale_centroid AS
SELECT p.tag,
    CAST(sum(p.n) AS bigint) AS questions,
    avg(CASE WHEN p.n = 1 THEN v.embedding ELSE v.embedding * s.factor END)
    * array_fill((count(*) / sum(p.n))::real, ARRAY[CAST(:dim AS integer)])::vector AS embedding
FROM tagdb.stale_pair p
JOIN tagdb.stale_scale s USING (n)
JOIN tagdb.text_vector v ON v.text_id = p.text_id AND v.embedder_id = :embedder
GROUP BY p.tag

-- name: upsert
INSERT INTO tagdb.tag_vector (embedder_id, tag, questions, members, embedding)
SELECT :embedder, s.tag, c.questions, s.members, c.embedding
FROM tagdb.stale_tag s JOIN tagdb.stale_centroid c USING (tag)
ORDER BY s.tag
ON CONFLICT (embedder_id, tag) DO UPDATE SET
    questions = EXCLUDED.questions, members = EXCLUDED.members, embedding = EXCLUDED.embedding

-- name: drop_work
DROP TABLE IF EXISTS tagdb.stale_tag, tagdb.stale_pair, tagdb.stale_scale, tagdb.stale_centroid

-- name: analyze
ANALYZE tagdb.tag_vector
