-- The triggers that write down which questions the user's statements change: made, looked at, and removed.

-- name: state
SELECT since, words, kept, tagged_by FROM tagdb.capture

-- name: may_read
SELECT has_table_privilege('tagdb.capture', 'SELECT') AND has_table_privilege('tagdb.captured', 'SELECT')
    AND has_table_privilege('tagdb.capture_table', 'SELECT')

-- name: begin
INSERT INTO tagdb.capture (words) VALUES (NULL) ON CONFLICT (captures) DO UPDATE SET words = NULL

-- name: read
-- The tables that the views read, and of which columns anything is read; those that they are the whole of come with them.
-- To be NULL, the columns would have to be all: so it is where a row is read as a value.
WITH RECURSIVE of_views AS (
    SELECT r.ev_class, d.refobjid AS root, a.attname
    FROM pg_rewrite r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0
    WHERE r.ev_class IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag'))
        AND d.refobjid <> r.ev_class AND d.refobjid IS DISTINCT FROM to_regclass('tagdb.source')
), member AS (
    SELECT DISTINCT root, root AS oid FROM of_views
    UNION
    SELECT m.root, i.inhrelid FROM member m JOIN pg_inherits i ON i.inhparent = m.oid
)
SELECT CAST(m.root AS bigint) AS root, CAST(c.oid AS bigint) AS oid, format('%I.%I', n.nspname, c.relname) AS name,
    CAST(c.relkind AS text) AS kind, c.relpersistence = 'p' AS logged, quote_ident(pg_get_userbyid(c.relowner)) AS owner,
    pg_has_role(c.relowner, 'USAGE') AS owned, has_table_privilege(c.oid, 'TRIGGER') AS triggerable,
    EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = c.oid) AS subscribed,
    m.root IS NOT DISTINCT FROM to_regclass('questions') AS is_questions,
    m.root IS NOT DISTINCT FROM to_regclass('tags') AS is_tags,
    (SELECT array_agg(DISTINCT CAST(v.attname AS text)) FROM of_views v WHERE v.root = m.root AND v.attname IS NOT NULL) AS columns,
    t.number, coalesce(t.events, 0) AS events, coalesce(t.firing, false) AS firing, coalesce(t.always, false) AS always
FROM member m
JOIN pg_class c ON c.oid = m.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT min(CAST(substr(p.proname, 9) AS integer)) AS number, bit_or(CAST(t.tgtype AS integer)) AS events,
        bool_and(t.tgenabled IN ('O', 'A')) AS firing, bool_and(t.tgenabled = 'A') AS always
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND p.pronamespace = 'tagdb'::regnamespace
        AND p.proname ~ '^capture_[0-9]+$'
) t ON true
ORDER BY m.root, m.root <> c.oid, c.oid

-- name: whole_rows
SELECT coalesce(bool_or(CAST(r.ev_action AS text) ~ '\:varattno 0 '), false)
FROM pg_rewrite r WHERE r.ev_class IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag'))

-- name: beyond_rows
-- What in the views is not told by the rows that their tables hold: the time or the role, functions whose bodies may
-- change or that give another result each time, and how many other rows there are.
WITH action AS (
    SELECT CAST(r.ev_action AS text) AS words
    FROM pg_rewrite r WHERE r.ev_class IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag'))
)
SELECT p.proname || '()' AS what
FROM action a
CROSS JOIN LATERAL regexp_matches(a.words, '\:(funcid|opfuncid|aggfnoid|winfnoid) ([0-9]+)', 'g') AS m (parts)
JOIN pg_proc p ON p.oid = CAST(m.parts[2] AS oid)
WHERE p.provolatile = 'v'
    OR p.pronamespace = 'pg_catalog'::regnamespace AND (
        p.proname IN ('now', 'transaction_timestamp', 'statement_timestamp', 'current_setting', 'current_user',
            'session_user', 'current_schema', 'current_schemas', 'current_database', 'pg_trigger_depth')
        OR p.proname = 'age' AND p.pronargs = 1)
    OR p.pronamespace <> 'pg_catalog'::regnamespace AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
