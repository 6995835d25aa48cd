-- `--text title+tags`: the title, then the tag list.
SELECT q.id AS question_id, concat_ws(' ', q.title, t.tags) AS text
FROM {questions} q
LEFT JOIN (
    SELECT question_id, string_agg(tag, ' ' ORDER BY {order}) AS tags FROM tags GROUP BY question_id
) t ON t.question_id = q.id
