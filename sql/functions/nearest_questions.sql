-- The k questions nearest to a question, by cosine distance: SELECT * FROM tagdb.nearest_questions(4711, 10);
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
    JOIN tagdb.embedder e ON e.id = v.embedder_id AND e.active
    WHERE q.question_id = nearest_questions.question_id;
    RETURN QUERY
        SELECT q.question_id, t.text, v.embedding::halfvec(1024) <=> origin.embedding::halfvec(1024)
        FROM tagdb.text_vector v
        JOIN tagdb.question q USING (text_id)
        JOIN tagdb.text t ON t.id = v.text_id
        WHERE v.embedder_id = origin.embedder_id AND q.question_id <> nearest_questions.question_id
        ORDER BY v.embedding::halfvec(1024) <=> origin.embedding::halfvec(1024)
        LIMIT nearest_questions.k;
END
$$;
