-- The record of what was run: every command that writes leaves one row.

-- name: start
INSERT INTO tagdb.run (command, args, status) VALUES (:command, CAST(:args AS jsonb), 'running') RETURNING id

-- name: finish
UPDATE tagdb.run SET
    finished_at = now(), status = :status, read = :read, written = :written, skipped = :skipped, failed = :failed,
    detail = CAST(:detail AS jsonb)
WHERE id = :id

-- name: last
SELECT id, command, started_at, finished_at, status, read, written, skipped, failed
FROM tagdb.run ORDER BY id DESC LIMIT 1
