-- Questions about the schema itself, asked before anything else is.

-- name: has_version_table
SELECT to_regclass('tagdb.alembic_version') IS NOT NULL

-- name: revision
SELECT version_num FROM tagdb.alembic_version

-- name: comment
SELECT obj_description(to_regnamespace('tagdb'), 'pg_namespace')

-- name: vector_extension
SELECT installed_version, default_version,
    CAST(string_to_array(coalesce(installed_version, default_version), '.') AS integer[]) >= ARRAY[0, 8] AS new_enough
FROM pg_available_extensions WHERE name = 'vector'

-- name: create_vector_extension
CREATE EXTENSION IF NOT EXISTS vector

-- name: load_vector_library
-- Its settings, which the functions name, are known to an ordinary user only once it is loaded.
SELECT CAST('[1]' AS vector)
