-- How do the labels spread over the most frequent tags?
WITH frequent AS (
    SELECT tag FROM tags GROUP BY tag ORDER BY count(*) DESC, tag LIMIT 20
)
SELECT t.tag, l.label,
    count(*) AS questions,
    round(count(*) / sum(count(*)) OVER (PARTITION BY t.tag), 3) AS share_of_tag
FROM frequent
JOIN tags t USING (tag)
JOIN tagdb.labels l USING (question_id)
GROUP BY t.tag, l.label
ORDER BY sum(count(*)) OVER (PARTITION BY t.tag) DESC, t.tag, questions DESC, l.label;
