"""A condition that leaves rows out: one expression on the rows there are, and nothing that reaches beyond it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tagdb.db import conditions, source
from tagdb.db.connection import Database, Session
from tagdb.db.source import Choice
from tagdb.errors import InputRefused, QueryRefused
from tagdb.models import Silent
from tests.db.conftest import session_with

_TABLES = """
CREATE TABLE questions (id bigint PRIMARY KEY, title text, deleted_at timestamptz, "odd "" name" boolean);
CREATE TABLE tags (question_id bigint, position smallint, tag text, PRIMARY KEY (question_id, position));
INSERT INTO questions VALUES (1, 'How?', NULL, true), (2, 'Why?', now(), false), (3, 'a)b', NULL, NULL);
INSERT INTO tags VALUES (1, 0, 'sql'), (2, 0, 'java');
CREATE TABLE other (id bigint);
INSERT INTO other VALUES (3);
"""
OWN = "SELECT id AS question_id, title AS text, deleted_at IS NOT NULL AS deleted FROM questions"


@pytest.fixture
def session(shared_database: Database) -> Iterator[Session]:
    """A session on a database with three questions, of which the second is deleted, and without a source."""
    with session_with(shared_database, _TABLES) as opened:
        yield opened


def _ids(session: Session) -> list[int]:
    return [row.question_id for row in session.rows_of("SELECT question_id FROM tagdb.source ORDER BY 1", {})]


@pytest.mark.parametrize("preset", source.PRESETS)
@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("deleted_at IS NULL", [1, 3]),
        ("questions.deleted_at IS NULL -- the living", [1, 3]),
        ("deleted_at IS NULL;", [1, 3]),
        ("id = 1 OR id = 2", [1, 2]),
        ("title LIKE '%)%'", [3]),
        ("title <> $x$ ') -- $x$ /* a ) /* nested ) */ */ AND id < 3", [1, 2]),
        ('"odd "" name"', [1]),
        ("id IN (SELECT id FROM other)", [3]),
        ("EXISTS (SELECT FROM tags t WHERE t.question_id = questions.id AND tag = 'java')", [2]),
        ("deleted_at < now() + interval '1 day'", [2]),
        ("title IN ('{questions}', '%(x)s', ':x', 'How?')", [1]),
        ("CASE WHEN id = 1 THEN false ELSE true END", [2, 3]),
        ("(id) IN ((1), (2))", [1, 2]),
        ("deleted_at IS NOT NULL AND NOT false", [2]),
    ],
)
def test_presets_leave_rows_out(session: Session, preset: str, condition: str, ids: list[int]) -> None:
    assert source.ensure(session, Choice(preset, where=condition)) is True
    assert _ids(session) == ids
    assert source.current(session) == preset
    assert source.names_each_once(session)
    assert source.ensure(session, Choice(preset)) is False
    assert source.ensure(session, Choice(where=condition)) is False
    assert source.follow(session, Silent()) is False


@pytest.mark.parametrize("back", ["", " ", "true", " TRUE; "])
def test_condition_is_kept_until_it_is_taken_back(session: Session, back: str) -> None:
    source.ensure(session, Choice(where="deleted_at IS NULL"))
    assert source.current(session) == "tags"
    source.ensure(session, Choice("title"))
    assert _ids(session) == [1, 3]
    assert source.ensure(session, Choice(where="id = 2")) is True
    assert _ids(session) == [2]
    assert source.ensure(session, Choice(where=back)) is True
    assert _ids(session) == [1, 2, 3]
    assert source.ensure(session, Choice(where=back)) is False


def test_condition_on_own_sql_speaks_of_what_it_returns(session: Session) -> None:
    source.ensure(session, Choice(sql=f"{OWN} -- all", where="NOT deleted AND text LIKE '%?'"))
    assert _ids(session) == [1]
    source.ensure(session, Choice(where="q.deleted"))
    assert _ids(session) == [2]
    source.ensure(session, Choice(sql=OWN.replace("title AS text", "upper(title) AS text")))
    assert _ids(session) == [2], "what was said of rows stays until something else is said"


def test_condition_that_another_query_cannot_keep_is_refused(session: Session) -> None:
    source.ensure(session, Choice(sql=OWN, where="NOT deleted"))
    with pytest.raises(
        QueryRefused, match=r'\(--where\) cannot be run: column "deleted" does not exist; the source query'
    ):
        source.ensure(session, Choice(sql="SELECT id, title AS text FROM questions"))
    with pytest.raises(QueryRefused, match="; questions has id, title, deleted_at"):
        source.ensure(session, Choice("title"))
    assert _ids(session) == [1, 3]
    source.ensure(session, Choice("title", where="deleted_at IS NULL"))
    assert _ids(session) == [1, 3]


BREAKOUTS = [
    "true) OR (true",
    "true) UNION SELECT 9, 'x' FROM (VALUES (1)) v WHERE (true",
    "true)) q; DROP TABLE other; SELECT 1 FROM ((SELECT (true",
    "true; DROP TABLE other",
    "true; x int := 1",
    "true; BEGIN END; BEGIN END",
    "true) --",
    "true) /*",
    "true /*",
    "title = 'x",
    "title = 'x') OR ('' = '",
    '"id',
    "$a$",
    "(true",
    "true)",
    "true UNION SELECT true",
    "true GROUP BY id",
    "true LIMIT 1",
    "id",
    "count(*) > 1",
    "SELECT true",
    "(DELETE FROM other RETURNING true)",
    "EXISTS (WITH d AS (DELETE FROM other RETURNING 1) SELECT FROM d)",
    "missing IS NULL",
    "nothing(id)",
    "true, true",
    "$1",
    "id = :x",
    "%s",
]


@pytest.mark.parametrize("condition", BREAKOUTS)
@pytest.mark.parametrize("choice", [Choice("title"), Choice(sql=OWN.replace("AS question_id", "AS id"))])
def test_what_is_no_condition_is_refused_by_its_option(session: Session, choice: Choice, condition: str) -> None:
    source.ensure(session, Choice("tags", where="id > 1"))
    before = session.rows_of("SELECT pg_get_viewdef('tagdb.source') v, d.* FROM tagdb.source_definition d", {})
    with pytest.raises(QueryRefused, match=r"the condition \(--where\) cannot be run: ") as refused:
        source.ensure(session, Choice(choice.preset, choice.sql, where=condition))
    assert "tagdb sync --where" in (refused.value.hint or "")
    after = session.rows_of("SELECT pg_get_viewdef('tagdb.source') v, d.* FROM tagdb.source_definition d", {})
    assert after == before
    assert session.rows_of("SELECT id FROM other", {}) == [(3,)]


def test_what_closes_no_parenthesis_but_its_own_would_run_without_being_held(session: Session) -> None:
    """It is the counting that refuses it: as a part of a query it is one that reads."""
    session.rows_of(f"SELECT FROM questions WHERE {conditions.in_parentheses('true) OR (true')}", {})


def test_view_made_by_hand_takes_no_condition(session: Session) -> None:
    source.ensure(session, Choice(sql=OWN))
    session.run_script(
        "DROP VIEW tagdb.source; CREATE VIEW tagdb.source AS SELECT 5::bigint AS question_id, '' AS text"
    )
    with pytest.raises(InputRefused, match="made by hand") as refused:
        source.ensure(session, Choice(where="id = 1"))
    assert "--source-sql 'SELECT …' --where" in (refused.value.hint or "")
    assert _ids(session) == [5]


@pytest.mark.parametrize("preset", source.PRESETS)
def test_columns_that_no_condition_names_can_be_dropped(session: Session, preset: str) -> None:
    source.ensure(session, Choice(preset, where="deleted_at IS NULL"))
    session.run_script('ALTER TABLE questions DROP "odd "" name"')
    assert _ids(session) == [1, 3]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("deleted_at IS NULL", True),
        ("questions.title ILIKE 'h%' AND id % 2 = 1", True),
        ("title = ANY ('{a,b}') OR (('{\"x\": true}'::jsonb)->>'x')::boolean", True),
        ("deleted_at > now() - interval '1 day'", False),
        ("deleted_at > '2020-01-01'", True),
        ("deleted_at::date > '2020-01-01'", False),
        ("deleted_at > timestamp '2020-01-01'", False),
        ("current_user = 'me'", False),
        ("random() < 2", False),
        ("id IN (SELECT id FROM other)", False),
        ("(SELECT count(*) FROM questions) > 1", False),
        ("missing", False),
    ],
)
def test_what_one_row_decides_is_told_from_the_rest(session: Session, condition: str, told: bool) -> None:
    assert conditions.told_by_rows(session, condition, "questions") is told
    assert session.rows_of("SELECT to_regclass('pg_temp.questions')", {}) == [(None,)]
