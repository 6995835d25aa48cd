-- Labels by the active classifier, computed beside the vectors.

-- name: active_classifier
SELECT c.id, c.name, c.classes, c.settings, c.embedder_id, e.name AS embedder, e.dim, e.active AS embedder_active
FROM tagdb.classifier c JOIN tagdb.embedder e ON e.id = c.embedder_id
WHERE c.active

-- name: stale
-- Questions whose label is missing, of another classifier, or of a text the question no longer has; and with no text,
-- labels of questions that have no vector to predict from: it may be new text not yet embedded, or nothing to embed.
-- Both tables in the order of their keys: merging them takes a third of the time of hashing them.
SELECT question_id, CASE WHEN w.id IS NULL THEN q.text_id END AS text_id, l.question_id IS NOT NULL AS labelled
FROM (SELECT question_id, text_id FROM {questions} q ORDER BY question_id) q
FULL JOIN (SELECT question_id, classifier_id, text_id FROM {labels} l ORDER BY question_id) l USING (question_id)
LEFT JOIN (
    SELECT t.id
    FROM {texts} t
    WHERE NOT EXISTS (SELECT FROM tagdb.text_vector v WHERE v.text_id = t.id AND v.embedder_id = {embedder})
) w ON w.id = q.text_id
WHERE CASE
    WHEN q.text_id IS NULL OR w.id IS NOT NULL THEN l.question_id IS NOT NULL
    ELSE (l.classifier_id, l.text_id) IS DISTINCT FROM (CAST({classifier} AS integer), q.text_id) END

-- name: create_stale
CREATE UNLOGGED TABLE tagdb.stale_label AS SELECT * FROM {stale} s

-- name: count_stale
SELECT count(text_id) AS stale, count(*) - count(text_id) AS unfounded FROM tagdb.stale_label

-- name: delete_unfounded
DELETE FROM tagdb.labels l USING tagdb.stale_label s WHERE s.text_id IS NULL AND l.question_id = s.question_id

-- name: analyze_stale
ANALYZE tagdb.stale_label

-- name: create_stale_texts
-- A table of its own, for the planner to know how many they are.
CREATE UNLOGGED TABLE tagdb.stale_text AS
SELECT DISTINCT text_id FROM tagdb.stale_label WHERE text_id IS NOT NULL

-- name: analyze_stale_texts
ANALYZE tagdb.stale_text

-- name: weights
SELECT CAST(intercept AS text) AS intercept, CAST(coef AS text) AS coef
FROM tagdb.classifier_weight WHERE classifier_id = :classifier
ORDER BY position

-- name: classes
SELECT array_agg(class ORDER BY position) FROM tagdb.classifier_weight WHERE classifier_id = {classifier}

-- name: prefer_workers
-- To the planner a vector costs as little as a number, too little to share the work.
SET LOCAL parallel_tuple_cost = 0

-- name: create_scored
-- What tagdb.classify gives, for many texts: the scores of all classes are one expression, without a subquery a
-- text. The cast gives a vector that lies out of line as a copy in memory. A WITH, though empty, keeps the planner from
-- merging two steps, so that each vector is fetched and each score computed once; OFFSET 0 would do it too, but without
-- parallel workers. For these the table is unlogged and not temporary, and the weights are constants.
CREATE UNLOGGED TABLE tagdb.scored_text AS
SELECT text_id, ({classes})[array_position(scores, highest)] AS label, 1 / ({odds}) AS probability
FROM (
    WITH apart AS (SELECT)
    SELECT text_id, scores, greatest({each_score}) AS highest
    FROM (
        WITH apart AS (SELECT)
        SELECT text_id, ARRAY[{scores}] AS scores
        FROM (
            WITH apart AS (SELECT)
            SELECT t.text_id, CAST(t.embedding AS vector({dim})) AS embedding
            FROM {texts} s JOIN tagdb.text_vector t ON t.text_id = s.text_id AND t.embedder_id = {embedder}
        ) v
    ) scored
) ranked

-- name: analyze_scored
ANALYZE tagdb.scored_text

-- name: write_labels
-- What is stale lies in the order of the questions, so that the key's index grows at its end.
WITH renewed AS (
    UPDATE tagdb.labels l
    SET label = t.label, probability = t.probability, classifier_id = :classifier, text_id = s.text_id,
        predicted_at = now()
    FROM tagdb.stale_label s JOIN tagdb.scored_text t USING (text_id)
    WHERE s.labelled AND l.question_id = s.question_id
)
INSERT INTO tagdb.labels (question_id, label, probability, classifier_id, text_id)
SELECT s.question_id, t.label, t.probability, :classifier, s.text_id
FROM tagdb.stale_label s JOIN tagdb.scored_text t USING (text_id)
WHERE NOT s.labelled

-- name: drop_work
DROP TABLE IF EXISTS tagdb.stale_label, tagdb.stale_text, tagdb.scored_text

-- name: analyze
ANALYZE tagdb.labels

-- name: count_due
SELECT count(*) FROM {stale} s
