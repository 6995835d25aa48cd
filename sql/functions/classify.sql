-- The label a classifier gives to a vector, and its probability, from the stored weights alone.
--   SELECT e.question_id, c.label, c.probability FROM embedding e CROSS JOIN LATERAL tagdb.classify(e.embedding, 3) c;
-- Softmax over one linear function a class (of two classes the first is constantly zero: the logistic function).
-- `subvector` hands over a copy in memory: a vector that lies out of line would be fetched anew for every class.
-- The body is parsed when the function is made, so that it finds pgvector whatever the caller's search path is.
CREATE OR REPLACE FUNCTION tagdb.classify(embedding vector, classifier integer)
RETURNS TABLE (label text, probability double precision)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT
        (array_agg(s.class ORDER BY s.score DESC, s.position))[1],
        1 / sum(exp(greatest(s.score - s.highest, -700)))
    FROM (
        SELECT w.class, w.position, z.score, max(z.score) OVER () AS highest
        FROM (SELECT subvector(classify.embedding, 1, 16000) AS embedding OFFSET 0) v
        CROSS JOIN tagdb.classifier_weight w
        CROSS JOIN LATERAL (SELECT w.intercept - (v.embedding <#> w.coef) AS score) z
        WHERE w.classifier_id = classify.classifier
    ) s;
END;
