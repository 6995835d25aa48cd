-- Centroids of the tags: kept current by comparing, tag by tag, which questions with which texts are in them.

-- name: few_changes
SELECT count(*) <= :most FROM (SELECT FROM change LIMIT :most + 1) c

-- name: few_moved
SELECT count(*) <= :most FROM (SELECT FROM moved LIMIT :most + 1) m

-- name: stage_joining
CREATE TEMP TABLE joining AS SELECT question_id FROM change WHERE NOT gone

-- name: stage_left_words
-- Which tags a question had, its old text says where texts are tag lists.
CREATE TEMP TABLE left_tag AS
SELECT c.question_id, t.id AS text_id, w.tag
FROM change c JOIN tagdb.text t ON t.id = c.old_text_id CROSS JOIN LATERAL string_to_table(t.text, ' ') AS w (tag)

-- name: stage_left_tags
-- Other texts do not say it: mostly they are the tags that the question has now.
CREATE TEMP TABLE left_tag AS
SELECT c.question_id, c.old_text_id AS text_id, st.tag
FROM change c JOIN tagdb.source_tag st USING (question_id)
WHERE c.old_text_id IS NOT NULL

-- name: stage_left_vectors
CREATE TEMP TABLE left_vector AS
SELECT v.text_id, v.embedder_id, v.embedding
FROM tagdb.text_vector v
WHERE v.text_id IN (SELECT {text_id} FROM {relation} r)

-- name: analyze_staged
ANALYZE joining, left_tag, left_vector

-- name: freeze
-- Members and centroids are read one after the other and have to be of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: members
-- The sum over a hash of every (question, text) pair tells whether a centroid still has the same members. The question's
-- number (an integer id, a hash of another one) is the seed: all 64 bits of it count, while of the other argument 32 do, which tagdb's own numbers of texts fit into. A
-- WITH, though empty, keeps the planner from joining the tags first, which are more, and then looking each one's text up.
SELECT st.tag, CAST(sum(q.pair) % 9223372036854775808 AS bigint) AS members
FROM tagdb.source_tag st
JOIN (
    WITH apart AS (SELECT)
    SELECT q.question_id, hashint8extended(q.text_id, {number}) AS pair
    FROM tagdb.question q JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = {embedder}
) q USING (question_id)
WHERE st.tag IS NOT NULL
GROUP BY st.tag

-- name: stage_members
CREATE TEMP TABLE tag_now ON COMMIT DROP AS SELECT * FROM {members} m

-- name: difference
-- Tags whose centroid is missing or of other members; and, without members, those that no question has any more.
SELECT tag, n.members
FROM {now} n
FULL JOIN (SELECT tag, members FROM tagdb.tag_vector WHERE embedder_id = {embedder}) t USING (tag)
WHERE n.members IS NULL OR t.members IS NULL OR (CAST(t.members AS numeric) - n.members) % 9223372036854775808 <> 0

-- name: count_due
SELECT count(*) FROM {difference} d

-- name: delete_gone
DELETE FROM tagdb.tag_vector t
WHERE t.embedder_id = :embedder AND NOT EXISTS (SELECT FROM tag_now n WHERE n.tag = t.tag)

-- name: create_stale
-- Unlogged and not temporary: parallel workers cannot read temporary tables. It lives for one transaction.
CREATE UNLOGGED TABLE tagdb.stale_tag AS SELECT tag, members FROM {difference} d WHERE members IS NOT NULL

-- name: moves_tell
-- Whether the staged moves are all that has changed since centroids were current: where texts are tag lists and no tag,
-- then or now, holds the blank that separates them, what a text says is which tags there were.
SELECT NOT EXISTS (SELECT FROM tagdb.tag_vector WHERE embedder_id = :embedder AND strpos(tag, ' ') > 0)
    AND NOT EXISTS (
        SELECT
        FROM moved m
        CROSS JOIN LATERAL (SELECT tag FROM tagdb.source_tag WHERE question_id = m.question_id OFFSET 0) st
        WHERE strpos(st.tag, ' ') > 0)

