-- The vector of every question, by the active embedder.
--   SELECT question_id, embedding FROM tagdb.embedding;
-- A subquery and no join, so that the partitions of other embedders are not read.
CREATE OR REPLACE VIEW tagdb.embedding AS
SELECT q.question_id, v.embedding
FROM tagdb.question q
JOIN tagdb.text_vector v USING (text_id)
WHERE v.embedder_id = (SELECT id FROM tagdb.embedder WHERE active);
