"""What is to be embedded, as it is typed: queries from files, a look ahead, and the guard against an emptied table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.syncing import comparing
from tests.cli.running import done, objects, tagdb
from tests.pipeline import stored
from tests.pipeline.world import load_once

SUBJECTS = "SELECT id, subject AS text -- the key first\nFROM ticket;"
TOPICS = "SELECT id, topics AS tag FROM ticket"
REFUSED = "3 of 3 questions are gone from what is to be embedded"


@pytest.fixture
def tickets(database: Database, tiny_embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Three tickets, and a file of SQL about them for each of the two views."""
    monkeypatch.setattr(registry, "load", load_once)
    monkeypatch.chdir(tmp_path)
    done("embedder", "use", str(tiny_embedder))
    stored.run(
        database,
        "CREATE TABLE ticket (id integer PRIMARY KEY, subject text, topics text[])",
        "INSERT INTO ticket VALUES (1, 'printer', '{hot}'), (2, 'mouse', '{cold,new}'), (3, 'fire', NULL)",
    )
    Path("texts.sql").write_text(SUBJECTS, encoding="utf-8")
    Path("tags.sql").write_text(TOPICS, encoding="utf-8")
    return database


def test_queries_are_read_from_files(tickets: Database) -> None:
    done("sync", "--source-sql-file", "texts.sql", "--source-tags-sql-file", "tags.sql")
    assert stored.column(tickets, "SELECT tag FROM tagdb.tag_vector ORDER BY tag") == ["cold", "hot", "new"]
    kept = stored.rows(tickets, "SELECT view, sql FROM tagdb.source_definition ORDER BY view")
    assert [tuple(row) for row in kept] == [("source", SUBJECTS), ("source_tag", TOPICS)]


@pytest.mark.parametrize("words", [("--source-sql-file", "-"), ("--source-sql", "-")])
def test_query_is_read_from_standard_input(tickets: Database, words: tuple[str, ...]) -> None:
    done("sync", *words, typed=SUBJECTS)
    assert stored.column(tickets, "SELECT count(*) FROM tagdb.question") == [3]


def test_queries_as_windows_writes_them_are_read(tickets: Database) -> None:
    windows = f"-- printers\r\n{SUBJECTS}\r\n;\r\n"
    Path("texts.sql").write_text(windows, encoding="utf-8-sig", newline="")
    done("sync", "--source-sql-file", "texts.sql", "--source-tags-sql-file", "-", typed=f"\ufeff{TOPICS}")
    assert stored.column(tickets, "SELECT count(*) FROM tagdb.question") == [3]
    assert stored.column(tickets, "SELECT count(*) FROM tagdb.tag_vector") == [3]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--source-sql-file", "-", "--source-tags-sql-file", "-"), 2, "standard input cannot be both queries"),
        (
            ("--source-sql", "SELECT 1", "--source-sql-file", "texts.sql"),
            2,
            "--source-sql and --source-sql-file both say",
        ),
        (("--source-tags-sql", TOPICS, "--source-tags-sql-file", "tags.sql"), 2, "--source-tags-sql-file both say"),
        (("--source-sql-file", "nowhere.sql"), 2, "nowhere.sql cannot be read"),
        (("--source-sql-file", "texts.sql", "--text", "title"), 1, "--text and --source-sql both say what to embed"),
        (("--source-sql-file", "empty.sql"), 1, "the source query (--source-sql) is empty"),
        (("--source-sql", ""), 1, "the source query (--source-sql) is empty"),
    ],
)
def test_contradicting_or_unreadable_queries_are_refused(
    tickets: Database, words: tuple[str, ...], code: int, message: str
) -> None:
    Path("empty.sql").touch()
    result = tagdb("sync", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert stored.column(tickets, "SELECT to_regclass('tagdb.source')") == [None]


def test_emptied_table_ends_in_4_until_its_questions_may_go(tickets: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "MANY_GONE", 2)
    done("sync", "--source-sql-file", "texts.sql")
    stored.run(tickets, "TRUNCATE ticket")
    refused = tagdb("sync")
    assert refused.exit_code == 4
    assert refused.stdout == ""
    assert f"error: {REFUSED}" in refused.stderr
    assert refused.stderr.endswith("if they shall go: tagdb sync --allow-gone\n")
    assert REFUSED in done("sync", "--dry-run").stdout
    (planned,) = objects(done("sync", "--dry-run", "--json").stdout)
    assert planned["refused"].startswith(REFUSED)
    assert objects(done("sync", "--dry-run", "--allow-gone", "--json").stdout)[0]["refused"] is None
    assert objects(done("sync", "--allow-gone", "--json").stdout)[0]["gone"] == 3


def test_rows_are_left_out_and_tags_taken_apart(tickets: Database) -> None:
    stored.run(tickets, "ALTER TABLE ticket ADD keywords text DEFAULT '<hot><new>'")
    keywords = ("--source-tags-sql", "SELECT id, keywords AS tag FROM ticket")
    said = done("sync", "--source-sql", "SELECT *, subject AS text FROM ticket", *keywords).stderr
    assert "nearly every tag holds '<>'; if each is a list of several: tagdb sync --source-tags-separator '<>'" in said
    (planned,) = objects(done("sync", "--where", "id < 3", "--dry-run", "--json").stdout)
    assert planned["changes"] == {"new": 0, "changed": 0, "gone": 1}
    assert objects(done("sync", "--json").stdout)[0]["gone"] == 0
    (synced,) = objects(done("sync", "--where", "id < 3", "--source-tags-separator", "<>", "--json").stdout)
    assert (synced["gone"], synced["tags"]) == (1, 2)
    assert stored.column(tickets, "SELECT tag FROM tagdb.tag_vector ORDER BY tag") == ["hot", "new"]
    shown = done("status").stdout
    assert "rows where            id < 3\n" in shown
    assert "tags separated by     <>\n" in shown
    (picture,) = objects(done("status", "--json").stdout)
    assert (picture["condition"], picture["tags_separator"]) == ("id < 3", "<>")
    (run,) = stored.column(tickets, "SELECT args FROM tagdb.run ORDER BY id DESC LIMIT 1")
    assert (run["where"], run["source_tags_separator"]) == ("id < 3", "<>")  # type: ignore[index]
    assert objects(done("sync", "--where", "", "--source-tags-separator", "", "--json").stdout)[0]["new"] == 1
    assert stored.column(tickets, "SELECT tag FROM tagdb.tag_vector ORDER BY tag") == ["<hot><new>"]
    assert "rows where" not in done("status").stdout


def test_condition_that_cannot_be_run_says_what_there_is(tickets: Database) -> None:
    done("sync", "--source-sql", "SELECT *, subject AS text FROM ticket")
    refused = tagdb("sync", "--where", "deleted IS NULL")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert 'column "deleted" does not exist; the source query has id, subject, topics, text' in refused.stderr
    assert "tagdb sync --where '…'" in refused.stderr
    assert objects(done("sync", "--json").stdout)[0]["gone"] == 0


def test_condition_on_a_column_that_is_not_there_lists_those_that_are(tickets: Database) -> None:
    done("sync", "--source-sql-file", "texts.sql")
    refused = tagdb("nearest", "printer", "--questions", "--where", "tenant = 7")
    assert refused.exit_code == 1
    assert 'column "tenant" does not exist; tagdb.source has question_id, text' in refused.stderr


def test_columns_of_questions_are_listed_too(standing_world: Database) -> None:
    refused = tagdb("nearest", "java", "--questions", "--where", "tenant = 7")
    assert 'column "tenant" does not exist; questions has id, title, label, created_at' in refused.stderr
