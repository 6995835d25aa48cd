"""Queries of people: one SELECT is taken as it is meant, anything else is refused before it does anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagdb.db import userquery
from tagdb.db.connection import Database, Session
from tagdb.db.translation import translated
from tagdb.errors import InputRefused, QueryRefused, TagdbError, Unavailable
from tests.examples import examples

_PREPARATION = """
CREATE TABLE questions (id bigint PRIMARY KEY, title text, label text);
INSERT INTO questions VALUES (1, 'one', 'a'), (2, 'two', NULL);
CREATE SEQUENCE counter;
CREATE FUNCTION writing() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN DELETE FROM questions; RETURN 1; END $$;
CREATE FUNCTION loosening() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN SET TRANSACTION READ WRITE; DELETE FROM questions; RETURN 1; END $$;
"""


@pytest.fixture(scope="module", autouse=True)
def _tables(shared_database: Database) -> None:
    with shared_database.session() as session:
        session.run_script(_PREPARATION)


@pytest.fixture
def session(shared_session: Session) -> Iterator[Session]:
    """A session, and afterwards a look whether anything has changed."""
    before = _everything(shared_session)
    yield shared_session
    assert _everything(shared_session) == before


def _everything(session: Session) -> list[object]:
    return [
        *session.rows_of("SELECT q.*, q.xmin\\:\\:text FROM questions q ORDER BY id", {}),
        *session.rows_of("SELECT is_called FROM counter", {}),
        *session.rows_of("SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'\\:\\:regnamespace", {}),
        *session.rows_of("SELECT oid FROM pg_largeobject_metadata", {}),
        *session.rows_of("SHOW default_transaction_read_only", {}),
        *session.rows_of("SHOW statement_timeout", {}),
    ]


def _run(session: Session, sql: str) -> list[tuple[object, ...]]:
    """Check a query and run it as a part of a larger statement, read-only, as its users do."""
    with userquery.refusals(), session.transaction(read_only=True):
        checked = userquery.check_inside(session, sql)
        query = checked.selecting(f"q.{checked.column('question_id', 'id')}, q.{checked.column('label')}")
        cursor = session.cursor()
        session.run_script("SET LOCAL statement_timeout = '500ms'")
        with translated():
            cursor.execute(query)
        return list(cursor.fetchall())


_SELECT = "SELECT id, label FROM questions ORDER BY id"
_ROWS = [(1, "a"), (2, None)]


@pytest.mark.parametrize(
    "sql",
    [
        _SELECT,
        f"{_SELECT};",
        f" \n {_SELECT} ;; ; \n",
        f"{_SELECT}; -- done",
        f"{_SELECT} -- done",
        f"{_SELECT}; -- it's done;",
        f"{_SELECT}; /* done; */ -- really\n;",
        f"{_SELECT} /* done */ ;",
        "SELECT 1 AS id, 'a' AS label -- first\rUNION ALL SELECT 2, NULL; -- done\r",
        f"-- first\n/* second; */ {_SELECT}",
        f"({_SELECT})",
        "SELECT id AS question_id, label FROM questions ORDER BY 1",
        "TABLE questions ORDER BY id",
        "VALUES (1, 'a'), (2, NULL)",
        "WITH q AS (SELECT * FROM questions) SELECT id, label FROM q ORDER BY id;--",
        "SELECT id, label FROM questions WHERE title <> ';--' ORDER BY id;",
        "SELECT id, label FROM questions WHERE title <> E'\\';--' ORDER BY id; -- '",
        "SELECT id, label FROM questions WHERE title <> $a$;--$a$ ORDER BY id; -- $a$",
        'SELECT id, label, title AS ";--" FROM questions ORDER BY id; -- "',
        "SELECT id, label FROM questions WHERE title LIKE '%' AND id::text <> ':x' ORDER BY id",
    ],
)
def test_one_select_is_run_as_it_is_meant(session: Session, sql: str) -> None:
    if sql.startswith("VALUES"):
        sql = f"SELECT column1 AS id, column2 AS label FROM ({sql}) v"
    assert _run(session, sql) == _ROWS


_DELETE = "DELETE FROM questions"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (f"{_SELECT}; {_DELETE}", "more than one statement"),
        (f"{_SELECT}; COMMIT; {_DELETE}", "more than one statement"),
        (f"{_SELECT} /* ; */ ; /* */ {_DELETE} --", "more than one statement"),
        (f"{_SELECT} --\n; {_DELETE}", "more than one statement"),
        (f"{_SELECT} /* /* */ ; */; {_DELETE}", "more than one statement"),
        (f"SELECT $$ -- $$; {_DELETE}; -- $$", "more than one statement"),
        (f"SELECT 'a\\'; {_DELETE}; --'", "more than one statement"),
        (f"{_SELECT}) q; COMMIT; {_DELETE}; SELECT * FROM (SELECT 1", "syntax error"),
        (f"1) s; COMMIT; {_DELETE}; --", "syntax error"),
        (f"SELECT 1) q; {_DELETE}; --", "syntax error"),
        (f"; {_DELETE}", "is not a SELECT|it writes"),
        ("SELECT 1 /* never closed", r"unterminated /\* comment"),
        ("SELECT 'never closed", "unterminated quoted string"),
        ("SELECT $$never closed", "unterminated dollar-quoted string"),
        (f"{_DELETE} RETURNING id, label", "it writes"),
        (f"WITH gone AS ({_DELETE} RETURNING id, label) SELECT * FROM gone", "it writes"),
        ("INSERT INTO questions VALUES (3) RETURNING id, label", "it writes"),
        (_DELETE, "is not a SELECT"),
        ("SELECT id, label FROM questions FOR UPDATE", "it writes"),
        ("SELECT id, label INTO copied FROM questions", "is not a SELECT"),
        ("CREATE TABLE copied AS SELECT 1", "is not a SELECT"),
        ("COPY questions TO PROGRAM 'touch {file}'", "is not a SELECT"),
        ("COPY (SELECT 1) TO '{file}'", "is not a SELECT"),
        ("SET statement_timeout = 0", "is not a SELECT"),
        ("BEGIN", "is not a SELECT"),
        ("COMMIT", "is not a SELECT"),
        ("ROLLBACK", "is not a SELECT"),
        ("DO 'BEGIN DELETE FROM questions; END'", "is not a SELECT"),
        ("PREPARE x AS SELECT 1", "is not a SELECT"),
        ("SHOW statement_timeout", "no column question_id or id"),
        (f"EXPLAIN ANALYZE {_DELETE}", "no column question_id or id|it writes"),
        ("SELECT writing() AS id, '' AS label", "it writes"),
        ("SELECT loosening() AS id, '' AS label", "read-write mode inside|read-write mode must be set"),
        ("SELECT nextval('counter') AS id, '' AS label", "it writes"),
        ("SELECT lo_create(0) AS id, '' AS label", "it writes"),
        ("SELECT pg_sleep(60)::text AS label, 1 AS id", "was stopped"),
        ("SELECT id FROM questions", "no column label; it has id"),
        ("SELECT id, id, label FROM questions", "ambiguous"),
        ("SELECT id, label FROM questionz", 'relation "questionz" does not exist'),
        ("SELECT id, label FROM tagdb.nothing", 'relation "tagdb.nothing" does not exist'),
        ("SELECT id, lable FROM questions", 'column "lable" does not exist'),
        ("SELECT id, label FROM questions WHERE id = $1", "no parameter"),
        ("SELECT 1 / 0 AS id, '' AS label", "division by zero"),
        ("SELECT", "no column"),
        ("no SQL at all", "syntax error"),
        ("", "is empty"),
        (" ; -- nothing\n /* at all */ ;", "is empty"),
    ],
)
def test_anything_else_is_refused_and_changes_nothing(session: Session, tmp_path: Path, sql: str, message: str) -> None:
    target = tmp_path / "written"
    with pytest.raises(QueryRefused, match=message) as refused:
        _run(session, sql.replace("{file}", str(target)))
    assert refused.value.hint
    assert "\n" not in str(refused.value)
    assert not target.exists()
    assert session.scalar("schema.revision")


@pytest.mark.parametrize("sql", [f"{_DELETE} RETURNING id, label", f"WITH d AS ({_DELETE} RETURNING id) TABLE d"])
def test_check_inside_a_transaction_that_writes_is_read_only_all_the_same(session: Session, sql: str) -> None:
    with pytest.raises(QueryRefused, match="it writes"), session.transaction():
        userquery.check_inside(session, sql)


def test_transaction_goes_on_after_a_check(session: Session) -> None:
    class Undone(Exception):
        pass

    def work() -> None:
        with session.transaction():
            assert userquery.check_inside(session, _SELECT).columns == ("id", "label")
            assert userquery.check_inside(session, _SELECT).first_of("question_id", "id") == "id"
            session.run_script(_DELETE)
            raise Undone

    with pytest.raises(Undone):
        work()


def test_text_that_postgresql_cannot_read_is_refused(session: Session) -> None:
    for text in ("SELECT '\0'", "SELECT '\ud800'"):
        with pytest.raises(InputRefused):
            userquery.check(session, text)
    assert session.scalar("schema.revision")


def test_what_is_not_the_querys_fault_is_told_as_it_is(shared_session: Session) -> None:
    for kind, code in ((Unavailable, "42501"), (Unavailable, "08006")):
        failing = f"DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{code}'; END $$"
        with pytest.raises(kind, match="so it is"), userquery.refusals():
            shared_session.run_script(failing)


_PIECES = st.sampled_from(
    ["SELECT 1", _DELETE, ";", "--", "/*", "*/", "'", '"', "$$", "$a$", "\n", " ", "(", ")", "\\", "E'", "COMMIT", "é"]
)


@settings(deadline=None, max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(_PIECES, min_size=1, max_size=12))
def test_no_combination_of_pieces_gets_through_to_the_table(session: Session, pieces: list[str]) -> None:
    try:
        checked = userquery.check(session, " ".join(pieces))
        with userquery.refusals(), session.transaction(read_only=True):
            session.run_script(checked.selecting("count(*)"))
    except TagdbError as error:
        assert isinstance(error, QueryRefused)  # noqa: PT017
    assert session.rows_of("SELECT count(*) FROM questions", {}) == [(2,)]
