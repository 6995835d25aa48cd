-- How many questions of each label arrived in each month (UTC), and how sure is the classifier of them?
SELECT date_trunc('month', q.created_at AT TIME ZONE 'UTC')::date AS month, l.label,
    count(*) AS questions,
    round(avg(l.probability)::numeric, 3) AS mean_probability
FROM tagdb.labels l
JOIN questions q ON q.id = l.question_id
GROUP BY month, l.label
ORDER BY month, questions DESC, l.label;
