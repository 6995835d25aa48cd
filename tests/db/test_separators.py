"""Several tags in one text: taken apart at what the user says and nothing else, and noticed where nobody says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tagdb.db import separators, source, sourceviews
from tagdb.db.connection import Database, Session
from tagdb.db.source import Choice
from tagdb.errors import InputRefused, QueryRefused
from tests.examples import examples
from tests.pipeline.stored import Listener

TAGS_SQL = "SELECT id, tags AS tag FROM post"
_WHITE = " \t\r\n"


@pytest.fixture
def session(shared_database: Database) -> Iterator[Session]:
    """A session on a database with a table of posts, and without a source."""
    with shared_database.session() as opened:
        opened.run_script("CREATE TABLE post (id integer, tags text)")
        yield opened
        opened.run_script(
            "DROP VIEW IF EXISTS tagdb.source, tagdb.source_tag; DROP TABLE post; TRUNCATE tagdb.source_definition"
        )


def _post(session: Session, *texts: str | None) -> None:
    session.run_script("TRUNCATE post")
    session.rows_of(
        "INSERT INTO post SELECT n, t FROM unnest(CAST(:texts AS text[])) WITH ORDINALITY AS u (t, n) RETURNING id",
        {"texts": list(texts)},
    )


def _choose(session: Session, separator: str | None, tags_sql: str | None = TAGS_SQL) -> list[str]:
    """Choose the source; return what was said."""
    listener = Listener()
    sql = "SELECT id, '' AS text FROM post" if tags_sql else None
    source.ensure(session, Choice(sql=sql, tags_sql=tags_sql, tags_separator=separator), listener)
    return listener.said


def _tags(session: Session) -> list[str]:
    return [row.tag for row in session.rows_of("SELECT tag FROM tagdb.source_tag ORDER BY question_id, tag", {})]


@pytest.mark.parametrize(
    ("separator", "text", "tags"),
    [
        (";", "python;list", ["list", "python"]),
        (",", "a, machine learning ,b", ["a", "b", "machine learning"]),
        (", ", "a,b, c", ["a", "b", "c"]),
        ("<>", "<a><b-c>", ["a", "b-c"]),
        ("<>", "a", ["a"]),
        ("[]", "[a][b]", ["a", "b"]),
        (" ", "a  b", ["a", "b"]),
        ("\t", "a b\tc", ["a b", "c"]),
        ("|", "|a|b|", ["a", "b"]),
        ("||", "a|b||c", ["a|b", "c"]),
        (" / ", "a/b/c", ["a", "b", "c"]),
        ("\\", "a\\b", ["a", "b"]),
        ("'", "a'b", ["a", "b"]),
        ("%s", "a%sb", ["a", "b"]),
        (":x", "a:xb", ["a", "b"]),
        ("、", "機械、学習", ["学習", "機械"]),
        (";", " ; ;", []),
        (";", "", []),
        (";", None, []),
        (";", "a;a", ["a", "a"]),
    ],
)
def test_text_is_taken_apart(session: Session, separator: str, text: str | None, tags: list[str]) -> None:
    _post(session, text)
    _choose(session, separator)
    assert _tags(session) == tags


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(alphabet="ab;,|<>[] \t\\'\"%:{}é", max_size=14),
    separator=st.text(alphabet=";,|<>[] \\'\"%:{}", min_size=1, max_size=2),
)
@example(text="<a><b>", separator="><")
def test_tags_are_the_pieces_between_separators(session: Session, text: str, separator: str) -> None:
    _post(session, text)
    _choose(session, separator)
    at = separator.strip() or separator
    if at in ("<>", "[]", "{}"):
        text, at = text.replace(at[0], at[1]), at[1]
    assert sorted(_tags(session)) == sorted(tag for piece in text.split(at) if (tag := piece.strip(_WHITE)))


def test_separator_is_kept_until_it_is_said_anew(session: Session) -> None:
    _post(session, "a;b,c")
    assert _choose(session, None)
    assert _tags(session) == ["a;b,c"]
    _choose(session, ";", tags_sql=None)
    assert _tags(session) == ["a", "b,c"]
    assert source.ensure(session, Choice(tags_separator=";")) is False
    _choose(session, None)
    assert _tags(session) == ["a", "b,c"]
    assert sourceviews.follow(session, sourceviews.TAGS).changed is False
    _choose(session, ",", tags_sql=None)
    assert _tags(session) == ["a;b", "c"]
    _choose(session, "", tags_sql=None)
    assert _tags(session) == ["a;b,c"]


@pytest.mark.parametrize("column", ["'{a,b}'::text[]", "'[\"a\"]'::jsonb", "ARRAY[7.5]"])
def test_lists_are_not_taken_apart(session: Session, column: str) -> None:
    with pytest.raises(QueryRefused, match="--source-tags-separator takes texts apart") as refused:
        _choose(session, ";", f"SELECT 1 AS id, {column} AS tag")
    assert "--source-tags-separator ''" in (refused.value.hint or "")
    assert source.current(session) is None
    _choose(session, "", f"SELECT 1 AS id, {column} AS tag")


def test_tags_of_a_preset_are_not_taken_apart_and_the_hint_does_it(session: Session) -> None:
    session.run_script(
        "CREATE TABLE questions (id bigint, title text); CREATE TABLE tags (question_id bigint, tag text)"
    )
    try:
        source.ensure(session, Choice("title"))
        with pytest.raises(InputRefused, match="tags come from the table tags") as refused:
            source.ensure(session, Choice(tags_separator=";"))
        assert source.ensure(session, Choice(tags_separator="")) is False
        session.run_script("INSERT INTO tags VALUES (1, 'a;b')")
        _, sql, _, _, _ = (refused.value.hint or "").split("'")
        source.ensure(session, Choice(tags_sql=sql, tags_separator=";"))
        assert _tags(session) == ["a", "b"]
    finally:
        session.run_script("DROP TABLE questions, tags CASCADE")


@pytest.mark.parametrize(
    ("separator", "texts"),
    [
        ("<>", ["<a><b>", "<c>"]),
        (";", ["a;b", "c;d", "e;f", "a;g", "h"]),
        ("|", ["|a|b,x|"]),
        (",", ["a, b", "c, d, e", "f, g"]),
    ],
)
def test_lists_that_nobody_spoke_of_are_noticed_once(session: Session, separator: str, texts: list[str]) -> None:
    _post(session, *texts)
    (said,) = _choose(session, None)
    assert f"nearly every tag holds '{separator}'" in said
    assert said.endswith(f"tagdb sync --source-tags-separator '{separator}'")
    assert _choose(session, None) == []
    assert _tags(session) == texts
    assert _choose(session, separator, tags_sql=None) == []


@pytest.mark.parametrize("texts", [[], [None], ["a b", "c d"], ["a;b", "c", "d"], ["c++", "c#", ".net"]])
def test_tags_that_are_no_lists_are_not_spoken_of(session: Session, texts: list[str | None]) -> None:
    _post(session, *texts)
    assert _choose(session, None) == []


def test_pairs_are_told_from_what_looks_like_them() -> None:
    assert separators.normalised(" <> ") == "<>"
    assert separators.normalised("  ") == "  "
    assert separators.normalised("") is None
