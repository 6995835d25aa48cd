-- The k questions nearest to a question, by cosine distance: SELECT * FROM tagdb.nearest_questions(4711, 10);
-- The statement is put together because the index's expression names the dimension.
CREATE OR REPLACE FUNCTION tagdb.nearest_questions(question_id bigint, k integer DEFAULT 10)
RETURNS TABLE (nearest bigint, text text, distance double precision)
LANGUAGE plpgsql STABLE
SET hnsw.iterative_scan = 'strict_order' SET hnsw.max_scan_tuples = 2147483647 SET hnsw.ef_search = 100 AS $$
#variable_conflict use_column
DECLARE
    origin tagdb.text_vector;
BEGIN
    SELECT v.* INTO origin
    FROM tagdb.question q
    JOIN tagdb.text_vector v USING (text_id)
    WHERE q.question_id = nearest_questions.question_id
        AND v.embedder_id = (SELECT id FROM tagdb.embedder WHERE active);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT q.question_id, t.text, v.embedding::halfvec(%1$s) <=> $1::halfvec(%1$s)
         FROM tagdb.text_vector v
         JOIN tagdb.question q USING (text_id)
         JOIN tagdb.text t ON t.id = v.text_id
         WHERE v.embedder_id = %2$s AND q.question_id <> $2
         ORDER BY v.embedding::halfvec(%1$s) <=> $1::halfvec(%1$s)
         LIMIT $3',
        vector_dims(origin.embedding), origin.embedder_id)
    USING origin.embedding, nearest_questions.question_id, nearest_questions.k;
END
$$;
