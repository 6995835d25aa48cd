-- Whether labels are kept current.

-- name: row
SELECT * FROM tagdb.health
