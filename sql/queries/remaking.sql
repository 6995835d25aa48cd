-- Views and functions of tagdb's that are dropped and made again, because a column of theirs is of another type now.

-- name: dependents
-- What PostgreSQL would not let them be dropped for, nor the type of the given tables' ids be changed, beside themselves.
WITH named AS (
    SELECT 'pg_class'::regclass AS class, c.oid AS object, 0 AS part, c.oid AS own
    FROM pg_class c WHERE c.relnamespace = to_regnamespace('tagdb') AND c.relkind = 'v' AND c.relname = ANY (:names)
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid, 0, c.oid
    FROM pg_class c JOIN pg_type r ON r.oid = c.reltype JOIN pg_type t ON t.oid IN (r.oid, r.typarray)
    WHERE c.relnamespace = to_regnamespace('tagdb') AND c.relkind = 'v' AND c.relname = ANY (:names)
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, 0, NULL
    FROM pg_proc p WHERE p.pronamespace = to_regnamespace('tagdb') AND p.proname = ANY (:names)
    UNION ALL
    SELECT 'pg_class'::regclass, a.attrelid, a.attnum, NULL
    FROM pg_attribute a
    WHERE a.attrelid = ANY (CAST(CAST(:tables AS text[]) AS regclass[])) AND a.attname = 'question_id'
)
SELECT DISTINCT CASE
    WHEN c.oid IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid)
    WHEN c.relkind = 'm' THEN 'materialized view ' || CAST(CAST(c.oid AS regclass) AS text)
    ELSE 'view ' || CAST(CAST(c.oid AS regclass) AS text) END AS name
FROM named n
JOIN pg_depend d ON d.refclassid = n.class AND d.refobjid = n.object AND d.deptype IN ('n', 'a')
    AND (n.part = 0 OR d.refobjsubid = n.part)
LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.rulename = '_RETURN'
LEFT JOIN pg_class c ON c.oid = r.ev_class
LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
WHERE d.classid NOT IN ('pg_class'::regclass, 'pg_statistic_ext'::regclass)
    AND (d.classid <> 'pg_constraint'::regclass OR k.conrelid <> d.refobjid)
    AND coalesce(c.oid NOT IN (SELECT own FROM named WHERE own IS NOT NULL), true)
ORDER BY name

-- name: rights
-- The statements that give what is made again the rights, the comments on columns and the owner that it has now.
WITH object AS (
    SELECT 'VIEW' AS kind, '' AS word, c.relname AS name, c.oid, c.relowner AS owner, c.relacl AS acl
    FROM pg_class c WHERE c.relnamespace = to_regnamespace('tagdb') AND c.relkind = 'v' AND c.relname = ANY (:names)
    UNION ALL
    SELECT 'FUNCTION', 'FUNCTION', p.proname, p.oid, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    FROM pg_proc p WHERE p.pronamespace = to_regnamespace('tagdb') AND p.proname = ANY (:names)
)
SELECT statement
FROM (
    SELECT 1 AS step, format('GRANT %s ON %s tagdb.%I TO %s%s', g.privilege_type, o.word, o.name,
        CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
        CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' END) AS statement
    FROM object o CROSS JOIN LATERAL aclexplode(o.acl) g
    WHERE g.grantee <> o.owner
    UNION ALL
    SELECT 1, format('GRANT %s (%I) ON tagdb.%I TO %s%s', g.privilege_type, a.attname, o.name,
        CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
        CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' END)
    FROM object o JOIN pg_attribute a ON o.kind = 'VIEW' AND a.attrelid = o.oid CROSS JOIN LATERAL aclexplode(a.attacl) g
    WHERE g.grantee <> o.owner
    UNION ALL
    SELECT 2, format('COMMENT ON COLUMN tagdb.%I.%I IS %L', o.name, a.attname, m.description)
    FROM object o
    JOIN pg_attribute a ON o.kind = 'VIEW' AND a.attrelid = o.oid
    JOIN pg_description m ON m.objoid = o.oid AND m.classoid = 'pg_class'::regclass AND m.objsubid = a.attnum
    WHERE a.attnum > 0
    UNION ALL
    SELECT 3, format('ALTER %s tagdb.%I OWNER TO %s', o.kind, o.name, quote_ident(pg_get_userbyid(o.owner)))
    FROM object o WHERE pg_get_userbyid(o.owner) <> current_user
) s
ORDER BY step, statement

-- name: drop
-- The statements that drop them; views, of which one may read another, in one.
SELECT 'DROP VIEW ' || string_agg(format('tagdb.%I', relname), ', ') AS statement
FROM pg_class WHERE relnamespace = to_regnamespace('tagdb') AND relkind = 'v' AND relname = ANY (:names)
HAVING count(*) > 0
UNION ALL
SELECT format('DROP FUNCTION tagdb.%I(%s)', proname, pg_get_function_identity_arguments(oid))
FROM pg_proc WHERE pronamespace = to_regnamespace('tagdb') AND proname = ANY (:names)

-- name: drop_default_rights
-- What the rights of new views and functions give, which they need not have had.
SELECT format('REVOKE ALL ON tagdb.%I FROM %s', c.relname,
    CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END) AS statement
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) g
WHERE c.relnamespace = to_regnamespace('tagdb') AND c.relkind = 'v' AND c.relname = ANY (:names) AND g.grantee <> c.relowner
UNION
SELECT format('REVOKE ALL ON FUNCTION tagdb.%I FROM %s', p.proname,
    CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
FROM pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
WHERE p.pronamespace = to_regnamespace('tagdb') AND p.proname = ANY (:names) AND g.grantee <> p.proowner
