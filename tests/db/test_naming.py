"""SQL files that say `tagdb` reach PostgreSQL as what they mean for a collection of any name."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagdb import advice, config
from tagdb.db import naming, queries, resources, schema
from tagdb.db.connection import Database, Session
from tagdb.db.rights import quoted
from tagdb.errors import SchemaMismatch, UsageError
from tests.examples import examples

MADE = """
CREATE SCHEMA tagdb; -- it's where tagdb.kept lies
CREATE TABLE tagdb.kept (n integer);
COMMENT ON TABLE tagdb.kept IS 'rows of tagdb.kept, 100%';
/* tagdb's "own" */
CREATE FUNCTION tagdb.told() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    EXECUTE format('SELECT %L || count(*) FROM tagdb.kept JOIN tagdb.%I k USING (n)', 'it''s ', 'kept') INTO said;
    RETURN said || to_regclass('tagdb.kept');
END
$$
"""
ASKED = """
SELECT 'tagdb' AS plain, n.nspname AS by_oid, to_regnamespace('tagdb') = 'tagdb'::regnamespace AS parsed,
    to_regclass('tagdb.' || :table) IS NOT NULL AS found, format('%s of tagdb.%I', 1, 'x') AS put_together,
    tagdb.told() AS told, obj_description('tagdb.kept'::regclass, 'pg_class') AS comment, '{word}' AS braces,
    7 % 4 AS rest, "tagdb.kept" AS other, CAST(:table AS text) AS given
FROM pg_namespace n, (SELECT 'tagdb_kept' AS "tagdb.kept") s WHERE n.nspname = 'tagdb'
"""
USED = """
SELECT tagdb.kept.n FROM tagdb.kept LEFT JOIN tagdb.kept k USING (n);
SELECT tagdb.told();
SELECT 1 FROM pg_class CROSS JOIN LATERAL tagdb.told();
INSERT INTO tagdb.kept AS k (n) VALUES (1) ON CONFLICT DO NOTHING;
UPDATE tagdb.kept SET n = tagdb.kept.n + 1;
DELETE FROM tagdb.kept USING tagdb.kept k;
TRUNCATE tagdb.kept;
ANALYZE tagdb.kept;
LOCK TABLE tagdb.kept, tagdb.kept IN ACCESS EXCLUSIVE MODE;
GRANT USAGE ON SCHEMA tagdb TO PUBLIC;
GRANT SELECT ON tagdb.kept, tagdb.kept TO PUBLIC;
CREATE VIEW tagdb.seen AS SELECT * FROM tagdb.kept;
COMMENT ON COLUMN tagdb.seen.n IS 'n';
CREATE INDEX kept_n ON tagdb.kept (n);
DROP INDEX tagdb.kept_n;
DROP VIEW IF EXISTS tagdb.seen, tagdb.other
"""
PART = """'tagdb' || '|tagdb.kept|{word}|:table|%|%s|\\:x|' || "tagdb.kept" """
PART_SAYS = "tagdb|tagdb.kept|{word}|:table|%|%s|\\:x|tagdb_kept"


def _possible(name: str) -> bool:
    try:
        return config.resolve_schema(name, {}) == name != config.DEFAULT_SCHEMA
    except UsageError:
        return False


def _names() -> st.SearchStrategy[str]:
    nasty = st.sampled_from(
        [*"aZ_ .:%{}'\"\\$/-;,()0é–", "%s", "%%", ":b", "{a}", "tagdb", "''", '""', "--", "/*", "\\:"]
    )
    names = st.lists(nasty, min_size=1, max_size=12).map("".join)
    return names.filter(lambda name: name != config.DEFAULT_SCHEMA and _possible(name))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let there be those queries too."""
    with_part = ASKED.replace("'{word}'", "{word}")
    by_driver = with_part.replace(":table", "'kept'")
    texts = {"made": MADE, "asked": ASKED, "asked_with": with_part, "asked_by_driver": by_driver}
    file = queries._written
    monkeypatch.setattr(queries, "_written", lambda query: texts.get(query) or file(query))
    queries.statement.cache_clear()
    queries._pieces.cache_clear()
    yield
    queries.statement.cache_clear()
    queries._pieces.cache_clear()


