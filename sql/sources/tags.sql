-- What is embedded by default: the tag list of a question, in its order.
SELECT q.id AS question_id, coalesce(string_agg(t.tag, ' ' ORDER BY t.position), '') AS text
FROM questions q
LEFT JOIN tags t ON t.question_id = q.id
GROUP BY q.id
