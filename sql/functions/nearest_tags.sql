-- The k tags nearest to a tag, by cosine distance of their centroids: SELECT * FROM tagdb.nearest_tags('pandas', 10);
-- The statement is put together because the index's expression names the dimension.
CREATE OR REPLACE FUNCTION tagdb.nearest_tags(tag text, k integer DEFAULT 10)
RETURNS TABLE (nearest text, questions bigint, distance double precision)
LANGUAGE plpgsql STABLE
SET hnsw.iterative_scan = 'strict_order' SET hnsw.max_scan_tuples = 2147483647 SET hnsw.ef_search = 100 AS $$
#variable_conflict use_column
DECLARE
    origin tagdb.tag_vector;
BEGIN
    SELECT t.* INTO origin
    FROM tagdb.tag_vector t
    WHERE t.embedder_id = (SELECT id FROM tagdb.embedder WHERE active) AND t.tag = nearest_tags.tag;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT t.tag, t.questions, t.embedding::halfvec(%1$s) <=> $1::halfvec(%1$s)
         FROM tagdb.tag_vector t
         WHERE t.embedder_id = %2$s AND t.tag <> $2
         ORDER BY t.embedding::halfvec(%1$s) <=> $1::halfvec(%1$s)
         LIMIT $3',
        vector_dims(origin.embedding), origin.embedder_id)
    USING origin.embedding, origin.tag, nearest_tags.k;
END
$$;
