-- What `tagdb demo` asks and does besides calling the commands.

-- name: holds_other_questions
-- Whether the questions here are somebody's own: some are there, and not (only) from earlier demos.
SELECT EXISTS (SELECT FROM questions)
    AND (NOT EXISTS (SELECT FROM tagdb.run WHERE command = 'demo')
        OR EXISTS (SELECT FROM tagdb.run WHERE command = 'import' AND written > 0))

-- name: forget_arrival
WITH tag AS (DELETE FROM tags WHERE question_id = 1000001)
DELETE FROM questions WHERE id = 1000001

-- name: predicted_counts
SELECT l.label, count(*) AS questions, round(avg(l.probability)::numeric, 3) AS mean_probability
FROM labels l JOIN questions q ON q.id = l.question_id
WHERE q.label IS NULL
GROUP BY l.label ORDER BY questions DESC

-- name: doubtful
SELECT q.title, l.label, round(l.probability::numeric, 3) AS probability
FROM labels l JOIN questions q ON q.id = l.question_id
WHERE q.label IS NULL
ORDER BY l.probability, q.id LIMIT 5

-- name: nearest_tags
SELECT nearest AS tag, questions, round(distance::numeric, 3) AS distance FROM tagdb.nearest_tags('pandas', 5)

-- name: arrival
WITH question AS (
    INSERT INTO questions (id, title) VALUES (1000001, 'How to join two data frames on a column of dates?')
)
INSERT INTO tags (question_id, position, tag) VALUES (1000001, 0, 'pandas'), (1000001, 1, 'join'), (1000001, 2, 'date')

-- name: arrival_label
SELECT q.title, l.label, round(l.probability::numeric, 3) AS probability
FROM labels l JOIN questions q ON q.id = l.question_id
WHERE q.id = 1000001