UNION
SELECT 'the time or the role' FROM action WHERE words LIKE '%{SQLVALUEFUNCTION%'
UNION
SELECT 'LIMIT or OFFSET' FROM action WHERE words ~ '\:limit(Count|Offset) {'
UNION
SELECT 'a window function' FROM action WHERE words LIKE '%hasWindowFuncs true%'
UNION
SELECT 'TABLESAMPLE' FROM action WHERE words LIKE '%{TABLESAMPLE%'
ORDER BY what

-- name: words
-- What a comparison rests on: another one of these, and it is not known what no trigger has seen since. A trigger that was
-- switched off meanwhile, or a function of another body, was written by another transaction; rows that an ALTER TABLE
-- wrote lie in another file.
WITH RECURSIVE member AS (
    SELECT d.refobjid AS oid
    FROM pg_rewrite r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    WHERE r.ev_class IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag')) AND d.refobjid <> r.ev_class
    UNION
    SELECT i.inhrelid FROM member m JOIN pg_inherits i ON i.inhparent = m.oid
)
SELECT concat_ws(' ',
    (SELECT pg_get_viewdef(to_regclass('tagdb.source'))), (SELECT pg_get_viewdef(to_regclass('tagdb.source_tag'))), (
        SELECT string_agg(concat_ws(' ', c.oid, c.relkind, c.relfilenode, c.relrowsecurity), ' ' ORDER BY c.oid)
        FROM member m JOIN pg_class c ON c.oid = m.oid), (
        SELECT string_agg(concat_ws(' ', a.attrelid, a.attnum, a.atttypid, a.atttypmod, a.attcollation), ' '
            ORDER BY a.attrelid, a.attnum)
        FROM member m JOIN pg_attribute a ON a.attrelid = m.oid AND a.attnum > 0), (
        SELECT string_agg(concat_ws(' ', t.oid, t.tgrelid, t.xmin, t.tgenabled, p.oid, p.xmin), ' ' ORDER BY t.oid)
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE NOT t.tgisinternal AND p.pronamespace = 'tagdb'::regnamespace AND p.proname ~ '^capture_[0-9]+$'))

-- name: replica_roles
-- Whether somebody's sessions begin in the role in which only triggers fire that are always to.
SELECT EXISTS (
    SELECT FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS said
    WHERE said = 'session_replication_role=replica'
        AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())))

-- name: tables
SELECT number, name, expression, type, columns FROM tagdb.capture_table ORDER BY number

-- name: functions
SELECT CAST(substr(proname, 9) AS integer) AS number, prosrc AS body, prosecdef AS as_owner
FROM pg_proc WHERE pronamespace = 'tagdb'::regnamespace AND proname ~ '^capture_[0-9]+$'
ORDER BY number

-- name: named
SELECT CAST(to_regclass(:name) AS bigint)

-- name: generate
-- A generated column may depend on nothing but its row, the same each time.
CREATE TEMP TABLE tagdb_row (LIKE {table}, tagdb_id {type} GENERATED ALWAYS AS ({expression}) STORED)

