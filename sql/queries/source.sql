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
-- Whether the view of tags is the user's own, reads the table of that name, stands in for tables that have none, or is
-- gone with a table that it read.
SELECT CASE
    WHEN to_regclass('tagdb.source_tag') IS NULL THEN 'gone'
    WHEN obj_description(to_regclass('tagdb.source_tag'), 'pg_class') IN ('preset', 'stand-in')
        THEN obj_description(to_regclass('tagdb.source_tag'), 'pg_class')
    ELSE 'own' END

-- name: view
-- The comment on a view and its options, NULL without any; no row where there is no such view.
SELECT obj_description(c.oid, 'pg_class') AS comment,
    (SELECT string_agg(format('%I = %L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ') FROM unnest(c.reloptions) o)
        AS options
FROM pg_class c WHERE c.oid = to_regclass(:view)

-- name: tags_read_source
SELECT EXISTS (
    SELECT
    FROM pg_rewrite r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    WHERE r.ev_class = to_regclass('tagdb.source_tag') AND d.refobjid = to_regclass('tagdb.source'))

-- name: definition
-- The words that a view was last made from: those of a preset, or the user's.
SELECT preset, sql, condition, separator FROM tagdb.source_definition WHERE view = :view

-- name: remember
INSERT INTO tagdb.source_definition AS d (view, preset, sql, condition, separator)
VALUES (:view, :preset, :sql, :condition, :separator)
ON CONFLICT (view) DO UPDATE SET preset = EXCLUDED.preset, sql = EXCLUDED.sql, condition = EXCLUDED.condition,
    separator = EXCLUDED.separator
WHERE (d.preset, d.sql, d.condition, d.separator)
    IS DISTINCT FROM (EXCLUDED.preset, EXCLUDED.sql, EXCLUDED.condition, EXCLUDED.separator)

-- name: hold_one_expression
-- A function that nobody calls: making it parses the expression in it, and fails at one that closes what it did not open.
SELECT set_config('check_function_bodies', 'on', true);
CREATE FUNCTION pg_temp.one_expression() RETURNS void LANGUAGE plpgsql AS :body;
DROP FUNCTION pg_temp.one_expression()

-- name: separated_tags
-- How many of the first tags hold a character that lists of tags are written with.
SELECT count(*) AS tags, count(*) FILTER (WHERE tag LIKE '<%>') AS angles,
    count(*) FILTER (WHERE strpos(tag, ';') > 0) AS semicolons, count(*) FILTER (WHERE strpos(tag, '|') > 0) AS pipes,
    count(*) FILTER (WHERE strpos(tag, ',') > 0) AS commas
FROM (SELECT tag FROM tagdb.source_tag WHERE tag IS NOT NULL LIMIT :most) t

-- name: tag_key
-- What can bring the tags of a question in order: whether there is a position, and whether that is enough; and of the
-- primary key, or else of a unique index over columns that are never NULL, the columns other than question_id.
WITH column_of AS (
    SELECT attnum, attname, attnotnull
    FROM pg_attribute WHERE attrelid = to_regclass('tags') AND attnum > 0 AND NOT attisdropped
), unique_index AS (
    SELECT i.indexrelid, i.indisprimary, cardinality(k.columns) AS width, array_remove(k.columns, 'question_id') AS columns
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid AND (c.relkind = 'p' OR NOT c.relhassubclass)
    CROSS JOIN LATERAL (
        SELECT array_agg(CAST(a.attname AS text) ORDER BY n) AS columns, bool_and(a.attnotnull) AS never_null
        FROM generate_series(0, i.indnkeyatts - 1) AS n LEFT JOIN column_of a ON a.attnum = i.indkey[n]
    ) k
    WHERE i.indrelid = to_regclass('tags') AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
        AND i.indexprs IS NULL AND k.never_null
)
SELECT EXISTS (SELECT FROM column_of WHERE attname = 'position') AS positioned,
    EXISTS (SELECT FROM unique_index WHERE columns <@ '{position}') AS position_is_unique,
    u.columns, u.indisprimary AS is_primary, c.relname AS name
FROM (SELECT) AS one
LEFT JOIN (unique_index u JOIN pg_class c ON c.oid = u.indexrelid) ON true
ORDER BY u.indisprimary DESC NULLS LAST, u.width, c.relname
LIMIT 1

-- name: difference
-- Between a view and another one made from the same words now: what each reads that the other does not, which columns of
-- what both read, whether a column of theirs is of another type, and whether they are the same in every way.
WITH reads AS (
    SELECT DISTINCT r.ev_class = to_regclass(:now) AS now, d.refclassid AS class, d.refobjid AS object, d.refobjsubid AS part
    FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE r.ev_class IN (to_regclass(:view), to_regclass(:now)) AND d.refobjid <> r.ev_class
), objects AS (
    SELECT class, object, bool_or(now) AS now, bool_and(now) <> bool_or(now) AS shared FROM reads GROUP BY class, object
), different AS (
    SELECT now, false AS within, pg_describe_object(class, object, 0) AS name FROM objects WHERE NOT shared
    UNION ALL
    SELECT bool_or(r.now), true, pg_describe_object(class, object, part)
    FROM reads r JOIN objects o USING (class, object)
    WHERE o.shared AND part <> 0
    GROUP BY class, object, part HAVING count(*) = 1
), types AS (
    SELECT count(*) > 0 AS differ
    FROM pg_attribute a JOIN pg_attribute b USING (attname)
    WHERE a.attrelid = to_regclass(:view) AND b.attrelid = to_regclass(:now) AND a.attnum > 0
        AND (a.atttypid, a.atttypmod, a.attcollation) <> (b.atttypid, b.atttypmod, b.attcollation)
)
SELECT
    string_agg(name, ', ' ORDER BY name) FILTER (WHERE NOT within AND NOT now) AS before,
    string_agg(name, ', ' ORDER BY name) FILTER (WHERE NOT within AND now) AS now,
    string_agg(name, ', ' ORDER BY name) FILTER (WHERE within AND NOT now) AS columns_before,
    string_agg(name, ', ' ORDER BY name) FILTER (WHERE within AND now) AS columns_now,
    bool_or(t.differ) AS retyped,
    NOT bool_or(t.differ) AND pg_get_viewdef(to_regclass(:view)) = pg_get_viewdef(to_regclass(:now)) AS same
FROM types t LEFT JOIN different ON true

-- name: count_left_out
SELECT count(*) FROM change c WHERE c.gone AND c.question_id IN (SELECT question_id FROM pg_temp.source_now)

-- name: text_type
-- What a column of a type holds, in the terms of what can be made a text of; of an array, its elements.
WITH RECURSIVE base AS (
    SELECT t.* FROM pg_type t WHERE t.oid = CAST(:type AS oid)
    UNION ALL
    SELECT t.* FROM base b JOIN pg_type t ON t.oid = CASE WHEN b.typtype = 'd' THEN b.typbasetype WHEN b.typcategory = 'A' THEN b.typelem END
)
SELECT format_type(CAST(:type AS oid), NULL) AS name,
    bool_or(typtype <> 'd' AND typcategory = 'A') AS is_array,
    max(CASE
        WHEN typcategory IN ('S', 'E', 'B') OR oid IN ('"char"'::regtype, 'uuid'::regtype, 'int2'::regtype, 'int4'::regtype,
            'int8'::regtype, 'numeric'::regtype, 'float4'::regtype, 'float8'::regtype) THEN 'text'
        WHEN typcategory IN ('D', 'T') THEN 'time'
        WHEN oid IN ('json'::regtype, 'jsonb'::regtype) THEN 'json'
        WHEN oid = 'bytea'::regtype THEN 'bytes'
        WHEN typtype = 'c' OR oid = 'record'::regtype THEN 'record'
        ELSE 'other' END) FILTER (WHERE typtype <> 'd' AND typcategory <> 'A') AS kind
FROM base

-- name: user_columns
-- The columns of the user's table of that name, as the search path finds it; a domain is named by what it is over. Those of
-- a family are compared with each other.
SELECT a.attname AS name, b.typcategory = 'S' AS is_text,
    CASE
        WHEN b.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'integers'
        WHEN b.typcategory = 'S' THEN 'texts'
        WHEN b.typcategory = 'E' OR b.oid = 'uuid'::regtype THEN format_type(b.oid, NULL) END AS family,
    CASE WHEN t.typtype = 'd' THEN format_type(b.oid, NULL) ELSE format_type(t.oid, NULL) END AS type
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
CROSS JOIN LATERAL (
    WITH RECURSIVE base AS (
        SELECT t.oid, t.typbasetype, t.typcategory
        UNION ALL
        SELECT n.oid, n.typbasetype, n.typcategory FROM base JOIN pg_type n ON n.oid = base.typbasetype
    )
    SELECT oid, typcategory FROM base WHERE typbasetype = 0
) b
WHERE a.attrelid = to_regclass(:table_name) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum

-- name: user_schema
-- Where an unqualified CREATE TABLE puts the user's tables: never into a collection's schema, nor into one of extensions,
-- nor into the one that is on the path of this connection only for pgvector's sake.
SELECT s
FROM unnest(current_schemas(false)) WITH ORDINALITY AS p (s, place) JOIN pg_namespace own ON own.nspname = s
WHERE s <> 'tagdb' AND (
    SELECT count(*) FROM pg_class c
    WHERE c.relnamespace = own.oid AND c.relkind = 'r'
        AND c.relname IN ('alembic_version', 'embedder', 'question', 'run', 'text')) < 5
AND NOT EXISTS (
    SELECT
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE n.nspname = s AND (s <> 'public' OR e.extname = 'vector' AND current_setting('search_path') <> (
        SELECT reset_val FROM pg_settings WHERE name = 'search_path')))
ORDER BY place LIMIT 1
