-- Which tags say least about the label? Entropy in bits: 0 when all questions of a tag have one label, 1 for two even
-- halves, 2 for four even quarters.
WITH counted AS (
    SELECT t.tag, l.label, count(*) AS questions
    FROM tags t
    JOIN tagdb.labels l USING (question_id)
    GROUP BY t.tag, l.label
),
shares AS (
    SELECT tag, label, questions, questions / sum(questions) OVER (PARTITION BY tag) AS share
    FROM counted
)
SELECT tag,
    sum(questions)::bigint AS questions,
    count(*) AS labels,
    round(-sum(share * log(2, share)), 3) AS entropy
FROM shares
GROUP BY tag
ORDER BY entropy DESC, questions DESC, tag
LIMIT 50;
