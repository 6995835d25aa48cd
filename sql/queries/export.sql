-- What leaves the database for other tools.

-- name: predictions
SELECT {id} AS id, {label} AS label FROM tagdb.labels ORDER BY question_id

-- name: predictions_with_probability
SELECT {id} AS id, {label} AS label, probability FROM tagdb.labels ORDER BY question_id

-- name: count_labels
SELECT count(*) FROM tagdb.labels

-- name: tags
SELECT {tag} AS tag, questions FROM tagdb.tag_vector t WHERE embedder_id = {embedder} ORDER BY t.tag

-- name: plain_text
-- A text that a spreadsheet shows as it is: one that it would run as a formula gets a quote before it. The last four
-- are the wide forms of the first four, which are taken for them where such are typed.
(SELECT CASE WHEN {text} ~ '^[-=+@\t\r\n\uFF0D\uFF1D\uFF0B\uFF20]' THEN '''' || {text} ELSE {text} END)

-- name: text_of_fixed_width
-- A text as its bytes in UTF-8, those of all rows equally long by zeros at the end, which no text has.
(SELECT substring(convert_to({text}, 'UTF8') || decode(repeat('00', {bytes}), 'hex') FROM 1 FOR {bytes}))

-- name: question_vectors
SELECT {id} AS id, v.embedding
FROM tagdb.question q JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = {embedder}
ORDER BY q.question_id

-- name: tag_vectors
SELECT {tag} AS tag, t.questions, t.embedding FROM tagdb.tag_vector t WHERE t.embedder_id = {embedder} ORDER BY t.tag

-- name: question_vectors_there
SELECT count(v.text_id) AS vectors, count(*) AS questions, max(octet_length(CAST(q.question_id AS text))) AS bytes,
    max(length(CAST(q.question_id AS text))) AS characters
FROM tagdb.question q LEFT JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = :embedder

-- name: tag_vectors_there
SELECT count(*) AS vectors, max(octet_length(tag)) AS bytes, max(length(tag)) AS characters
FROM tagdb.tag_vector WHERE embedder_id = :embedder
