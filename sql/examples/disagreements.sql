-- Where does the classifier contradict a known label, the surest first? Many of these are mistakes in the known labels.
SELECT q.id, q.title, q.label AS known, l.label AS predicted, round(l.probability::numeric, 3) AS probability
FROM tagdb.labels l
JOIN questions q ON q.id = l.question_id
WHERE q.label <> l.label
ORDER BY l.probability DESC, q.id
LIMIT 50;