def _expected(name: str, braces: str) -> tuple[object, ...]:
    known = quoted(name)
    told, comment = f"it's 0{known}.kept", f"rows of {known}.kept, 100%"
    return (name, name, True, True, f"1 of {known}.x", told, comment, braces, 3, "tagdb_kept", "kept")


@pytest.mark.usefixtures("written")
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=_names())
def test_every_name_reaches_postgresql_in_every_way(shared_session: Session, name: str) -> None:
    session = Session(shared_session.connection, schema=name)
    with session.rehearsal():
        session.run_script(session.script("made"))
        (row,) = session.rows("asked", table="kept")
        assert _told_alike(tuple(row), name) == _expected(name, "{word}")
        (row,) = session.rows_with("asked_with", {"word": PART}, table="kept")
        assert _told_alike(tuple(row), name) == _expected(name, PART_SAYS)
        cursor = session.cursor()
        cursor.execute(session.script("asked_by_driver", word=PART))
        assert _told_alike(cursor.fetchone() or (), name) == _expected(name, PART_SAYS)
        with schema.renaming(session.connection, name):
            (row,) = session.connection.execute(sqlalchemy.text(ASKED), {"table": "kept"})
        assert _told_alike(tuple(row), name) == _expected(name, "{word}")


def _told_alike(row: tuple[object, ...], name: str) -> tuple[object, ...]:
    """Let PostgreSQL's way to quote a name, which quotes more words, pass for ours."""
    plain = '"' + name.replace('"', '""') + '"'
    return (*row[:5], str(row[5]).replace(plain, quoted(name)), *row[6:])


def test_words_that_are_not_quoted_mean_a_schema_wherever_they_stand(shared_session: Session) -> None:
    words = [row.word for row in shared_session.rows_of("SELECT word FROM pg_get_keywords() ORDER BY word", {})]
    assert len(words) > 400
    for word in words:
        if word == config.DEFAULT_SCHEMA or not _possible(word):
            continue
        session = Session(shared_session.connection, schema=word)
        with session.rehearsal():
            session.run_script(naming.renamed(MADE, word))
            session.run_script(naming.renamed(USED, word))


def test_sql_that_comes_with_tagdb_is_of_the_kind_that_can_be_renamed() -> None:
    files = [*resources.folder("sql").rglob("*.sql"), *(resources.folder("migrations") / "versions").glob("0*.py")]
    assert len(files) > 40
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "''tagdb" not in text, f"{file}: a literal in a literal"
        assert set(re.findall(r"\$\w*\$", text)) <= {"$$"}, f"{file}: a name may hold such a delimiter"
        assert not re.search(r"(?<!')\b(?:[eE]|[uU]&)'", text), f"{file}: another kind of literal"


@pytest.mark.parametrize(
    ("hint", "addressed"),
    [
        ("tagdb sync", "tagdb sync --schema other"),
        ("tagdb db views restore", "tagdb db views restore --schema other"),
        (
            "tagdb embedder use starter && tagdb sync",
            "tagdb embedder use --schema other starter && tagdb sync --schema other",
        ),
        ("run tagdb sync again, or tagdb's own", "run tagdb sync --schema other again, or tagdb's own"),
        ("tagdb db stop --force", "tagdb db stop --force"),
        ("tagdb sync --schema other", "tagdb sync --schema other"),
        ("tagdb works", "tagdb works"),
    ],
)
def test_commands_in_a_hint_name_the_collection(hint: str, addressed: str) -> None:
    assert advice.addressed(hint, "other") == addressed
    assert advice.addressed(hint, config.DEFAULT_SCHEMA) == hint


def test_errors_of_a_collection_advise_what_is_right_for_it(database: Database) -> None:
    missing = database.beside("it's new")
    with pytest.raises(SchemaMismatch, match='no collection "it\'s new" yet') as refused, missing.session() as session:
        schema.require_current(session)
    assert refused.value.hint == "tagdb db migrate --schema 'it'\"'\"'s new'"
