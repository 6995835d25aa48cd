-- `--text title+tags`: the title, then the tag list.
SELECT q.id AS question_id, concat_ws(' ', q.title, string_agg(t.tag, ' ' ORDER BY t.position)) AS text
FROM questions q
LEFT JOIN tags t ON t.question_id = q.id
GROUP BY q.id
