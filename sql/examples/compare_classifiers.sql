-- Which classifier did best on the rows it was not trained on? Each was tested on the held-out rows of its own query.
SELECT c.name, c.active, e.name AS embedder,
    cardinality(c.classes) AS classes,
    (c.metrics->>'rows')::bigint AS held_out_rows,
    round((c.metrics->>'accuracy')::numeric, 4) AS accuracy,
    round((c.metrics->>'macro_f1')::numeric, 4) AS macro_f1,
    c.created_at
FROM tagdb.classifier c
JOIN tagdb.embedder e ON e.id = c.embedder_id
ORDER BY accuracy DESC, c.id;