-- name: delete_left
DELETE FROM tagdb.tag_vector t
USING tag_move m
WHERE t.embedder_id = :embedder AND t.tag = m.tag AND t.questions + m.questions = 0

-- name: create_stale_moved
CREATE UNLOGGED TABLE tagdb.stale_tag AS
SELECT m.tag, CAST((coalesce(t.members, 0) + m.members) % 9223372036854775808 AS bigint) AS members
FROM tag_move m
LEFT JOIN tagdb.tag_vector t ON t.embedder_id = :embedder AND t.tag = m.tag
WHERE coalesce(t.questions, 0) + m.questions > 0

-- name: analyze_stale
ANALYZE tagdb.stale_tag

-- name: count_stale
SELECT count(*) FROM tagdb.stale_tag

-- name: has_staged
SELECT to_regclass('pg_temp.joining') IS NOT NULL

-- name: stage_moves
-- Each (question, text) pair that left a tag, or joined it; `listed` is how often the checksum counts it. Which pairs were
-- in the centroids, their vectors tell; where that is `known` otherwise, a vector may be lost with a session. A pair that
-- leaves and joins stays.
CREATE TEMP TABLE move ON COMMIT DROP AS
SELECT tag, question_id, text_id, joins, listed
FROM (
    SELECT p.*, count(*) OVER (PARTITION BY p.tag, p.question_id, p.text_id, p.listed) AS sides
    FROM (
        SELECT m.tag, m.question_id, m.text_id, m.joins, count(*) AS listed
        FROM (
            SELECT l.tag, l.question_id, l.text_id, false AS joins
            FROM left_tag l LEFT JOIN left_vector v ON v.text_id = l.text_id AND v.embedder_id = {embedder}
            WHERE v.text_id IS NOT NULL OR {known}
            UNION ALL
            SELECT st.tag, q.question_id, q.text_id, true
            FROM joining j
            JOIN tagdb.question q USING (question_id)
            JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = {embedder}
            JOIN {tags} st ON st.question_id = q.question_id
        ) m
        WHERE tag IS NOT NULL
        GROUP BY m.tag, m.question_id, m.text_id, m.joins
    ) p
) o
WHERE sides = 1

-- name: sum_moves
-- What the moves of a tag change its numbers by.
CREATE TEMP TABLE tag_move ON COMMIT DROP AS
SELECT tag,
    count(*) AS moves,
    CAST(sum(CASE WHEN joins THEN 1 ELSE -1 END) AS bigint) AS questions,
    sum(CASE WHEN joins THEN listed ELSE -listed END * CAST(hashint8extended(text_id, {number}) AS numeric))
        AS members
FROM move
GROUP BY tag

-- name: begin_new
-- A tag of joining questions alone: moved from zero, its centroid is their average.
INSERT INTO tagdb.tag_vector (embedder_id, tag, questions, members, embedding)
SELECT DISTINCT :embedder, tag, 0, 0, array_fill(0::real, ARRAY[CAST(:dim AS integer)])::vector FROM move JOIN tagdb.stale_tag USING (tag)
ON CONFLICT (embedder_id, tag) DO NOTHING

-- name: stage_movable
-- The tags whose members of before are, by the checksum, those of now but for the moves: where every tag's checksum was
-- taken, it says that nothing else has changed in them, and that which tags the questions had was guessed right. Tags
-- reach their last step in different syncs.
CREATE TEMP TABLE movable ON COMMIT DROP AS
SELECT s.tag, s.members, t.questions + m.questions AS questions, m.moves, c.steps
FROM tag_move m
JOIN tagdb.stale_tag s USING (tag)
JOIN tagdb.tag_vector t ON t.embedder_id = :embedder AND t.tag = s.tag
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN t.questions = 0 THEN 0
        WHEN t.questions + m.questions > 0 THEN ceil(m.moves / (:step * (t.questions + m.questions)))
    END AS steps
) c
WHERE (t.members + m.members - s.members) % 9223372036854775808 = 0
    AND t.steps + c.steps <= :most_steps - mod(abs(CAST(hashtext(s.tag) AS bigint)), :most_steps / 2)
    AND NOT EXISTS (
        SELECT FROM move l
        WHERE l.tag = s.tag AND NOT l.joins AND NOT EXISTS (
            SELECT FROM left_vector v WHERE v.text_id = l.text_id AND v.embedder_id = :embedder))

