-- Which collections there are in a database.

-- name: all
-- Told by the tables that every one has, at any revision; how large each is, whoever may read it.
SELECT n.nspname AS name, quote_ident(pg_get_userbyid(n.nspowner)) AS owner,
    (SELECT CAST(coalesce(sum(pg_total_relation_size(c.oid)), 0) AS bigint)
     FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'm')) AS bytes
FROM pg_namespace n
WHERE (
    SELECT count(*) FROM pg_class c
    WHERE c.relnamespace = n.oid AND c.relkind = 'r'
        AND c.relname IN ('alembic_version', 'embedder', 'question', 'run', 'text')) = 5
ORDER BY n.nspname COLLATE "C"

-- name: status
SELECT source, embedder, switching_to, classifier, questions, due, stale_labels, last_command, last_status,
    seconds_since_sync
FROM tagdb.status
