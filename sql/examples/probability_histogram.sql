-- How sure is the classifier, and is it right as often as it says? Ten steps of probability with the mean probability
-- and the accuracy on known labels in each.
SELECT
    round(step / 10.0, 1) AS from_probability,
    count(*) AS questions,
    round(avg(probability)::numeric, 3) AS mean_probability,
    round(avg((known = label)::integer), 3) AS accuracy
FROM (
    SELECT least(floor(l.probability::numeric * 10), 9) AS step, l.probability, l.label, q.label AS known
    FROM tagdb.labels l
    JOIN questions q ON q.id = l.question_id
) steps
GROUP BY step
ORDER BY step;
