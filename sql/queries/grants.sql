-- Who else may read schema tagdb, and what of it.

-- name: reader
-- A role by its name, with what only others can give it: the way into the database and to pgvector's operators.
SELECT quote_ident(r.rolname) AS name, r.rolname AS plain_name, quote_ident(current_database()) AS database, quote_ident(n.nspname) AS pgvector,
    quote_ident(pg_get_userbyid(s.nspowner)) AS owner,
    pg_has_role(r.oid, s.nspowner, 'USAGE') AS acts_as_owner,
    pg_has_role(current_user, s.nspowner, 'USAGE') AS grantable,
    has_database_privilege(r.oid, current_database(), 'CONNECT') AS connects,
    coalesce(has_schema_privilege(r.oid, n.oid, 'USAGE'), true) AS uses_pgvector
FROM pg_roles r
CROSS JOIN pg_namespace s
LEFT JOIN pg_extension e ON e.extname = 'vector'
LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE r.rolname = :name AND s.nspname = 'tagdb'

-- name: similar
SELECT quote_ident(rolname) AS name FROM pg_roles WHERE lower(rolname) = lower(:name)

-- name: owner
-- Whose the tables are; what that role makes later is what default privileges are about.
SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class WHERE oid = 'tagdb.labels'::regclass

-- name: narrow
-- Labels, neighbours and status: of the texts nothing but their vectors, of embedders not where their files lie.
GRANT USAGE ON SCHEMA tagdb TO {reader};
GRANT SELECT ON tagdb.alembic_version, tagdb.labels, tagdb.status, tagdb.health, tagdb.embedding, tagdb.question, tagdb.text_vector,
    tagdb.tag_vector, tagdb.classifier_weight TO {reader};
GRANT SELECT (id, name, dim, chosen, active) ON tagdb.embedder TO {reader};
GRANT EXECUTE ON FUNCTION tagdb.nearest_tags, tagdb.nearest_questions, tagdb.classify TO {reader}

-- name: wide
-- All there is, and all that the owner makes later.
GRANT USAGE ON SCHEMA tagdb TO {reader};
GRANT SELECT ON ALL TABLES IN SCHEMA tagdb TO {reader};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA tagdb GRANT SELECT ON TABLES TO {reader};
GRANT EXECUTE ON FUNCTION tagdb.nearest_tags, tagdb.nearest_questions, tagdb.classify TO {reader}

-- name: revoke
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA tagdb REVOKE ALL ON TABLES FROM {reader};
REVOKE ALL ON ALL TABLES IN SCHEMA tagdb FROM {reader};
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tagdb FROM {reader};
REVOKE ALL ON SCHEMA tagdb FROM {reader}

-- name: wide_lifted
-- What a lifted view comes back with.
UPDATE tagdb.lifted_view
SET grants = grants || jsonb_build_array(jsonb_build_object(
    'grantee', CAST(:name AS text), 'column', NULL, 'privilege', 'SELECT', 'grantable', false))
WHERE NOT grants @> jsonb_build_array(jsonb_build_object(
    'grantee', CAST(:name AS text), 'column', NULL, 'privilege', 'SELECT'))

-- name: revoke_lifted
UPDATE tagdb.lifted_view
SET grants = coalesce((
    SELECT jsonb_agg(g) FROM jsonb_array_elements(grants) g WHERE g->>'grantee' IS DISTINCT FROM CAST(:name AS text)), '[]')
WHERE grants @> jsonb_build_array(jsonb_build_object('grantee', CAST(:name AS text)))
