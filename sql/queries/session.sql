-- What every connection is told before its first statement.

-- name: prepare
-- Work in bulk outlasts the limits that a server sets for a web page's queries; those that the user gives to this
-- connection hold. Rows that a policy hides would look as if they were deleted: with row_security off, PostgreSQL says so.
SELECT set_config('row_security', 'off', false);
SELECT set_config(name, '0', false)
FROM pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_session_timeout',
        'idle_in_transaction_session_timeout')
    AND setting <> '0' AND source <> 'client'

-- name: find_vector
-- pgvector lies where whoever made the extension has put it; what the user's search path finds first stays first.
SELECT set_config('search_path',
    concat_ws(', ', nullif(nullif(current_setting('search_path'), ''), '""'), quote_ident(n.nspname)), false)
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'vector' AND n.nspname <> ALL (current_schemas(true))