-- name: analyze_moves
ANALYZE move, movable

-- name: move_centroids
-- Each pair draws the centroid towards its vector or, leaving, away from it. These differences are small beside a sum
-- over all questions, and so is what they round by.
UPDATE tagdb.tag_vector t
SET questions = m.questions,
    members = m.members,
    steps = t.steps + m.steps,
    embedding = t.embedding
        + d.mean * array_fill((m.moves::float8 / m.questions)::real, ARRAY[CAST(:dim AS integer)])::vector
FROM movable m
JOIN (
    SELECT tag, avg(CASE WHEN joins THEN v.embedding - c.embedding ELSE c.embedding - l.embedding END) AS mean
    FROM move
    JOIN movable USING (tag)
    JOIN tagdb.tag_vector c USING (tag)
    LEFT JOIN tagdb.text_vector v ON joins AND v.text_id = move.text_id AND v.embedder_id = :embedder
    LEFT JOIN left_vector l ON NOT joins AND l.text_id = move.text_id AND l.embedder_id = :embedder
    WHERE c.embedder_id = :embedder
    GROUP BY tag
) d USING (tag)
WHERE t.embedder_id = :embedder AND t.tag = m.tag

-- name: delete_moved
DELETE FROM tagdb.stale_tag s USING movable m WHERE m.tag = s.tag

-- name: drop_staged
DROP TABLE IF EXISTS pg_temp.joining, pg_temp.left_tag, pg_temp.left_vector

-- name: create_stale_pairs
-- In the average a question counts once for a tag, in the checksum as often as the source lists it there. Where not every
-- tag's checksum was taken, it is taken here, of the very pairs that are averaged.
CREATE UNLOGGED TABLE tagdb.stale_pair AS
SELECT st.tag, q.text_id, count(*) AS n,
    sum(st.listed * CAST(hashint8extended(q.text_id, {number}) AS numeric)) FILTER (WHERE {with_members}) AS members
FROM {tags} st
JOIN tagdb.question q USING (question_id)
GROUP BY st.tag, q.text_id

-- name: tags_of_stale
(SELECT question_id, tag, count(*) AS listed
 FROM tagdb.source_tag JOIN tagdb.stale_tag USING (tag)
 GROUP BY question_id, tag)

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
    CAST(sum(p.members) % 9223372036854775808 AS bigint) AS members,
    avg(CASE WHEN p.n = 1 THEN v.embedding ELSE v.embedding * s.factor END)
    * array_fill((count(*) / sum(p.n))::real, ARRAY[CAST(:dim AS integer)])::vector AS embedding
FROM tagdb.stale_pair p
JOIN tagdb.stale_scale s USING (n)
JOIN tagdb.text_vector v ON v.text_id = p.text_id AND v.embedder_id = :embedder
GROUP BY p.tag

-- name: upsert
INSERT INTO tagdb.tag_vector (embedder_id, tag, questions, members, embedding)
SELECT :embedder, tag, c.questions, coalesce(c.members, s.members), c.embedding
FROM tagdb.stale_tag s JOIN tagdb.stale_centroid c USING (tag)
ORDER BY tag
ON CONFLICT (embedder_id, tag) DO UPDATE SET
    questions = EXCLUDED.questions, members = EXCLUDED.members, embedding = EXCLUDED.embedding, steps = 0

-- name: drop_work
DROP TABLE IF EXISTS tagdb.stale_tag, tagdb.stale_pair, tagdb.stale_scale, tagdb.stale_centroid

-- name: analyze
ANALYZE tagdb.tag_vector
