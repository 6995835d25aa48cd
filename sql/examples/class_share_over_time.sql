-- Which share of a month's questions goes to each label, and how has it moved since the month before?
WITH monthly AS (
    SELECT date_trunc('month', q.created_at AT TIME ZONE 'UTC')::date AS month, l.label, count(*) AS questions
    FROM tagdb.labels l
    JOIN questions q ON q.id = l.question_id
    WHERE q.created_at IS NOT NULL
    GROUP BY month, l.label
),
shares AS (
    SELECT months.month, labels.label,
        coalesce(m.questions, 0) / sum(coalesce(m.questions, 0)) OVER (PARTITION BY months.month) AS share
    FROM (SELECT DISTINCT month FROM monthly) months
    CROSS JOIN (SELECT DISTINCT label FROM monthly) labels
    LEFT JOIN monthly m USING (month, label)
)
SELECT month, label,
    round(share, 3) AS share,
    round(share - lag(share) OVER (PARTITION BY label ORDER BY month), 3) AS change
FROM shares
ORDER BY month, label;
