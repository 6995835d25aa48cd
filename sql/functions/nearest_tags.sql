-- The k tags nearest to a tag, by cosine distance of their centroids.
--   SELECT * FROM tagdb.nearest_tags('pandas', 10);
-- The statement is put together because the index's expression names the dimension, and because pgvector may lie in a
-- schema that is on nobody's search path. What it sets for the scan is set back.
CREATE OR REPLACE FUNCTION tagdb.nearest_tags(tag text, k integer DEFAULT 10)
RETURNS TABLE (nearest text, questions bigint, distance double precision)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    pgvector text := (
        SELECT quote_ident(n.nspname)
        FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector');
    origin record;
    dim integer;
    before text[];
BEGIN
    SELECT t.embedder_id, t.tag, t.embedding INTO origin
    FROM tagdb.tag_vector t
    WHERE t.embedder_id = (SELECT id FROM tagdb.embedder WHERE active) AND t.tag = nearest_tags.tag;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT %s.vector_dims($1)', pgvector) INTO dim USING origin.embedding;
    before := ARRAY[current_setting('hnsw.iterative_scan'), current_setting('hnsw.max_scan_tuples'),
        current_setting('hnsw.ef_search')];
    PERFORM set_config('hnsw.iterative_scan', 'strict_order', true),
        set_config('hnsw.max_scan_tuples', '2147483647', true), set_config('hnsw.ef_search', '100', true);
    RETURN QUERY EXECUTE format(
        'SELECT t.tag, t.questions, t.embedding::%1$s.halfvec(%2$s) OPERATOR(%1$s.<=>) $1::%1$s.halfvec(%2$s)
         FROM tagdb.tag_vector t
         WHERE t.embedder_id = %3$s AND t.tag <> $2
         ORDER BY t.embedding::%1$s.halfvec(%2$s) OPERATOR(%1$s.<=>) $1::%1$s.halfvec(%2$s)
         LIMIT $3',
        pgvector, dim, origin.embedder_id)
    USING origin.embedding, origin.tag, nearest_tags.k;
    PERFORM set_config('hnsw.iterative_scan', before[1], true),
        set_config('hnsw.max_scan_tuples', before[2], true), set_config('hnsw.ef_search', before[3], true);
END
$$;