-- name: generated
-- The expression with every name in full, and the functions in it whose bodies may change.
SELECT pg_get_expr(d.adbin, d.adrelid) AS expression, (
    SELECT string_agg(DISTINCT p.proname || '()', ', ')
    FROM pg_depend u JOIN pg_proc p ON p.oid = u.refobjid
    WHERE u.classid = 'pg_attrdef'::regclass AND u.objid = d.oid AND u.refclassid = 'pg_proc'::regclass
        AND NOT EXISTS (
            SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
    ) AS functions
FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid = to_regclass('pg_temp.tagdb_row') AND a.attname = 'tagdb_id'

-- name: drop_generated
DROP TABLE pg_temp.tagdb_row

-- name: any_named
-- Whether the source gives one of the first ids of a table's rows, if there are any of both.
SELECT NOT EXISTS (SELECT FROM tagdb.question) OR NOT EXISTS (SELECT FROM {table}) OR EXISTS (
    SELECT FROM tagdb.question
    WHERE question_id IN (SELECT {id} FROM (SELECT {expression} AS found FROM {table} LIMIT 1000) f))

-- name: keep_table
INSERT INTO tagdb.capture_table (name, expression, type, columns)
VALUES (:name, :expression, :type, CAST(:columns AS text[])) RETURNING number

-- name: forget_tables
DELETE FROM tagdb.capture_table

-- name: wait_a_while
-- Writers queue behind a lock that waits.
SET LOCAL lock_timeout = '10s'

-- name: body
-- Which questions a statement has changed, in one row, written as what tagdb's owner may and the writer may not: NULL for
-- any of them, also where they are too many for a list. An update that leaves all as it was is none; rows are compared as
-- they are written out, for some types know no equality.
IF TG_OP = 'INSERT' THEN
    INSERT INTO tagdb.captured (question_ids)
    SELECT CASE WHEN count(*) > {most} THEN ARRAY[CAST(NULL AS text)] ELSE array_agg(c.id) END
    FROM (SELECT CAST({id} AS text) AS id FROM new_rows AS tagdb_row LIMIT {most} + 1) AS c
    HAVING count(*) > 0;
ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO tagdb.captured (question_ids)
    SELECT CASE WHEN count(*) > {most} THEN ARRAY[CAST(NULL AS text)] ELSE array_agg(c.id) END
    FROM (SELECT CAST({id} AS text) AS id FROM old_rows AS tagdb_row LIMIT {most} + 1) AS c
    HAVING count(*) > 0;
ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO tagdb.captured (question_ids)
    SELECT CASE WHEN count(*) > {most} THEN ARRAY[CAST(NULL AS text)] ELSE array_agg(c.id) END
    FROM (
        SELECT u.id
        FROM (
            SELECT CAST({id} AS text) COLLATE "C" AS id, CAST({row} AS text) COLLATE "C" AS said, 1 AS n
            FROM new_rows AS tagdb_row
            UNION ALL
            SELECT CAST({id} AS text) COLLATE "C", CAST({row} AS text) COLLATE "C", -1
            FROM old_rows AS tagdb_row
        ) AS u
        GROUP BY u.id, u.said
        HAVING sum(u.n) <> 0
        LIMIT {most} + 1
    ) AS c
    HAVING count(*) > 0;
ELSE
    INSERT INTO tagdb.captured (question_ids) VALUES (ARRAY[CAST(NULL AS text)]);
END IF

-- name: create_function
CREATE FUNCTION tagdb.capture_{number}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS '{body}';
REVOKE ALL ON FUNCTION tagdb.capture_{number}() FROM PUBLIC;
COMMENT ON FUNCTION tagdb.capture_{number}() IS '{comment}'

-- name: create_triggers
CREATE TRIGGER {insert} AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION tagdb.capture_{number}();
CREATE TRIGGER {update} AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION tagdb.capture_{number}();
CREATE TRIGGER {delete} AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION tagdb.capture_{number}();
CREATE TRIGGER {truncate} AFTER TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION tagdb.capture_{number}()

-- name: fire_always
-- Also in sessions that act as a replica's; only the table's owner may say so.
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {insert}, ENABLE ALWAYS TRIGGER {update}, ENABLE ALWAYS TRIGGER {delete},
    ENABLE ALWAYS TRIGGER {truncate}

-- name: drop_function
-- The triggers go with it, whoever owns the table.
DROP FUNCTION tagdb.capture_{number}() CASCADE

-- name: empty
DELETE FROM tagdb.capture;
DELETE FROM tagdb.capture_table;
DELETE FROM tagdb.captured;
DELETE FROM tagdb.unfinished;
TRUNCATE tagdb.tagged

-- name: waiting
-- How many questions wait for a sync, and whether any may have changed.
SELECT count(DISTINCT question_id) AS questions, coalesce(bool_or(question_id IS NULL), false) AS everything
FROM (
    SELECT question_id FROM tagdb.captured CROSS JOIN LATERAL unnest(question_ids) AS c (question_id)
    UNION ALL
    SELECT question_id FROM tagdb.unfinished
) w
