-- What leaves the database for other tools.

-- name: predictions
SELECT question_id AS id, label FROM tagdb.labels ORDER BY question_id

-- name: predictions_with_probability
SELECT question_id AS id, label, probability FROM tagdb.labels ORDER BY question_id

-- name: count_labels
SELECT count(*) FROM tagdb.labels
