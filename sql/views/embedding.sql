-- The vector of every question, by the active embedder: SELECT question_id, embedding FROM embedding;
CREATE OR REPLACE VIEW tagdb.embedding AS
SELECT q.question_id, v.embedding
FROM tagdb.question q
JOIN tagdb.text_vector v USING (text_id)
JOIN tagdb.embedder e ON e.id = v.embedder_id AND e.active;
