-- What is taken for what? One row for each pair of known and predicted label, with its share of the known label.
SELECT q.label AS known, l.label AS predicted,
    count(*) AS questions,
    round(count(*) / sum(count(*)) OVER (PARTITION BY q.label), 3) AS share
FROM tagdb.labels l
JOIN questions q ON q.id = l.question_id
WHERE q.label IS NOT NULL
GROUP BY q.label, l.label
ORDER BY known, predicted;
