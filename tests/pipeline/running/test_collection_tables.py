"""Imports go into a collection, and its queries mean its own tables; what is the user's stays apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.db.rights import quoted
from tagdb.errors import InputRefused
from tagdb.models import Silent
from tagdb.pipeline import demo, importing
from tagdb.pipeline.asking import status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.running import server
from tagdb.pipeline.sync import Choice, sync
from tests.pipeline import stored
from tests.pipeline.running.collected import NASTY, PLAIN, csv_file, filled, own, tables
from tests.pipeline.world import USER_TABLES


def test_import_of_the_default_collection_goes_where_it_ever_went(database: Database, tmp_path: Path) -> None:
    importing.import_files(database, [csv_file(tmp_path, "t", range(1, 5))], Silent())
    assert stored.column(database, "SELECT count(*) FROM public.questions") == [4]
    with database.session() as session:
        assert session.rows_of("SHOW search_path", {})[0][0] == '"$user", public, tagdb'


def test_imports_never_mix_with_tables_of_the_users_own(
    two: tuple[Database, Database], database: Database, tmp_path: Path
) -> None:
    tickets, _ = two
    stored.run(database, "CREATE TABLE questions (whatever text)", "CREATE TABLE tags (id uuid)")
    filled(tickets, csv_file(tmp_path, "t", range(1, 5)))
    assert stored.column(database, "SELECT count(*) FROM public.questions") == [0]
    with tickets.session() as session:
        assert session.rows_of("SELECT count(*) FROM questions", {})[0][0] == 4
    with pytest.raises(InputRefused):
        importing.import_files(database, [csv_file(tmp_path, "t", range(1, 5))], Silent())
    replaced = importing.import_files(
        tickets, [csv_file(tmp_path, "t", range(3, 9))], Silent(), replace=True, confirmed=True
    )
    assert (replaced.added, replaced.removed) == (4, 2)
    assert sync(tickets, Choice(), Silent()).changes.gone == 2


def test_failed_first_import_leaves_no_table_and_no_path(two: tuple[Database, Database], tmp_path: Path) -> None:
    tickets, _ = two
    bad = tmp_path / "bad.csv"
    bad.write_text("id,tags\nnope,a\n")
    with pytest.raises(InputRefused):
        importing.import_files(tickets, [str(bad)], Silent(), strict=True)
    assert f"{quoted(NASTY)}.questions" not in tables(tickets)
    with tickets.session() as session:
        assert NASTY not in session.rows_of("SHOW search_path", {})[0][0]


def test_collection_over_the_users_tables_shadows_none_of_them(database: Database, tiny_embedder: Path) -> None:
    stored.run(
        database, USER_TABLES, "INSERT INTO questions (id) VALUES (1), (2)", "CREATE TABLE text (id int, body text)"
    )
    stored.run(database, "INSERT INTO tags VALUES (1, 0, 'a'), (2, 0, 'b')", "INSERT INTO text VALUES (7, 'mine')")
    over = database.beside(NASTY)
    schema.migrate(over)
    registry.choose(over, str(tiny_embedder))
    assert sync(over, Choice(), Silent()).embedded.texts == 2
    assert status.status(over).tables == ["public.questions", "public.tags"]
    result = sync(over, Choice(sql="SELECT id AS question_id, body AS text FROM text"), Silent(), allow_gone=True)
    assert result.changes.new == 1
    assert own(over, "SELECT question_id FROM {own}.question") == [7]


def test_query_of_a_collection_with_questions_of_its_own_means_these(
    two: tuple[Database, Database], tmp_path: Path
) -> None:
    tickets, _ = two
    stored.run(tickets, "CREATE TABLE public.questions (id bigint PRIMARY KEY, title text)")
    filled(tickets, csv_file(tmp_path, "t", range(1, 5)))
    own_sql = Choice(sql="SELECT id AS question_id, label AS text FROM questions")
    assert sync(tickets, own_sql, Silent()).changes.changed == 4
    assert status.status(tickets).tables == [f"{quoted(NASTY)}.questions", f"{quoted(NASTY)}.tags"]


def test_demo_keeps_to_its_collection(two: tuple[Database, Database]) -> None:
    tickets, _ = two
    stored.run(tickets, USER_TABLES, "INSERT INTO questions (id) VALUES (9000100001), (3)")
    steps: list[demo.Step] = []
    with pytest.raises(InputRefused, match="questions of your own"):
        demo.demo(tickets.beside("tagdb"), Silent(), steps.append)
    demo._import(tickets, Silent(), steps.append)
    demo._import(tickets, Silent(), steps.append)
    assert stored.column(tickets, "SELECT id FROM public.questions ORDER BY 1") == [3, 9000100001]
    assert own(tickets, "SELECT count(*) > 1000 FROM {own}.questions") == [True]


def test_psql_finds_the_tables_of_the_collection(
    two: tuple[Database, Database], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tickets, articles = two
    filled(tickets, csv_file(tmp_path, "t", range(1, 5)))
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=5MB")
    asked = ["-q", "-At", "-c", "SHOW work_mem", "-c", "SELECT count(*) FROM questions"]
    assert server.psql(tickets.dsn, asked, Silent(), schema=NASTY) == 0
    assert capfd.readouterr().out == "5MB\n4\n"
    assert server.psql(articles.dsn, asked, Silent(), schema=PLAIN) == 1
    assert 'relation "questions" does not exist' in capfd.readouterr().err


def test_collection_over_sql_takes_no_tags_of_other_questions(database: Database, tiny_embedder: Path) -> None:
    stored.run(
        database,
        USER_TABLES,
        "INSERT INTO questions (id) VALUES (1), (2)",
        "INSERT INTO tags (question_id, position, tag) VALUES (1, 0, 'foreign'), (2, 0, 'foreign')",
        "CREATE TABLE article AS SELECT n AS id, 'body ' || n AS body FROM generate_series(1, 3) n",
    )
    articles = database.beside(PLAIN)
    schema.migrate(articles)
    registry.choose(articles, str(tiny_embedder))
    sync(articles, Choice(sql="SELECT id AS question_id, body AS text FROM article"), Silent())
    assert own(articles, "SELECT tag FROM {own}.source_tag") == []
    assert "a table tags has come" not in str(status.status(articles).reasons)
    stored.run(database, f"CREATE TABLE {PLAIN}.tags AS SELECT * FROM tags")
    sync(articles, Choice(), Silent())
    assert own(articles, "SELECT DISTINCT tag FROM {own}.source_tag") == ["foreign"]
