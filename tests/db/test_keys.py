"""The ids of labels have the user's own type and collation: a join finds its index, whichever table it begins with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tagdb.db import keys, source
from tagdb.db.connection import Database, Session
from tagdb.db.keys import Key
from tagdb.db.source import Choice
from tests.pipeline import stored

ROWS = 3_000
DEFAULT = 'pg_catalog."default"'
_LABELS = """
INSERT INTO tagdb.classifier (name, embedder_id, kind, classes, query, metrics, settings, versions)
SELECT 'c', id, 'k', '{a}', '', '{}', '{}', '{}' FROM tagdb.embedder;
INSERT INTO tagdb.labels (question_id, label, probability, classifier_id, text_id)
SELECT question_id, 'a', n, (SELECT id FROM tagdb.classifier), n FROM tagdb.source JOIN ticket USING (question_id);
ANALYZE ticket, tagdb.labels
"""


@pytest.fixture
def session(shared_database: Database) -> Iterator[Session]:
    """A session whose work is taken back."""
    with shared_database.session() as opened, opened.rehearsal():
        yield opened


def _tickets(session: Session, type_: str, key: str) -> None:
    """Let the ids be those of a table `ticket`, of this type, with a label for each."""
    session.run_script(f"CREATE TABLE ticket (question_id {type_} PRIMARY KEY, n integer)")
    session.run_script(f"INSERT INTO ticket SELECT {key}, n FROM generate_series(1, {ROWS}) n")
    source.ensure(session, Choice(sql="SELECT question_id, CAST(n AS text) AS text FROM ticket"))
    change = keys.change(session, new_keys=False)
    if change:
        keys.apply(session, change)
    stored.new_embedder(session, "e", dim=8)
    session.run_script(_LABELS)


def _plan(session: Session, condition: str) -> str:
    sql = f"EXPLAIN SELECT * FROM ticket JOIN tagdb.labels USING (question_id) WHERE {condition}"
    return "\n".join(row[0] for row in session.rows_of(sql, {}))


@pytest.mark.parametrize(
    ("type_", "key"),
    [
        ("smallint", "n"),
        ("integer", "n"),
        ("bigint", "n"),
        ("uuid", "CAST(md5(CAST(n AS text)) AS uuid)"),
        ("text", "'acme/' || n"),
        ("varchar", "'acme/' || n"),
        ("varchar(40)", "'acme/' || n"),
        ('text COLLATE "C"', "'acme/' || n"),
        ('text COLLATE "POSIX"', "'acme/' || n"),
        ('varchar COLLATE "C.utf8"', "'acme/' || n"),
    ],
)
def test_join_looks_either_table_up_by_its_index(session: Session, type_: str, key: str) -> None:
    _tickets(session, type_, key)
    assert "Index Scan using labels_pkey on labels" in _plan(session, "n = 5")
    assert "Index Scan using ticket_pkey on ticket" in _plan(session, "probability = 5")
    assert "Index Scan using ticket_pkey on ticket" in _plan(session, "text_id = 5")
    ((count,),) = session.rows_of("SELECT count(*) FROM ticket JOIN tagdb.labels USING (question_id)", {})
    assert count == ROWS


@pytest.mark.parametrize("type_", ["char(12)", "name"])
def test_join_from_keys_that_are_cast_finds_labels_by_their_index(session: Session, type_: str) -> None:
    _tickets(session, type_, "'acme/' || n")
    assert "Index Scan using labels_pkey on labels" in _plan(session, "n = 5")
    ((count,),) = session.rows_of("SELECT count(*) FROM ticket JOIN tagdb.labels USING (question_id)", {})
    assert count == ROWS


def test_function_for_neighbours_looks_the_question_up_by_its_index(session: Session) -> None:
    _tickets(session, 'text COLLATE "POSIX"', "'acme/' || n")
    session.run_script("INSERT INTO tagdb.text (hash, text) VALUES ('', '')")
    session.run_script(
        "INSERT INTO tagdb.question (question_id, text_id) SELECT question_id, id FROM ticket, tagdb.text"
    )
    session.run_script("ANALYZE tagdb.question; SET LOCAL enable_seqscan = off")
    session.run_script("SELECT * FROM tagdb.nearest_questions('acme/5' COLLATE \"C.utf8\", 3)")
    reads = "SELECT idx_scan FROM pg_stat_xact_user_tables WHERE relid = CAST('tagdb.question' AS regclass)"
    assert session.rows_of(reads, {})[0][0] >= 1


def test_collation_to_which_different_texts_are_equal_makes_no_two_keys_one(session: Session) -> None:
    """This server has no ICU, so a collation is called what only one of ICU's can be."""
    session.run_script("SET LOCAL allow_system_table_mods = on; CREATE COLLATION mine (provider = libc, locale = 'C')")
    session.run_script("CREATE TABLE ticket (question_id text COLLATE mine)")
    asked = "SELECT question_id, '' AS text FROM ticket"
    source.ensure(session, Choice(sql=asked))
    assert keys.of_source(session) == Key("text", "public.mine")
    session.run_script("UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'mine'")
    source.follow(session, stored.Listener())
    assert keys.of_source(session) == Key("text", DEFAULT)


@pytest.mark.parametrize("expression", ["'a' || n", "CAST(n AS text)", "one || '/' || other"])
def test_texts_of_no_one_collation_have_the_databases(session: Session, expression: str) -> None:
    session.run_script('CREATE TABLE ticket (n integer, one text COLLATE "C", other text COLLATE "POSIX")')
    session.run_script("INSERT INTO ticket VALUES (1, 'a', 'b')")
    source.ensure(session, Choice(sql=f"SELECT {expression} AS id, '' AS text FROM ticket"))
    assert keys.of_source(session) == Key("text", DEFAULT)
    assert session.rows_of("SELECT count(*) FROM tagdb.source WHERE question_id = question_id || ''", {}) == [(1,)]


def test_reading_the_collation_reads_no_row(session: Session) -> None:
    session.run_script(
        "CREATE FUNCTION loud() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'a row was read'; END $$"
    )
    source.ensure(session, Choice(sql="SELECT loud() AS id, '' AS text"))
    assert keys.of_source(session) == Key("text", DEFAULT)


@pytest.mark.parametrize("type_", ["smallint", "integer", "bigint"])
def test_number_of_an_integer_is_itself(session: Session, type_: str) -> None:
    number = Key(type_).number(f"CAST(-7 AS {type_})")
    assert session.rows_of(f"SELECT {number}, hashint8extended(5, {number}) = hashint8extended(5, -7)", {}) == [
        (-7, True)
    ]
