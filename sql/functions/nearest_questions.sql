-- The k questions nearest to a question, by cosine distance.
--   SELECT * FROM tagdb.nearest_questions(4711, 10);
-- Ids are of the type, and of the collation, of those in tagdb.question.
-- Texts are NULL to whoever may not read tagdb.text. The statement is put together because the index's expression names
-- the dimension, and because pgvector may lie in a schema that is on nobody's search path. What it sets for the scan is
-- set back.
CREATE OR REPLACE FUNCTION tagdb.nearest_questions(question_id tagdb.question.question_id%TYPE, k integer DEFAULT 10)
RETURNS TABLE (nearest tagdb.question.question_id%TYPE, text text, distance double precision)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    pgvector text := (
        SELECT quote_ident(n.nspname)
        FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector');
    readable boolean := has_table_privilege('tagdb.text', 'SELECT');
    asked tagdb.question.question_id%TYPE := nearest_questions.question_id;
    origin record;
    dim integer;
    before text[];
BEGIN
    SELECT v.embedder_id, v.embedding INTO origin
    FROM tagdb.question q
    JOIN tagdb.text_vector v USING (text_id)
    WHERE q.question_id = asked
        AND v.embedder_id = (SELECT id FROM tagdb.embedder WHERE active);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT %s.vector_dims($1)', pgvector) INTO dim USING origin.embedding;
    before := ARRAY[current_setting('hnsw.iterative_scan'), current_setting('hnsw.max_scan_tuples'),
        current_setting('hnsw.ef_search')];
    PERFORM set_config('hnsw.iterative_scan', 'strict_order', true),
        set_config('hnsw.max_scan_tuples', '2147483647', true), set_config('hnsw.ef_search', '100', true);
    RETURN QUERY EXECUTE format(
        'SELECT q.question_id, %4$s, v.embedding::%1$s.halfvec(%2$s) OPERATOR(%1$s.<=>) $1::%1$s.halfvec(%2$s)
         FROM tagdb.text_vector v
         JOIN tagdb.question q USING (text_id)
         %5$s
         WHERE v.embedder_id = %3$s AND q.question_id <> $2
         ORDER BY v.embedding::%1$s.halfvec(%2$s) OPERATOR(%1$s.<=>) $1::%1$s.halfvec(%2$s)
         LIMIT $3',
        pgvector, dim, origin.embedder_id,
        CASE WHEN readable THEN 't.text' ELSE 'NULL::text' END,
        CASE WHEN readable THEN 'JOIN tagdb.text t ON t.id = v.text_id' END)
    USING origin.embedding, asked, nearest_questions.k;
    PERFORM set_config('hnsw.iterative_scan', before[1], true),
        set_config('hnsw.max_scan_tuples', before[2], true), set_config('hnsw.ef_search', before[3], true);
END
$$;
