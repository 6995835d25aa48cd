-- Which tag stands on which question.
SELECT t.question_id, t.tag
FROM tags t
