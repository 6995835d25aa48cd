-- From the rows of a user's query to a split training set, and from stored weights to a confusion matrix.

-- name: create_rows
CREATE TEMP TABLE tagdb_training_row (question_id bigint, label text)

-- name: count_rows
SELECT
    count(*) AS read,
    count(*) FILTER (WHERE r.label IS NULL) AS without_label,
    count(*) FILTER (WHERE r.label IS NOT NULL AND v.text_id IS NULL) AS without_vector,
    count(*) FILTER (WHERE r.label IS NOT NULL AND v.text_id IS NOT NULL) AS usable
FROM tagdb_training_row r
LEFT JOIN tagdb.question q USING (question_id)
LEFT JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = :embedder

-- name: create_training
-- Each text once for each label it carries, with the number of rows that say so. A sample is the part with the
-- smallest seeded hashes, so the same seed takes the same questions.
CREATE TEMP TABLE training AS
SELECT text_id, label, count(*) AS n
FROM (
    SELECT q.text_id, r.label
    FROM tagdb_training_row r
    JOIN tagdb.question q USING (question_id)
    JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = :embedder
    WHERE r.label IS NOT NULL
    ORDER BY
        CASE WHEN CAST(:sample AS bigint) IS NOT NULL THEN hashint8extended(r.question_id, :seed) END,
        CASE WHEN CAST(:sample AS bigint) IS NOT NULL THEN r.label END COLLATE "C"
    LIMIT :sample
) t
GROUP BY text_id, label

-- name: create_split
-- Whole texts go to one side or the other, stratified by the label most of their rows have, in a seeded order.
CREATE TEMP TABLE split AS
SELECT text_id, place,
    place <= greatest(round(texts * CAST(:test_size AS numeric)), CASE WHEN texts > 1 THEN 1 ELSE 0 END) AS test
FROM (
    SELECT m.text_id,
        row_number() OVER (PARTITION BY m.label ORDER BY hashtextextended(t.text, :seed), t.hash) AS place,
        count(*) OVER (PARTITION BY m.label) AS texts
    FROM (SELECT DISTINCT ON (text_id) text_id, label FROM training ORDER BY text_id, n DESC, label COLLATE "C") m
    JOIN tagdb.text t ON t.id = m.text_id
) ranked

-- name: analyze_training
ANALYZE training;
ANALYZE split

-- name: class_sizes
-- Code-point order, so that the classes have the same numbers in a database of any collation.
SELECT t.label, count(*) AS texts,
    count(*) FILTER (WHERE NOT s.test) AS train_texts,
    coalesce(sum(n) FILTER (WHERE NOT s.test), 0) AS train_rows,
    coalesce(sum(n) FILTER (WHERE s.test), 0) AS test_rows
FROM training t JOIN split s USING (text_id)
GROUP BY t.label ORDER BY t.label COLLATE "C"

-- name: thin_training
-- Keeps :room of :total training texts: of each label the same share, the first in the order of the split.
DELETE FROM training t
USING (
    SELECT p.text_id, p.label,
        row_number() OVER (PARTITION BY p.label ORDER BY s.place, p.text_id) AS place,
        count(*) OVER (PARTITION BY p.label) AS texts
    FROM training p JOIN split s USING (text_id)
    WHERE NOT s.test
) ranked
WHERE t.text_id = ranked.text_id AND t.label = ranked.label
    AND ranked.place > greatest(ranked.texts * :room / :total, :least)

-- name: matrix
-- For COPY: class number from 0, rows, vector of every training text, in a fixed order.
SELECT (array_position({classes}, t.label) - 1)::integer, t.n, v.embedding
FROM training t
JOIN split s USING (text_id)
JOIN tagdb.text_vector v ON v.text_id = t.text_id AND v.embedder_id = {embedder}
WHERE NOT s.test
ORDER BY t.text_id, t.label COLLATE "C"

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
-- The number the classifier is about to get, or the next one after it whose name is free.
SELECT 'classifier-' || n
FROM (SELECT coalesce(max(id), 0) + 1 AS first, count(*) AS names FROM tagdb.classifier) c,
    generate_series(c.first, c.first + c.names) n
WHERE NOT EXISTS (SELECT FROM tagdb.classifier WHERE name = 'classifier-' || n)
ORDER BY n LIMIT 1

-- name: name_taken
SELECT EXISTS (SELECT FROM tagdb.classifier WHERE name = :name)
