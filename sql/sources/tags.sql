-- What is embedded by default: the tag list of a question, in its order.
-- The tags are grouped alone, so that their key brings them in order and nothing has to be sorted.
SELECT q.id AS question_id, coalesce(t.tags, '') AS text
FROM questions q
LEFT JOIN (
    SELECT question_id, string_agg(tag, ' ' ORDER BY position) AS tags FROM tags GROUP BY question_id
) t ON t.question_id = q.id
