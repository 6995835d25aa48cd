-- The type of question ids: what the source gives, and what tagdb.question and tagdb.labels have.

-- name: column
-- Of the column question_id of one of tagdb's relations; no row where there is no such relation.
SELECT format_type(a.atttypid, NULL) AS type, quote_ident(n.nspname) || '.' || quote_ident(c.collname) AS collation
FROM pg_attribute a
LEFT JOIN pg_collation c ON c.oid = a.attcollation
LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
WHERE a.attrelid = to_regclass(:relation) AND a.attname = 'question_id' AND NOT a.attisdropped

-- name: kind
-- What ids of a type are stored as, NULL where they are not; else in which terms to say what to write.
SELECT format_type(oid, NULL) AS name,
    CASE
        WHEN oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype) THEN format_type(oid, NULL)
        WHEN typcategory IN ('S', 'E') THEN 'text' END AS stored_as,
    CASE
        WHEN typcategory = 'A' THEN 'array'
        WHEN oid IN ('json'::regtype, 'jsonb'::regtype) THEN 'json'
        WHEN oid = 'bytea'::regtype THEN 'bytes'
        WHEN typcategory IN ('D', 'T') THEN 'time'
        WHEN oid = 'numeric'::regtype THEN 'number'
        ELSE 'other' END AS kind
FROM pg_type WHERE oid = CAST(:type AS oid)

-- name: collation
-- The collation of a column of the user's query in its full name, where equal to it is what has the same bytes; else that
-- of the database. No row of the query is read.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname) AS collation
FROM (SELECT pg_collation_for({column}) AS name FROM (SELECT) AS one LEFT JOIN {query} AS q ON false) AS found
JOIN pg_collation c ON c.oid = CASE
    WHEN (SELECT collisdeterministic FROM pg_collation WHERE oid = to_regcollation(found.name)) THEN to_regcollation(found.name)
    ELSE to_regcollation('pg_catalog."default"') END
JOIN pg_namespace n ON n.oid = c.collnamespace

-- name: unused
SELECT NOT EXISTS (SELECT FROM tagdb.question) AND NOT EXISTS (SELECT FROM tagdb.labels)

-- name: forget
TRUNCATE tagdb.question, tagdb.labels, tagdb.source_band

-- name: widen
ALTER TABLE tagdb.question ALTER question_id TYPE {type};
ALTER TABLE tagdb.labels ALTER question_id TYPE {type}

-- name: change
-- Of tables without a row.
ALTER TABLE tagdb.question ALTER question_id TYPE {type} USING NULL;
ALTER TABLE tagdb.labels ALTER question_id TYPE {type} USING NULL

-- name: lock
-- Readers queue behind a lock that waits.
SELECT set_config('tagdb_before.lock_timeout', current_setting('lock_timeout'), true);
SET LOCAL lock_timeout = '10s';
LOCK TABLE tagdb.question, tagdb.labels IN ACCESS EXCLUSIVE MODE

-- name: wait_as_before
SELECT set_config('lock_timeout', current_setting('tagdb_before.lock_timeout'), true)
