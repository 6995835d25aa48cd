-- What every connection is told before its first statement.

-- name: prepare
-- Work in bulk outlasts the limits that a server sets for a web page's queries; those that the user gives to this
-- connection hold. Rows that a policy hides would look as if they were deleted: with row_security off, PostgreSQL says so.
-- A client whose machine has vanished is noticed within a minute, and its locks are given back, unless the server says
-- otherwise. Nothing is set in another process than the expected one: behind a pooler it may be anybody's.
SELECT set_config(name, value, false)
FROM pg_settings
JOIN (VALUES ('statement_timeout', '0'), ('lock_timeout', '0'), ('transaction_timeout', '0'),
    ('idle_session_timeout', '0'), ('idle_in_transaction_session_timeout', '0'), ('tcp_keepalives_idle', '30'),
    ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3')) AS wanted (name, value) USING (name)
WHERE CASE value WHEN '0' THEN setting <> '0' AND source <> 'client' ELSE source = 'default' END
    AND pg_backend_pid() = {process};
SELECT pg_backend_pid(), pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on',
    CASE WHEN pg_backend_pid() = {process} THEN set_config('row_security', 'off', false) END

-- name: act_as_owner
-- Whoever of several works on the schema does so as the role whose it is, where that may be taken on: else what one of
-- them made, the others could not change. A role that the user has chosen stays.
SELECT set_config('role', o.owner, false)
FROM (
    SELECT CAST(pg_get_userbyid(coalesce(c.relowner, n.nspowner)) AS text) AS owner
    FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'alembic_version'
    WHERE n.nspname = 'tagdb'
) o
WHERE o.owner <> current_user AND current_setting('role') = 'none'
    AND CASE WHEN CAST(current_setting('server_version_num') AS integer) >= 160000
        THEN pg_has_role(session_user, o.owner, 'SET') ELSE pg_has_role(session_user, o.owner, 'MEMBER') END;
SELECT current_user

-- name: find_vector
-- pgvector lies where whoever made the extension has put it; what the user's search path finds first stays first.
SELECT set_config('search_path',
    concat_ws(', ', nullif(nullif(current_setting('search_path'), ''), '""'), quote_ident(n.nspname)), false)
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'vector' AND n.nspname <> ALL (current_schemas(true))

-- name: find_own_tables
-- A collection that is not the default one may have questions of its own, which its queries mean before all others. The
-- path of one over the user's tables stays, so that nothing of tagdb's comes before what the user calls text or labels.
SELECT set_config('search_path',
    concat_ws(', ', quote_ident('tagdb'), nullif(nullif(current_setting('search_path'), ''), '""')), false)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'tagdb' AND c.relname = 'questions' AND c.relkind IN ('r', 'p')
    AND (current_schemas(false))[1] IS DISTINCT FROM 'tagdb'

-- name: path_to_own_tables
-- For another connection that is to find them; through a pooler it could not be said.
SELECT current_setting('search_path')
FROM (SELECT) one
WHERE pg_backend_pid() = :process AND (current_schemas(false))[1] = 'tagdb' AND current_setting('search_path') <> (
    SELECT reset_val FROM pg_settings WHERE name = 'search_path')

-- name: forget
-- What a client before this one may have left in a session that a pooler hands on as it is.
DISCARD TEMP;
RESET ROLE;
SELECT pg_advisory_unlock_all()

-- name: leave
-- What the next client of a pooler is not to find.
DISCARD TEMP;
RESET ROLE;
SELECT pg_advisory_unlock_all();
SELECT set_config(name, reset_val, false)
FROM pg_settings
WHERE name IN ('row_security', 'search_path', 'statement_timeout', 'lock_timeout', 'transaction_timeout',
        'idle_session_timeout', 'idle_in_transaction_session_timeout', 'tcp_keepalives_idle', 'tcp_keepalives_interval',
        'tcp_keepalives_count')
    AND setting <> reset_val
