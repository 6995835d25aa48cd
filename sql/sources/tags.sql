-- What is embedded by default: the tag list of a question, in its order.
-- The tags are grouped alone, so that their key brings them in order and nothing has to be sorted.
-- What stands in braces here is the table of that name, or those of its rows that satisfy a condition; and the position
-- of a tag, or what there is in its stead.
SELECT q.id AS question_id, coalesce(t.tags, '') AS text
FROM {questions} q
LEFT JOIN (
    SELECT question_id, string_agg(tag, ' ' ORDER BY {order}) AS tags FROM tags GROUP BY question_id
) t ON t.question_id = q.id
