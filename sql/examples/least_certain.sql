-- Which questions should somebody label by hand next? Those the classifier is least sure of, without a known label.
SELECT q.id, q.title, l.label, round(l.probability::numeric, 3) AS probability
FROM tagdb.labels l
JOIN questions q ON q.id = l.question_id
WHERE q.label IS NULL
ORDER BY l.probability, q.id
LIMIT 50;
