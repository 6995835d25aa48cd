-- Which questions are the same to tagdb, having the same text? They share a vector, and so a label; known labels that
-- differ within a group are a limit to any accuracy.
SELECT t.text,
    count(*) AS questions,
    array_agg(q.id ORDER BY q.id) AS question_ids,
    array_agg(DISTINCT q.label) FILTER (WHERE q.label IS NOT NULL) AS known_labels
FROM tagdb.question k
JOIN tagdb.text t ON t.id = k.text_id
JOIN questions q ON q.id = k.question_id
GROUP BY t.id
HAVING count(*) > 1
ORDER BY questions DESC, t.text
LIMIT 50;
