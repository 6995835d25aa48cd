-- From the rows of a user's query to a split training set, and from stored weights to a confusion matrix.

-- name: create_rows
CREATE TEMP TABLE tagdb_training_row (question_id {type}, label text);
CREATE TEMP TABLE tagdb_training_tally (text_id bigint, label text, n bigint)

-- name: analyze_rows
ANALYZE tagdb_training_row

-- name: tally_rows
-- How many rows say which label of which text; what follows reads texts, of which there are fewer.
INSERT INTO tagdb_training_tally (text_id, label, n)
SELECT q.text_id, r.label, count(*)
FROM tagdb_training_row r
LEFT JOIN tagdb.question q USING (question_id)
GROUP BY q.text_id, r.label

-- name: analyze_tally
ANALYZE tagdb_training_tally

-- name: count_rows
SELECT
    coalesce(sum(t.n), 0)::bigint AS read,
    coalesce(sum(t.n) FILTER (WHERE t.label IS NULL), 0)::bigint AS without_label,
    coalesce(sum(t.n) FILTER (WHERE t.label IS NOT NULL AND v.text_id IS NULL), 0)::bigint AS without_vector,
    coalesce(sum(t.n) FILTER (WHERE t.label IS NOT NULL AND v.text_id IS NOT NULL), 0)::bigint AS usable
FROM tagdb_training_tally t
LEFT JOIN tagdb.text_vector v ON v.text_id = t.text_id AND v.embedder_id = :embedder

-- name: create_training
-- Each text once for each label it carries, with the number of rows that say so.
CREATE TEMP TABLE training AS
SELECT t.text_id, t.label, t.n
FROM tagdb_training_tally t
JOIN tagdb.text_vector v ON v.text_id = t.text_id AND v.embedder_id = :embedder
WHERE t.label IS NOT NULL

-- name: create_sampled_training
-- The same of a sample: the rows with the smallest seeded hashes, so the same seed takes the same questions.
CREATE TEMP TABLE training AS
SELECT text_id, label, count(*) AS n
FROM (
    SELECT q.text_id, r.label
    FROM tagdb_training_row r
    JOIN tagdb.question q USING (question_id)
    JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = {embedder}
    WHERE r.label IS NOT NULL
    ORDER BY hashint8extended({number}, {seed}), r.label COLLATE "C", r.question_id
    LIMIT {sample}
) t
GROUP BY text_id, label

-- name: analyze_training
ANALYZE training

-- name: create_split
-- Whole texts go to one side or the other, stratified by the label most of their rows have, in a seeded order.
CREATE TEMP TABLE split AS
SELECT text_id, training.label, training.n,
    place <= greatest(round(texts * CAST(:test_size AS numeric)), CASE WHEN texts > 1 THEN 1 ELSE 0 END) AS test
FROM (
    SELECT m.text_id,
        row_number() OVER (PARTITION BY m.label ORDER BY hashtextextended(t.text, :seed), t.hash) AS place,
        count(*) OVER (PARTITION BY m.label) AS texts
    FROM (
        SELECT DISTINCT ON (text_id) text_id, label COLLATE "C" AS label
        FROM training ORDER BY text_id, n DESC, label COLLATE "C"
    ) m
    JOIN tagdb.text t ON t.id = m.text_id
) ranked
JOIN training USING (text_id)

-- name: analyze_split
ANALYZE split

-- name: class_sizes
-- Code-point order, so that the classes have the same numbers in a database of any collation.
SELECT label, count(*) AS texts,
    count(*) FILTER (WHERE NOT test) AS train_texts,
    coalesce(sum(n) FILTER (WHERE NOT test), 0) AS train_rows,
    coalesce(sum(n) FILTER (WHERE test), 0) AS test_rows
FROM split
GROUP BY label ORDER BY label COLLATE "C"

-- name: similar_labels
-- Labels that are the same but for case and blanks, and those that are nothing else; the most frequent first.
SELECT array_agg(label ORDER BY rows DESC, label COLLATE "C") AS labels,
    array_agg(rows ORDER BY rows DESC, label COLLATE "C") AS rows
