-- From the rows of a user's query to a split training set, and from stored weights to a confusion matrix.

-- name: create_rows
CREATE TEMP TABLE training_row (question_id bigint, label text)

-- name: count_rows
SELECT
    count(*) AS read,
    count(*) FILTER (WHERE r.label IS NULL) AS without_label,
    count(*) FILTER (WHERE r.label IS NOT NULL AND v.text_id IS NULL) AS without_vector,
    count(*) FILTER (WHERE r.label IS NOT NULL AND v.text_id IS NOT NULL) AS usable
FROM training_row r
LEFT JOIN tagdb.question q USING (question_id)
LEFT JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = :embedder

-- name: create_training
-- Each text once for each label it carries, with the number of rows that say so. A sample is the part with the
-- smallest seeded hashes, so the same seed takes the same questions.
CREATE TEMP TABLE training AS
SELECT text_id, label, count(*) AS n
FROM (
    SELECT q.text_id, r.label
    FROM training_row r
    JOIN tagdb.question q USING (question_id)
    JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = :embedder
    WHERE r.label IS NOT NULL
    ORDER BY CASE WHEN CAST(:sample AS bigint) IS NULL THEN 0 ELSE hashint8extended(r.question_id, :seed) END
    LIMIT :sample
) t
GROUP BY text_id, label

-- name: create_split
-- Whole texts go to one side or the other, stratified by the label most of their rows have.
CREATE TEMP TABLE split AS
SELECT text_id, place <= greatest(round(texts * CAST(:test_size AS numeric)), CASE WHEN texts > 1 THEN 1 ELSE 0 END) AS test
FROM (
    SELECT m.text_id,
        row_number() OVER (PARTITION BY m.label ORDER BY hashtextextended(t.text, :seed), t.hash) AS place,
        count(*) OVER (PARTITION BY m.label) AS texts
    FROM (SELECT DISTINCT ON (text_id) text_id, label FROM training ORDER BY text_id, n DESC, label) m
    JOIN tagdb.text t ON t.id = m.text_id
) ranked

-- name: analyze_training
ANALYZE training;
ANALYZE split

-- name: class_sizes
SELECT t.label, count(*) FILTER (WHERE NOT s.test) AS train_texts, coalesce(sum(n) FILTER (WHERE NOT s.test), 0) AS train_rows,
    coalesce(sum(n) FILTER (WHERE s.test), 0) AS test_rows
FROM training t JOIN split s USING (text_id)
GROUP BY t.label ORDER BY t.label

-- name: matrix
-- For COPY: class number from 0, rows, vector of every training text, in a fixed order.
SELECT (array_position({classes}, t.label) - 1)::integer, t.n, v.embedding
FROM training t
JOIN split s USING (text_id)
JOIN tagdb.text_vector v ON v.text_id = t.text_id AND v.embedder_id = {embedder}
WHERE NOT s.test
ORDER BY t.text_id, t.label

-- name: insert_classifier
INSERT INTO tagdb.classifier (name, embedder_id, kind, classes, query, metrics, settings, versions)
VALUES (:name, :embedder, 'logistic regression', :classes, :query, '{}', CAST(:settings AS jsonb), CAST(:versions AS jsonb))
RETURNING id

-- name: insert_weight
INSERT INTO tagdb.classifier_weight (classifier_id, class, position, coef, intercept)
VALUES (:classifier, :class, :position, CAST(:coef AS vector), :intercept)

-- name: confusion
SELECT t.label AS actual, c.label AS predicted, sum(t.n)::bigint AS rows
FROM training t
JOIN split s USING (text_id)
JOIN tagdb.text_vector v ON v.text_id = t.text_id AND v.embedder_id = :embedder
CROSS JOIN LATERAL tagdb.classify(v.embedding, :classifier) c
WHERE s.test
GROUP BY t.label, c.label

-- name: set_metrics
UPDATE tagdb.classifier SET metrics = CAST(:metrics AS jsonb) WHERE id = :classifier

-- name: next_name
SELECT 'classifier-' || coalesce(max(id), 0) + 1 FROM tagdb.classifier

-- name: name_taken
SELECT EXISTS (SELECT FROM tagdb.classifier WHERE name = :name)
