-- Which versions of which rows there are: told by where they lie and who wrote them, without reading what they say.

-- name: views
-- The views in words, the types of the columns in them, and the tables that a preset would read. NULL unless both views
-- are of tagdb's own making, and no function or operator that somebody made decides in them what one row tells: its body
-- may change, unless it is an extension's.
SELECT concat_ws(' ',
    pg_get_viewdef(s.oid), pg_get_viewdef(t.oid), CAST(to_regclass('questions') AS oid), CAST(to_regclass('tags') AS oid), (
        SELECT string_agg(concat_ws(' ', a.attrelid, a.attnum, a.atttypid, a.atttypmod, a.attcollation), ' '
            ORDER BY a.attrelid, a.attnum)
        FROM pg_rewrite r
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE r.ev_class IN (s.oid, t.oid) AND d.refobjid <> r.ev_class))
FROM pg_class s, pg_class t
WHERE s.oid = to_regclass('tagdb.source') AND obj_description(s.oid, 'pg_class') = ANY (:presets)
    AND t.oid = to_regclass('tagdb.source_tag') AND obj_description(t.oid, 'pg_class') IN ('preset', 'stand-in')
    AND has_table_privilege('tagdb.source_band', 'SELECT')
    AND NOT EXISTS (
        SELECT
        FROM pg_rewrite r
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE r.ev_class IN (s.oid, t.oid) AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
            AND NOT EXISTS (
                SELECT FROM pg_depend e
                WHERE e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e'))

-- name: generate
-- A generated column may depend on nothing but its row, and a table of that name lets an expression name its columns so.
CREATE TEMP TABLE questions (LIKE {table}, tagdb_kept boolean GENERATED ALWAYS AS ({condition}) STORED)

-- name: drop_generated
DROP TABLE pg_temp.questions

-- name: tables
-- What the views read. A table is plain when its own rows are all that is read of it, and are read whole; it is indexed
-- when each of its rows is found by the id of a question as the view gives it, without a cast or another collation.
SELECT CAST(CAST(c.oid AS regclass) AS text) AS name, u.key,
    a.attnum IS NOT NULL AND c.relkind IN ('r', 'm') AND NOT c.relhassubclass AND NOT c.relrowsecurity
        AND has_table_privilege(c.oid, 'SELECT') AND h.amname = 'heap' AS plain,
    s.attnum IS NOT NULL AND a.attnotnull AND EXISTS (
        SELECT
        FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
        WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indpred IS NULL AND i.indisvalid
            AND m.amname = 'btree' AND i.indcollation[0] = a.attcollation) AS indexed
FROM pg_class c
LEFT JOIN pg_am h ON h.oid = c.relam
LEFT JOIN (VALUES (to_regclass('questions'), 'id'), (to_regclass('tags'), 'question_id')) AS u (oid, key)
    ON u.oid = c.oid
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = u.key AND NOT a.attisdropped
LEFT JOIN pg_attribute s ON s.attrelid = to_regclass('tagdb.source') AND s.attname = 'question_id'
    AND s.attcollation = a.attcollation
    AND (a.atttypid = s.atttypid OR a.atttypid = 'varchar'::regtype AND s.atttypid = 'text'::regtype)
WHERE c.oid IN (
    SELECT d.refobjid
    FROM pg_rewrite r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    WHERE r.ev_class IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag')) AND d.refobjid <> r.ev_class)
ORDER BY name

-- name: versions
-- A row that is written anew lies elsewhere or has another xmin. Both survive VACUUM; a table that is written anew as a
-- whole only seems to have changed.
SELECT {band} AS band, ctid AS place,
    hash_record_extended(row(tableoid, xmin), 0) AS writer
FROM {name}

-- name: bands
-- The hash of a record is linear in those of its columns, and two rows whose writers changed places would look like
-- before. So the writer is the seed under which the place is hashed, which mixes every bit of both; twice, for 128 bits.
-- All tables in one, so that the planner expects few bands and gives each worker a share of the rows.
SELECT band, bit_xor(hashtidextended(place, writer)) AS one_half, bit_xor(hashtidextended(place, ~writer)) AS other_half
FROM {versions} v
GROUP BY band

-- name: whole
-- What the bands come to together; it takes less time without them. A WITH, though empty, keeps the planner from merging
-- two steps, so that each writer is hashed once.
SELECT bit_xor(hashtidextended(place, writer)) AS one_half, bit_xor(hashtidextended(place, ~writer)) AS other_half
FROM (WITH apart AS (SELECT) SELECT place, writer FROM {versions} v) w

-- name: stage_bands
CREATE TEMP TABLE band_now AS SELECT * FROM {bands} b

-- name: any_moved
SELECT EXISTS (
    SELECT
    FROM {bands} n FULL JOIN tagdb.source_band b USING (band)
    WHERE (n.one_half, n.other_half) IS DISTINCT FROM (b.one_half, b.other_half))

-- name: unmoved_since
SELECT (SELECT row(one_half, other_half) FROM {whole} w)
    = (SELECT row(bit_xor(one_half), bit_xor(other_half)) FROM band_now)

-- name: stage_moved_bands
CREATE TEMP TABLE moved_band AS
SELECT band
FROM band_now n FULL JOIN tagdb.source_band b USING (band)
WHERE (n.one_half, n.other_half) IS DISTINCT FROM (b.one_half, b.other_half)

-- name: count_moved_bands
SELECT
    (SELECT count(*) FROM moved_band) AS moved,
    (SELECT reltuples FROM pg_class WHERE oid = 'tagdb.question'::regclass) AS questions

-- name: count_source
SELECT count(*) FROM (SELECT question_id FROM tagdb.source) s

-- name: count_stored
SELECT CAST(reltuples AS bigint) FROM pg_class WHERE oid = 'tagdb.question'::regclass

-- name: stage_moved
-- All ids of a band of integers: which of them are questions, the look-ups tell.
CREATE TEMP TABLE moved AS
SELECT (band << {bits}) + place AS question_id FROM moved_band, generate_series(0, (1 << {bits}) - 1) AS place;
ANALYZE moved

-- name: stage_moved_hashed
-- Which ids are in a band of hashes, only they themselves tell: those that are stored, and those that there are now.
CREATE TEMP TABLE moved AS
SELECT question_id FROM tagdb.question WHERE {band} IN (SELECT band FROM moved_band)
UNION
SELECT question_id FROM tagdb.source WHERE {band} IN (SELECT band FROM moved_band) AND question_id IS NOT NULL;
ANALYZE moved

-- name: moved_source
-- Inside LATERAL, with OFFSET 0 to keep it there, the id reaches the tables below the view as if it were a constant.
(SELECT s.* FROM moved m CROSS JOIN LATERAL (
    SELECT * FROM tagdb.source WHERE question_id = m.question_id OFFSET 0) s)

-- name: moved_questions
(SELECT q.* FROM moved JOIN tagdb.question q USING (question_id))

-- name: moved_texts
(SELECT DISTINCT t.id FROM moved JOIN tagdb.question q USING (question_id) JOIN tagdb.text t ON t.id = q.text_id)

-- name: moved_labels
(SELECT l.* FROM moved JOIN tagdb.labels l USING (question_id))

-- name: fingerprint
SELECT concat_ws(' ', one_half, other_half) FROM {whole} w

-- name: bands_fingerprint
-- A hash of an integer folds it to 32 bits; that of a number takes all of its digits.
SELECT concat_ws(' ', count(*), bit_xor(hash_numeric_extended(one_half, other_half # band)),
    bit_xor(hash_numeric_extended(other_half, one_half # ~band)))
FROM tagdb.source_band

-- name: delete_bands
DELETE FROM tagdb.source_band b WHERE NOT EXISTS (SELECT FROM band_now n WHERE n.band = b.band)

-- name: upsert_bands
INSERT INTO tagdb.source_band AS b (band, one_half, other_half)
SELECT n.band, n.one_half, n.other_half
FROM band_now n
WHERE NOT EXISTS (
    SELECT FROM tagdb.source_band b
    WHERE (b.band, b.one_half, b.other_half) = (n.band, n.one_half, n.other_half))
ORDER BY n.band
ON CONFLICT (band) DO UPDATE SET one_half = EXCLUDED.one_half, other_half = EXCLUDED.other_half

-- name: at_last_sync
SELECT detail->'fingerprints' AS fingerprints
FROM tagdb.run
WHERE command = 'sync' AND status = 'done' AND detail ? 'fingerprints'
ORDER BY id DESC LIMIT 1
