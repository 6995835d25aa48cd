-- Questions about the schema itself, asked before anything else is.

-- name: exists
SELECT to_regnamespace('tagdb') IS NOT NULL

-- name: is_foreign
-- Whether something is in the schema, and it is not a collection. Those tables are there at any revision, and no dump
-- loses them; what belongs to an extension is nobody's.
SELECT
    (SELECT count(*) FROM pg_class c
     WHERE c.relnamespace = n.oid AND c.relkind = 'r'
        AND c.relname IN ('alembic_version', 'embedder', 'question', 'run', 'text')) < 5
    AND EXISTS (
        SELECT
        FROM (
            SELECT 'pg_class'::regclass AS class, oid AS object FROM pg_class
            WHERE relnamespace = n.oid AND relkind <> 'i' AND relname <> 'alembic_version'
            UNION ALL
            SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = n.oid
            UNION ALL
            SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = n.oid AND typtype IN ('d', 'e', 'r')
        ) o
        WHERE NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = o.class AND d.objid = o.object AND d.deptype = 'e'))
FROM pg_namespace n WHERE n.nspname = 'tagdb'

-- name: create
CREATE SCHEMA tagdb

-- name: rights
-- What the role that asks may do in the schema, and whose it is.
SELECT quote_ident(pg_get_userbyid(nspowner)) AS owner, quote_ident(current_user) AS me,
    has_schema_privilege(oid, 'USAGE') AS usable, has_schema_privilege(oid, 'CREATE') AS creatable
FROM pg_namespace WHERE nspname = 'tagdb'

-- name: has_version_table
SELECT to_regclass('tagdb.alembic_version') IS NOT NULL

-- name: revision
SELECT version_num FROM tagdb.alembic_version

-- name: missing
-- What a dump may lose in restoring: functions and views, and the tables that hold vectors.
SELECT name FROM unnest(CAST(:functions AS text[])) AS f (name)
WHERE NOT EXISTS (SELECT FROM pg_proc WHERE proname = name AND pronamespace = to_regnamespace('tagdb'))
UNION ALL
SELECT name FROM unnest(CAST(:relations AS text[])) AS r (name)
WHERE NOT EXISTS (SELECT FROM pg_class WHERE relname = name AND relnamespace = to_regnamespace('tagdb'))

-- name: routines
-- Functions and views with their comments, and a digest of what they are.
SELECT proname AS name, obj_description(oid, 'pg_proc') AS comment, left(md5(pg_get_functiondef(oid)), 12) AS digest
FROM pg_proc WHERE pronamespace = to_regnamespace('tagdb') AND prokind = 'f'
UNION ALL
SELECT relname, obj_description(oid, 'pg_class'), left(md5(pg_get_viewdef(oid)), 12)
FROM pg_class WHERE relnamespace = to_regnamespace('tagdb') AND relkind = 'v'

-- name: set_path
-- For the rest of the transaction; what it was is returned.
WITH before AS MATERIALIZED (SELECT current_setting('search_path') AS path)
SELECT path FROM before WHERE set_config('search_path', :path, true) IS NOT NULL

-- name: encoding
SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()

-- name: vector
-- Which pgvector this database has, and whether the role that asks may enter its schema.
SELECT e.extversion AS installed, CAST(string_to_array(e.extversion, '.') AS integer[]) >= ARRAY[0, 8] AS new_enough,
    quote_ident(n.nspname) AS schema, quote_ident(current_user) AS me, has_schema_privilege(n.oid, 'USAGE') AS usable
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'vector'

-- name: offers_vector
SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')

-- name: server_version
SELECT CAST(current_setting('server_version_num') AS integer) / 10000

-- name: extension_schema
-- Where an extension goes: where the search path says, but never into this collection's schema or that of another.
SELECT quote_ident(coalesce(
    (SELECT s FROM unnest(current_schemas(false)) WITH ORDINALITY AS p (s, place) JOIN pg_namespace n ON n.nspname = s
     WHERE s <> 'tagdb' AND (
        SELECT count(*) FROM pg_class c
        WHERE c.relnamespace = n.oid AND c.relkind = 'r'
            AND c.relname IN ('alembic_version', 'embedder', 'question', 'run', 'text')) < 5
     ORDER BY place LIMIT 1),
    (SELECT nspname FROM pg_namespace WHERE nspname = 'public')))

-- name: create_vector
CREATE EXTENSION IF NOT EXISTS vector SCHEMA {schema}

-- name: acting
SELECT CAST(current_user AS text)

-- name: act_as_login
-- As the role that the connection began as, for the rest of the transaction.
SET LOCAL role TO DEFAULT

-- name: act_as
SELECT set_config('role', :role, true)