FROM (SELECT label, CAST(sum(n) AS bigint) AS rows FROM split GROUP BY label) c
GROUP BY lower(btrim(regexp_replace(label, '\s+', ' ', 'g')))
HAVING count(*) > 1 OR btrim(regexp_replace(min(label), '\s+', ' ', 'g')) = ''
ORDER BY sum(rows) DESC, min(label COLLATE "C")

-- name: matrix
-- For COPY: class number from 0, rows, vector of every training text, in a fixed order.
SELECT (array_position({classes}, s.label) - 1)::integer, s.n, v.embedding
FROM split s
JOIN tagdb.text_vector v ON v.text_id = s.text_id AND v.embedder_id = {embedder}
WHERE NOT s.test
ORDER BY s.text_id, s.label COLLATE "C"

-- name: drop_places
DROP TABLE IF EXISTS tagdb.training_place

-- name: create_places
-- The same rows for other sessions, which cannot see what is temporary here: numbered in that order, so that each of them
-- can take a range.
CREATE UNLOGGED TABLE tagdb.training_place AS
SELECT row_number() OVER (ORDER BY s.text_id, s.label COLLATE "C") AS place, s.text_id,
    (array_position({classes}, s.label) - 1)::integer AS class, s.n
FROM split s
WHERE NOT s.test;
CREATE INDEX ON tagdb.training_place USING brin (place);
COMMENT ON TABLE tagdb.training_place IS
    'what a tagdb train --ray that is at work learns from; after one that was killed, left over: DROP TABLE'

-- name: analyze_places
ANALYZE tagdb.training_place

-- name: texts_of_places
SELECT min(text_id) AS first, max(text_id) AS last, count(*) AS rows
FROM tagdb.training_place
WHERE place > :first AND place <= :last

-- name: matrix_of_places
-- A range of the matrix. That its texts are a range too lets the planner read no others' vectors.
SELECT p.class, p.n, v.embedding
FROM tagdb.training_place p
JOIN tagdb.text_vector v ON v.text_id = p.text_id AND v.embedder_id = {embedder}
WHERE p.place > {first} AND p.place <= {last} AND v.text_id BETWEEN {first_text} AND {last_text}
ORDER BY p.place

-- name: insert_classifier
INSERT INTO tagdb.classifier (name, embedder_id, kind, classes, query, metrics, settings, versions)
VALUES (:name, :embedder, 'logistic regression', :classes, :query, '{}', CAST(:settings AS jsonb), CAST(:versions AS jsonb))
RETURNING id

-- name: insert_weight
INSERT INTO tagdb.classifier_weight (classifier_id, class, position, coef, intercept)
VALUES (:classifier, :class, :position, CAST(:coef AS vector), :intercept)

-- name: confusion
SELECT s.label AS actual, c.label AS predicted, sum(s.n)::bigint AS rows
FROM split s
JOIN tagdb.text_vector v ON v.text_id = s.text_id AND v.embedder_id = :embedder
CROSS JOIN LATERAL tagdb.classify(v.embedding, :classifier) c
WHERE s.test
GROUP BY s.label, c.label

-- name: set_metrics
UPDATE tagdb.classifier SET metrics = CAST(:metrics AS jsonb) WHERE id = :classifier

-- name: next_name
-- The number the classifier is about to get, or the next one after it whose name is free.
SELECT 'classifier-' || n
FROM (SELECT coalesce(max(id), 0) + 1 AS first, count(*) AS names FROM tagdb.classifier) c,
    generate_series(c.first, c.first + c.names) n
WHERE NOT EXISTS (SELECT FROM tagdb.classifier WHERE name = 'classifier-' || n)
ORDER BY n LIMIT 1

-- name: active_training
SELECT name, query, settings FROM tagdb.classifier WHERE active

-- name: name_taken
SELECT EXISTS (SELECT FROM tagdb.classifier WHERE name = :name)
