-- What `tagdb demo` asks and does besides calling the commands.

-- name: holds_other_questions
-- The sample and the question that the demo asks have numbers that no question of anybody's has.
SELECT EXISTS (SELECT FROM questions WHERE id NOT BETWEEN 9000000001 AND 9000100001)

-- name: forget_arrival
WITH tag AS (DELETE FROM tags WHERE question_id = 9000100001)
DELETE FROM questions WHERE id = 9000100001

-- name: predicted_counts
SELECT l.label, count(*) AS questions, round(avg(l.probability)::numeric, 3) AS mean_probability
FROM tagdb.labels l JOIN questions q ON q.id = l.question_id
WHERE q.label IS NULL
GROUP BY l.label ORDER BY questions DESC

-- name: doubtful
SELECT q.title, l.label, round(l.probability::numeric, 3) AS probability
FROM tagdb.labels l JOIN questions q ON q.id = l.question_id
WHERE q.label IS NULL
ORDER BY l.probability, q.id LIMIT 5

-- name: nearest_tags
SELECT nearest AS tag, questions, round(distance::numeric, 3) AS distance FROM tagdb.nearest_tags('pandas', 5)

-- name: arrival
WITH question AS (
    INSERT INTO questions (id, title) VALUES (9000100001, 'How to join two data frames on a column of dates?')
)
INSERT INTO tags (question_id, position, tag) VALUES (9000100001, 0, 'pandas'), (9000100001, 1, 'join'), (9000100001, 2, 'date')

-- name: arrival_label
SELECT q.title, l.label, round(l.probability::numeric, 3) AS probability
FROM tagdb.labels l JOIN questions q ON q.id = l.question_id
WHERE q.id = 9000100001
