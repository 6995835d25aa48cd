-- How good is each label? Precision: of the questions given it, the share that truly have it. Recall: of those that
-- truly have it, the share given it. F1: the harmonic mean of both.
WITH counted AS (
    SELECT named.label,
        count(*) FILTER (WHERE l.label = named.label AND q.label = named.label) AS hits,
        count(*) FILTER (WHERE l.label = named.label) AS predicted,
        count(*) FILTER (WHERE q.label = named.label) AS support
    FROM tagdb.labels l
    JOIN questions q ON q.id = l.question_id AND q.label IS NOT NULL
    CROSS JOIN LATERAL (SELECT l.label UNION SELECT q.label) named
    GROUP BY named.label
)
SELECT label,
    round(hits / nullif(predicted, 0)::numeric, 4) AS precision,
    round(hits / nullif(support, 0)::numeric, 4) AS recall,
    round(2 * hits / nullif(predicted + support, 0)::numeric, 4) AS f1,
    support
FROM counted
ORDER BY label;
