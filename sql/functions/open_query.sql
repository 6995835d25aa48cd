-- A cursor on a query that a person wrote.
-- PostgreSQL's own parser decides: a text that is not exactly one row-returning statement is refused here, before any
-- part of it has run.
CREATE OR REPLACE FUNCTION tagdb.open_query(query text) RETURNS refcursor
LANGUAGE plpgsql AS $$
DECLARE
    rows refcursor;
BEGIN
    OPEN rows NO SCROLL FOR EXECUTE query;
    RETURN rows;
END
$$;
