-- Labels by the active classifier, computed beside the vectors.

-- name: active_classifier
SELECT c.id, c.name, c.classes, c.settings, c.embedder_id, e.name AS embedder, e.active AS embedder_active
FROM tagdb.classifier c JOIN tagdb.embedder e ON e.id = c.embedder_id
WHERE c.active

-- name: create_stale
-- Questions whose label is missing, of another classifier, or of a text the question no longer has.
CREATE UNLOGGED TABLE tagdb.stale_label AS
SELECT q.question_id, q.text_id
FROM tagdb.question q
JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = :embedder
LEFT JOIN tagdb.labels l USING (question_id)
WHERE (l.classifier_id, l.text_id) IS DISTINCT FROM (CAST(:classifier AS integer), q.text_id)

-- name: analyze_stale
ANALYZE tagdb.stale_label

-- name: count_stale
SELECT count(*) FROM tagdb.stale_label

-- name: create_scored
-- Each distinct text once; unlogged and not temporary, so that parallel workers take part.
CREATE UNLOGGED TABLE tagdb.scored_text AS
SELECT v.text_id, c.label, c.probability
FROM (SELECT DISTINCT text_id FROM tagdb.stale_label) s
JOIN tagdb.text_vector v ON v.text_id = s.text_id AND v.embedder_id = :embedder
CROSS JOIN LATERAL tagdb.classify(v.embedding, :classifier) c

-- name: write_labels
INSERT INTO tagdb.labels (question_id, label, probability, classifier_id, text_id)
SELECT s.question_id, t.label, t.probability, :classifier, s.text_id
FROM tagdb.stale_label s JOIN tagdb.scored_text t USING (text_id)
ORDER BY s.question_id
ON CONFLICT (question_id) DO UPDATE SET
    label = EXCLUDED.label, probability = EXCLUDED.probability, classifier_id = EXCLUDED.classifier_id,
    text_id = EXCLUDED.text_id, predicted_at = now()

-- name: delete_unfounded
-- Labels of questions that have no vector to predict from: it may be new text not yet embedded, or nothing to embed.
DELETE FROM tagdb.labels l
WHERE NOT EXISTS (
    SELECT
    FROM tagdb.question q
    JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = :embedder
    WHERE q.question_id = l.question_id)

-- name: drop_work
DROP TABLE IF EXISTS tagdb.stale_label, tagdb.scored_text

-- name: analyze
ANALYZE tagdb.labels

-- name: count_due
SELECT count(*)
FROM tagdb.question q
JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = :embedder
LEFT JOIN tagdb.labels l USING (question_id)
WHERE (l.classifier_id, l.text_id) IS DISTINCT FROM (CAST(:classifier AS integer), q.text_id)
