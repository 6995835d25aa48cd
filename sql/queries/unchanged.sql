-- Which versions of which rows there are: told by where they lie and who wrote them, without reading what they say.

-- name: views
-- The views in words, and the tables that a preset would read; NULL unless both views are of tagdb's own making.
SELECT concat_ws(' ',
    pg_get_viewdef(s.oid), pg_get_viewdef(t.oid), CAST(to_regclass('questions') AS oid), CAST(to_regclass('tags') AS oid))
FROM pg_class s, pg_class t
WHERE s.oid = to_regclass('tagdb.source') AND obj_description(s.oid, 'pg_class') = ANY (:presets)
    AND t.oid = to_regclass('tagdb.source_tag') AND obj_description(t.oid, 'pg_class') IN ('preset', 'stand-in')

-- name: tables
-- What the views read. A table is plain when its own rows are all that is read of it, and are read whole.
SELECT DISTINCT CAST(CAST(c.oid AS regclass) AS text) AS name,
    c.relkind IN ('r', 'm') AND NOT c.relhassubclass AND NOT c.relrowsecurity AS plain
FROM pg_rewrite r
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class c ON c.oid = d.refobjid
WHERE r.ev_class IN (to_regclass('tagdb.source'), to_regclass('tagdb.source_tag')) AND c.oid <> r.ev_class
ORDER BY name

-- name: row_versions
-- A row that is written anew lies elsewhere or has another xmin. Both survive VACUUM; a table that is written anew as a
-- whole only seems to have changed.
SELECT concat_ws(' ', count(*), sum(hash_record_extended(row(tableoid, ctid, xmin), 0))) FROM {table}

-- name: at_last_sync
SELECT detail->'row_versions' AS versions
FROM tagdb.run
WHERE command = 'sync' AND status = 'done' AND detail ? 'row_versions'
ORDER BY id DESC LIMIT 1
