-- The views tagdb.source and tagdb.source_tag: what gets embedded, and which tag stands on which question.

-- name: exists
SELECT to_regclass('tagdb.source') IS NOT NULL

-- name: description
SELECT obj_description(to_regclass('tagdb.source'), 'pg_class')

-- name: has_questions
SELECT EXISTS (SELECT FROM tagdb.question)

-- name: has_unique_id
-- Whether a column `id` that the view reads has a unique index of its own; one that tables inherit does not cover them.
SELECT EXISTS (
    SELECT
    FROM pg_rewrite r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_class c ON c.oid = d.refobjid AND (c.relkind = 'p' OR NOT c.relhassubclass)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid AND a.attname = 'id'
    JOIN pg_index i ON i.indrelid = a.attrelid AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
    WHERE r.ev_class = to_regclass('tagdb.source') AND i.indisunique AND i.indisvalid AND i.indpred IS NULL)

-- name: tags_state
-- Whether the view of tags is the user's, a stand-in for tables that have none, or gone with a table that it read.
SELECT CASE
    WHEN to_regclass('tagdb.source_tag') IS NULL THEN 'gone'
    WHEN obj_description(to_regclass('tagdb.source_tag'), 'pg_class') = 'stand-in' THEN 'stand-in'
    ELSE 'defined' END

-- name: user_columns
-- The columns of the user's table of that name, as the search path finds it.
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type
FROM pg_attribute a
WHERE a.attrelid = to_regclass(:table_name) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum

-- name: user_schema
-- Where an unqualified CREATE TABLE puts the user's tables: never into tagdb's own schema, nor into one of an extension.
SELECT s
FROM unnest(current_schemas(false)) WITH ORDINALITY AS p (s, place)
WHERE s <> 'tagdb' AND (s = 'public' OR NOT EXISTS (SELECT FROM pg_extension e WHERE e.extnamespace = to_regnamespace(s)))
ORDER BY place LIMIT 1
