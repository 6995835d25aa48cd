-- Processes on other machines that work on a collection for the one that holds its lock, and how many there may be.

-- name: raise_flag
-- Whoever sees this lock is in the same database of the same server, whatever name led there, and the session that raised
-- it is still alive.
SELECT pg_try_advisory_lock(CAST(:flag AS bigint))

-- name: lower_flag
SELECT pg_advisory_unlock(CAST(:flag AS bigint))

-- name: sees_flag
SELECT EXISTS (
    SELECT FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND (CAST(CAST(l.classid AS bigint) << 32 AS bigint) | CAST(l.objid AS bigint)) = CAST(:flag AS bigint)
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))

-- name: free_connections
-- What is left for this role by the limits of the server, of the database and of the role; -1 is none. What is reserved
-- for others counts as taken. Of which kind other roles' sessions are, it may not see. Behind a pooler there may be less.
SELECT least(
    CAST(current_setting('max_connections') AS bigint) - CAST(current_setting('superuser_reserved_connections') AS bigint)
        - CAST(coalesce(current_setting('reserved_connections', true), '0') AS bigint) - a.here,
    CASE WHEN d.datconnlimit >= 0 THEN d.datconnlimit - a.of_database END,
    CASE WHEN r.rolconnlimit >= 0 THEN r.rolconnlimit - a.of_role END) AS free
FROM (
    SELECT count(*) AS here, count(*) FILTER (WHERE datname = current_database()) AS of_database,
        count(*) FILTER (WHERE usename = session_user) AS of_role
    FROM pg_stat_activity
    WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
) a, pg_database d, pg_roles r
WHERE d.datname = current_database() AND r.rolname = session_user
