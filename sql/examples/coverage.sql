-- How far have the questions come? Each row is a part of the one above it.
SELECT stage, questions, round(questions / nullif(max(questions) OVER (), 0)::numeric, 3) AS share
FROM (
    SELECT 1 AS place, 'in the table' AS stage, count(*) AS questions FROM questions
    UNION ALL
    SELECT 2, 'with a vector', count(*) FROM questions q JOIN tagdb.embedding e ON e.question_id = q.id
    UNION ALL
    SELECT 3, 'labelled', count(*) FROM questions q JOIN tagdb.labels l ON l.question_id = q.id
    UNION ALL
    SELECT 4, 'labelled with 0.9 or more', count(*)
    FROM questions q JOIN tagdb.labels l ON l.question_id = q.id AND l.probability >= 0.9
) stages
ORDER BY place;
