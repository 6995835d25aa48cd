-- What an embedder learns from when nothing else is named: the texts that are embedded, with their tags.

-- name: source_texts
SELECT s.text, t.tags
FROM tagdb.source s
LEFT JOIN (
    SELECT st.question_id, array_agg(DISTINCT st.tag ORDER BY st.tag) AS tags
    FROM tagdb.source_tag st
    WHERE st.tag IS NOT NULL
    GROUP BY st.question_id
) t USING (question_id)
ORDER BY s.question_id
