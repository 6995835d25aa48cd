-- Of the questions the classifier is least sure of: which have another label by the vote of their five nearest
-- questions with a known one, among the hundred nearest?
WITH doubtful AS (
    SELECT l.question_id, l.label, l.probability
    FROM tagdb.labels l
    JOIN questions q ON q.id = l.question_id
    WHERE q.label IS NULL
    ORDER BY l.probability, l.question_id
    LIMIT 50
)
SELECT d.question_id,
    d.label AS classifier_says,
    round(d.probability::numeric, 3) AS probability,
    vote.label AS neighbours_say,
    vote.votes
FROM doubtful d
CROSS JOIN LATERAL (
    SELECT nearest.label, count(*) AS votes
    FROM (
        SELECT q.label
        FROM tagdb.nearest_questions(d.question_id, 100) n
        JOIN questions q ON q.id = n.nearest
        WHERE q.label IS NOT NULL
        ORDER BY n.distance
        LIMIT 5
    ) nearest
    GROUP BY nearest.label
    ORDER BY votes DESC, nearest.label
    LIMIT 1
) vote
WHERE vote.label <> d.label
ORDER BY vote.votes DESC, d.probability, d.question_id;
