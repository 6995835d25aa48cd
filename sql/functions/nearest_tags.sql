-- The k tags nearest to a tag, by cosine distance of their centroids: SELECT * FROM tagdb.nearest_tags('pandas', 10);
CREATE OR REPLACE FUNCTION tagdb.nearest_tags(tag text, k integer DEFAULT 10)
RETURNS TABLE (nearest text, questions bigint, distance double precision)
LANGUAGE plpgsql STABLE
SET hnsw.iterative_scan = 'strict_order' SET hnsw.max_scan_tuples = 2147483647 SET hnsw.ef_search = 100 AS $$
#variable_conflict use_column
DECLARE
    origin tagdb.tag_vector;
BEGIN
    SELECT t.* INTO origin
    FROM tagdb.tag_vector t JOIN tagdb.embedder e ON e.id = t.embedder_id AND e.active
    WHERE t.tag = nearest_tags.tag;
    RETURN QUERY
        SELECT t.tag, t.questions, t.embedding::halfvec(1024) <=> origin.embedding::halfvec(1024)
        FROM tagdb.tag_vector t
        WHERE t.embedder_id = origin.embedder_id AND t.tag <> origin.tag
        ORDER BY t.embedding::halfvec(1024) <=> origin.embedding::halfvec(1024)
        LIMIT nearest_tags.k;
END
$$;
