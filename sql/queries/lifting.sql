-- The views over the user's tables, taken away for as long as these are altered, and put back as they were.

-- name: may_be
SELECT (to_regclass('tagdb.source') IS NULL OR to_regclass('tagdb.source_tag') IS NULL)
    AND has_table_privilege('tagdb.lifted_view', 'SELECT')

-- name: any
-- What was lifted and has come back otherwise is no longer lifted.
SELECT EXISTS (SELECT FROM tagdb.lifted_view WHERE to_regclass(format('tagdb.%I', name)) IS NULL)

-- name: kept
SELECT name, definition FROM tagdb.lifted_view ORDER BY place, name

-- name: standing
-- The owner of a schema may drop what is somebody else's in it, but not make it somebody else's again.
SELECT c.relname AS name, quote_ident(pg_get_userbyid(c.relowner)) AS owner, quote_ident(me.rolname) AS me,
    c.relowner = me.oid OR me.rolsuper OR (
        has_schema_privilege(c.relowner, 'tagdb', 'CREATE')
        AND CASE WHEN CAST(current_setting('server_version_num') AS integer) >= 160000
            THEN pg_has_role(c.relowner, 'SET') ELSE pg_has_role(c.relowner, 'MEMBER') END) AS returnable
FROM pg_class c JOIN pg_roles me ON me.rolname = current_user
WHERE c.oid IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag')) AND c.relkind = 'v'
ORDER BY name

-- name: stands
SELECT to_regclass('tagdb.' || :name) IS NOT NULL

-- name: dependents
-- What would have to go along: views, functions and rules that name one of them or its row type, triggers on it.
SELECT DISTINCT CASE
    WHEN c.oid IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid)
    WHEN c.relkind = 'm' THEN 'materialized view ' || CAST(CAST(c.oid AS regclass) AS text)
    ELSE 'view ' || CAST(CAST(c.oid AS regclass) AS text) END AS name
FROM pg_class v
JOIN pg_type t ON t.oid = v.reltype
JOIN pg_depend d ON d.deptype IN ('n', 'a') AND (
    d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid
    OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray))
LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.rulename = '_RETURN'
LEFT JOIN pg_class c ON c.oid = r.ev_class
WHERE v.oid IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag'))
    AND coalesce(c.oid NOT IN (
        SELECT own.oid FROM pg_class own
        WHERE own.oid IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag'))), true)
ORDER BY name

-- name: keep
INSERT INTO tagdb.lifted_view (name, place, definition, owner, options, comments, grants)
SELECT c.relname,
    (SELECT count(DISTINCT d.refobjid)
     FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
     WHERE r.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid
        AND d.refobjid IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag'))),
    pg_get_viewdef(c.oid), pg_get_userbyid(c.relowner), coalesce(c.reloptions, '{}'),
    coalesce((
        SELECT jsonb_object_agg(coalesce(a.attname, ''), m.description)
        FROM pg_description m LEFT JOIN pg_attribute a ON a.attrelid = m.objoid AND a.attnum = m.objsubid AND a.attnum > 0
        WHERE m.objoid = c.oid AND m.classoid = 'pg_class'::regclass), '{}'),
    coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'grantee', CASE WHEN g.grantee <> 0 THEN pg_get_userbyid(g.grantee) END,
            'column', g.attname, 'privilege', g.privilege_type, 'grantable', g.is_grantable))
        FROM (
            SELECT CAST(NULL AS name) AS attname, x.* FROM aclexplode(c.relacl) x
            UNION ALL
            SELECT a.attname, x.* FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x WHERE a.attrelid = c.oid
        ) g
        WHERE g.grantee <> c.relowner), '[]')
FROM pg_class c
WHERE c.oid IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag')) AND c.relkind = 'v'
ON CONFLICT (name) DO UPDATE SET place = EXCLUDED.place, definition = EXCLUDED.definition, owner = EXCLUDED.owner,
    options = EXCLUDED.options, comments = EXCLUDED.comments, grants = EXCLUDED.grants, lifted_at = now()

-- name: wait_a_while
-- Readers queue behind a DROP that waits.
SET LOCAL lock_timeout = '10s'

-- name: drop
DROP VIEW IF EXISTS tagdb.source, tagdb.source_tag

-- name: drop_default_grants
-- What the rights of new relations give, and those of the view did not say.
SELECT DISTINCT format('REVOKE ALL ON tagdb.%I FROM %s', c.relname,
    CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END) AS statement
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) g
WHERE c.oid = to_regclass('tagdb.' || :name) AND g.grantee <> c.relowner

-- name: finish
-- The statements that make a new view what the lifted one was; its owner comes last, who then has granted all of it.
SELECT statement, missing
FROM (
    SELECT 1 AS step, NULL AS missing,
        format('ALTER VIEW tagdb.%I SET (%I = %L)', v.name, split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)) AS statement
    FROM tagdb.lifted_view v CROSS JOIN unnest(v.options) o
    WHERE v.name = :name
    UNION ALL
    SELECT 2, CASE WHEN g.grantee IS NOT NULL AND r.oid IS NULL THEN g.grantee END,
        format('GRANT %s%s ON tagdb.%I TO %s%s', g.privilege, CASE WHEN g.column IS NOT NULL THEN format(' (%I)', g.column) END,
            v.name, coalesce(quote_ident(g.grantee), 'PUBLIC'), CASE WHEN g.grantable THEN ' WITH GRANT OPTION' END)
    FROM tagdb.lifted_view v
    CROSS JOIN jsonb_to_recordset(v.grants) AS g (grantee text, "column" text, privilege text, grantable boolean)
    LEFT JOIN pg_roles r ON r.rolname = g.grantee
    WHERE v.name = :name
    UNION ALL
    SELECT 3, NULL, CASE c.key
        WHEN '' THEN format('COMMENT ON VIEW tagdb.%I IS %L', v.name, c.value)
        ELSE format('COMMENT ON COLUMN tagdb.%I.%I IS %L', v.name, c.key, c.value) END
    FROM tagdb.lifted_view v CROSS JOIN jsonb_each_text(v.comments) c
    WHERE v.name = :name
    UNION ALL
    SELECT 4, CASE WHEN r.oid IS NULL THEN v.owner END, format('ALTER VIEW tagdb.%I OWNER TO %I', v.name, v.owner)
    FROM tagdb.lifted_view v LEFT JOIN pg_roles r ON r.rolname = v.owner
    WHERE v.name = :name AND v.owner <> current_user
) s
ORDER BY step, statement

-- name: forget
DELETE FROM tagdb.lifted_view

-- name: search_path
SELECT current_setting('search_path')

-- name: set_search_path
SELECT set_config('search_path', :path, true)
