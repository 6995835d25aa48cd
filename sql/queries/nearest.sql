-- Nearest tags and nearest questions by cosine distance. Over an index, distances are those of half precision; its
-- expression names the dimension, and so do the queries that are to use it.

-- name: tag_embedding
SELECT embedding::text FROM tagdb.tag_vector WHERE embedder_id = :embedder AND tag = :tag

-- name: question_embedding
-- The vector of a question, NULL while it has none; no row where there is no such question.
SELECT CAST(v.embedding AS text)
FROM tagdb.question q
LEFT JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = :embedder
WHERE q.question_id = CAST(:question AS {type})

-- name: allow_long_scan
-- The index goes on until enough rows passed the filters, instead of stopping at the first ef_search candidates.
SELECT set_config('hnsw.iterative_scan', 'strict_order', true),
    set_config('hnsw.max_scan_tuples', '2147483647', true),
    set_config('hnsw.ef_search', CAST(least(1000, greatest(100, 2 * CAST(:k AS integer))) AS text), true)

-- name: tags
SELECT t.tag, t.questions, t.embedding::halfvec({dim}) <=> CAST(:origin AS vector)::halfvec({dim}) AS distance
FROM tagdb.tag_vector t
WHERE t.embedder_id = :embedder AND t.tag IS DISTINCT FROM :except
ORDER BY t.embedding::halfvec({dim}) <=> CAST(:origin AS vector)::halfvec({dim})
LIMIT :k

-- name: tags_exact
SELECT t.tag, t.questions, t.embedding <=> CAST(:origin AS vector) AS distance
FROM tagdb.tag_vector t
WHERE t.embedder_id = :embedder AND t.tag IS DISTINCT FROM :except
ORDER BY distance, t.tag
LIMIT :k

-- name: questions
SELECT q.question_id, left(t.text, :longest) AS text, v.embedding::halfvec({dim}) <=> CAST(:origin AS vector)::halfvec({dim}) AS distance
FROM tagdb.text_vector v
JOIN tagdb.question q USING (text_id)
JOIN tagdb.text t ON t.id = v.text_id
WHERE v.embedder_id = :embedder AND q.question_id IS DISTINCT FROM CAST(:except AS {type}) AND {condition}
ORDER BY v.embedding::halfvec({dim}) <=> CAST(:origin AS vector)::halfvec({dim})
LIMIT :k

-- name: questions_exact
SELECT q.question_id, left(t.text, :longest) AS text, v.embedding <=> CAST(:origin AS vector) AS distance
FROM tagdb.text_vector v
JOIN tagdb.question q USING (text_id)
JOIN tagdb.text t ON t.id = v.text_id
WHERE v.embedder_id = :embedder AND q.question_id IS DISTINCT FROM CAST(:except AS {type}) AND {condition}
ORDER BY distance, q.question_id
LIMIT :k
