-- How often is the predicted label the known one? Over all questions whose label is known, those trained on among
-- them; on held-out rows alone: SELECT name, metrics->'accuracy' FROM tagdb.classifier;
SELECT
    count(*) AS questions,
    count(*) FILTER (WHERE l.label = q.label) AS correct,
    round(avg((l.label = q.label)::integer), 4) AS accuracy
FROM tagdb.labels l
JOIN questions q ON q.id = l.question_id
WHERE q.label IS NOT NULL;
