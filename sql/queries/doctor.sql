-- What `tagdb doctor` looks at; nothing here writes, and a role that only reads may ask all of it.

-- name: server
-- A role's settings are taken from the one that logged in, whichever it acts as.
SELECT current_database() AS database, current_user AS role, quote_ident(session_user) AS quoted_login,
    current_setting('server_version') AS version,
    CAST(current_setting('server_version_num') AS integer) AS version_num, pg_is_in_recovery() AS standby,
    CAST(current_setting('default_transaction_read_only') AS boolean) AS read_only, pg_backend_pid() AS pid,
    current_setting('server_encoding') AS encoding

-- name: rights
SELECT has_database_privilege(current_database(), 'CREATE') AS may_create, n.oid IS NOT NULL AS there,
    coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS may_use,
    coalesce(has_schema_privilege(n.oid, 'CREATE'), false) AS may_add,
    pg_get_userbyid(n.nspowner) AS owner, quote_ident(current_user) AS quoted_role,
    quote_ident(current_database()) AS quoted_database
FROM (SELECT) one LEFT JOIN pg_namespace n ON n.nspname = 'tagdb'

-- name: relations
-- How many of tagdb's tables this role may read and write.
SELECT count(*) AS tables, count(*) FILTER (WHERE has_table_privilege(c.oid, 'SELECT')) AS readable,
    count(*) FILTER (WHERE has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
        AND has_table_privilege(c.oid, 'DELETE')) AS writable
FROM pg_class c WHERE c.relnamespace = to_regnamespace('tagdb') AND c.relkind IN ('r', 'p')

-- name: source_tables
-- What the views read, and whether their owner may, with whose rights they do.
SELECT DISTINCT format('%I.%I', n.nspname, c.relname) AS name, format('%I', pg_get_userbyid(v.relowner)) AS reader,
    has_any_column_privilege(v.relowner, c.oid, 'SELECT') AND has_schema_privilege(v.relowner, n.oid, 'USAGE') AS readable,
    obj_description(v.oid, 'pg_class') = ANY (:presets) AND c.relkind = 'r'
        AND coalesce(to_regclass('questions'), to_regclass('tags')) IS NOT NULL
        AND c.oid NOT IN (coalesce(to_regclass('questions'), 0), coalesce(to_regclass('tags'), 0)) AS former
FROM pg_class v
JOIN pg_rewrite r ON r.ev_class = v.oid
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE v.oid IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag')) AND c.oid <> v.oid
ORDER BY name

-- name: read_source
SELECT question_id, left(text, 1) FROM tagdb.source LIMIT 1

-- name: read_source_tag
SELECT question_id, left(tag, 1) FROM tagdb.source_tag LIMIT 1

-- name: no_long_read
SET LOCAL statement_timeout = '10s'

-- name: extension
SELECT e.extversion AS version, quote_ident(n.nspname) AS schema, quote_ident(current_user) AS quoted_role,
    has_schema_privilege(n.oid, 'USAGE') AS usable,
    CAST(string_to_array(substring(e.extversion FROM '^[0-9.]+'), '.') AS integer[]) >= ARRAY[0, 8] AS new_enough
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'vector'

-- name: settings
SELECT pg_size_bytes(current_setting('shared_buffers')) AS shared_buffers,
    pg_size_bytes(current_setting('maintenance_work_mem')) AS maintenance_work_mem,
    pg_size_bytes(current_setting('max_wal_size')) AS max_wal_size,
    CAST(current_setting('max_parallel_workers_per_gather') AS integer) AS max_parallel_workers_per_gather,
    CAST(current_setting('max_parallel_maintenance_workers') AS integer) AS max_parallel_maintenance_workers

-- name: room
-- Texts without a vector by the chosen embedder, and what the vectors there are take.
SELECT e.dim, v.vectors, pg_total_relation_size(to_regclass(format('tagdb.text_vector_%s', e.id))) AS bytes,
    (SELECT count(*) FROM tagdb.text) - v.vectors - (SELECT count(*) FROM tagdb.failure f WHERE f.embedder_id = e.id) AS due
FROM tagdb.embedder e
CROSS JOIN LATERAL (SELECT count(*) AS vectors FROM tagdb.text_vector WHERE embedder_id = e.id) v
WHERE e.chosen

-- name: invalid_indexes
-- One that is being built is not valid yet.
SELECT format('tagdb.%I', c.relname) AS name, m.amname = 'hnsw' AS hnsw
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
JOIN pg_am m ON m.oid = c.relam
WHERE c.relnamespace = to_regnamespace('tagdb') AND NOT i.indisvalid
    AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.relid = i.indrelid)
ORDER BY name

-- name: killed_runs
SELECT count(*) FROM tagdb.run
WHERE status = 'running' AND id NOT IN (
    SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
        AND classid = CAST(CAST('tagdb'::regnamespace AS integer) # 1952540530 AS oid)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))

-- name: work_tables
-- What a run makes for itself is unlogged, and is gone when it ends; two unlogged tables are always there. A training set
-- that workers share can be seen before.
SELECT format('tagdb.%I', c.relname) AS name FROM pg_class c
WHERE c.relnamespace = to_regnamespace('tagdb') AND c.relkind = 'r' AND c.relpersistence = 'u'
    AND c.relname NOT IN ('due', 'due_range')
    AND NOT (c.relname = 'training_place' AND EXISTS (
        SELECT FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.classid = CAST(CAST('tagdb'::regnamespace AS integer) # 1952540530 AS oid)
            AND l.objid = 0 AND l.objsubid = 2 AND l.granted
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())))
ORDER BY name

-- name: runs
SELECT count(*) AS runs, count(*) FILTER (WHERE started_at < now() - make_interval(days => :days)) AS old,
    pg_total_relation_size('tagdb.run') AS bytes
FROM tagdb.run
