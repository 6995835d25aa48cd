"""Imports that go wrong: bad rows beside good ones, files and tables that are refused, and nothing half done."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import DatabaseError, InputRefused, TagdbError, Unavailable
from tagdb.pipeline.importing import import_files
from tests.pipeline.tables import Imports
from tests.pipeline.world import OnStep

GOOD = "id,title,tags\n1,a,x\n2,b,y z\n"
MIXED = 'id,title,tags\n1,a,x\nnope,b,y\n3,c,"x,y z"\n4,d\n5,e,w\n99999999999999999999,f,g\n'


@pytest.fixture
def imports(database: Database, tmp_path: Path) -> Imports:
    return Imports(database, tmp_path)


def test_bad_rows_are_counted_and_their_neighbours_taken(imports: Imports) -> None:
    result = imports.load(MIXED, name="mixed.csv")
    assert imports.tags() == {1: ["x"], 5: ["w"]}
    assert result.bad == {"bad id": 2, "not a tag list": 1, "wrong number of columns": 1}
    assert result.bad_examples[0] == "mixed.csv, line 3: bad id: nope,b,y"
    run = imports.last_run()
    assert (run["status"], run["read"], run["written"], run["failed"], run["skipped"]) == ("done", 6, 2, 4, 0)


def test_only_the_first_bad_rows_are_shown(imports: Imports) -> None:
    result = imports.load("id,tags\n" + "nope,a\n" * 25)
    assert (result.bad, len(result.bad_examples)) == ({"bad id": 25}, 10)


def test_more_tags_than_a_question_has_room_for_are_refused(imports: Imports) -> None:
    imports.load("Id,Tag\n" + "".join(f"7,t{n % 9}\n" for n in range(40_000)))
    before = imports.versions()
    with pytest.raises(InputRefused, match="question 8 has 32,769 tags") as refused:
        imports.load("Id,Tag\n9,x\n" + "".join(f"8,t{n}\n" for n in range(32_769)), name="tags.csv")
    assert "--id-column" in str(refused.value.hint)
    assert imports.versions() == before


@pytest.mark.parametrize("option", ["strict", "replace"])
def test_bad_row_refuses_strict_and_replacing_imports(imports: Imports, option: str) -> None:
    imports.load("id,tags\n7,kept\n")
    before = imports.versions()
    with pytest.raises(InputRefused, match="line 3: bad id: nope,b,y"):
        imports.run([imports.file("mixed.csv", MIXED)], **{option: True})
    assert imports.versions() == before
    assert imports.last_run()["status"] == "failed"


def test_file_cut_short_removes_no_question(imports: Imports) -> None:
    imports.load("id,tags\n" + "".join(f"{n},a{n}\n" for n in range(1000)))
    before = imports.versions()
    packed = gzip.compress(("id,tags\n" + "".join(f"{n},a{n}\n" for n in range(1000))).encode())
    (imports.folder / "cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputRefused, match="file cut short"):
        imports.run([str(imports.folder / "cut.csv.gz")], replace=True)
    assert imports.versions() == before


@pytest.mark.parametrize("text", ["id,title,tags\n", "Id,Tag\n1,x\n"])
def test_replace_with_no_question_in_the_files_is_refused(imports: Imports, text: str) -> None:
    imports.load(GOOD)
    before = imports.versions()
    with pytest.raises(InputRefused, match="would empty the tables") as refused:
        imports.load(text, replace=True)
    assert refused.value.hint == "leave out --replace"
    assert imports.versions() == before


def test_second_file_that_fails_takes_the_first_one_back(imports: Imports) -> None:
    imports.load(GOOD)
    before = imports.versions()
    for bad in ("no/such/file.csv", imports.file("what.csv", "nothing\nof,use\n")):
        with pytest.raises(TagdbError):
            imports.run([imports.file("more.csv", "id,tags\n1,other\n9,new\n"), bad])
        assert imports.versions() == before
        assert imports.last_run()["status"] == "failed"


def test_failure_while_writing_leaves_no_table_behind(imports: Imports) -> None:
    def fail(step: str) -> None:
        if step.startswith("writing"):
            raise MemoryError

    with pytest.raises(MemoryError):
        import_files(imports.database, [imports.file("q.csv", GOOD)], OnStep(fail))
    assert imports.rows("SELECT to_regclass('questions'), to_regclass('tags')") == [(None, None)]
    assert imports.last_run()["status"] == "failed"


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("CREATE TABLE questions (number int, body text)", "table questions here has no column id"),
        ("CREATE TABLE questions (id uuid PRIMARY KEY, title text)", "column id of the table questions here is uuid"),
        ("CREATE TABLE questions (id int PRIMARY KEY, title text)", "questions here has no column label"),
        (
            "CREATE TABLE questions (id int, title text, label text, created_at timestamptz)",
            "questions here has no unique key on id",
        ),
        ("CREATE TABLE tags (id int PRIMARY KEY, tag text)", "table tags here has no column question_id"),
        (
            "CREATE TABLE tags (question_id int, position int, tag text, PRIMARY KEY (question_id, tag))",
            "tags here has no unique key on question_id, position",
        ),
        ("CREATE VIEW questions AS SELECT 1 AS id, '' AS title, '' AS label, now() AS created_at", "no unique key"),
    ],
)
def test_table_of_another_shape_is_refused_and_untouched(imports: Imports, table: str, complaint: str) -> None:
    imports.sql(table)
    catalog = (
        "SELECT oid, relname, CAST(xmin AS text) FROM pg_class WHERE relnamespace = CAST('public' AS regnamespace)"
    )
    before = imports.rows(catalog + " ORDER BY oid")
    with pytest.raises(InputRefused, match=complaint) as refused:
        imports.load(GOOD)
    assert "search_path" in (refused.value.hint or "")
    assert imports.rows(catalog + " ORDER BY oid") == before


def test_tables_of_the_right_shape_are_used_as_they_are(imports: Imports) -> None:
    imports.sql(
        """
        CREATE SCHEMA mine;
        CREATE TABLE mine.questions (
            id int UNIQUE, title varchar(50), label varchar(9), created_at timestamptz, note text DEFAULT 'n');
        CREATE TABLE mine.tags (question_id int, position int, tag text, UNIQUE (position, question_id) INCLUDE (tag));
        INSERT INTO mine.questions VALUES (1, 'old', 'l', now(), 'kept');
        DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, mine', current_database()); END $$
        """
    )
    imports.load(GOOD)
    assert imports.rows("SELECT id, title, label, note FROM mine.questions ORDER BY id") == [
        (1, "a", "l", "kept"),
        (2, "b", None, "n"),
    ]
    assert imports.tags() == {1: ["x"], 2: ["y", "z"]}
    assert imports.rows("SELECT relname FROM pg_class WHERE relnamespace = CAST('public' AS regnamespace)") == []
    assert imports.rows("SELECT count(*) FROM pg_indexes WHERE schemaname = 'mine'") == [(2,)]


def test_what_the_users_table_does_not_take_is_said_in_its_words(imports: Imports) -> None:
    imports.load(GOOD)
    imports.sql("ALTER TABLE questions ADD CHECK (title <> 'forbidden')")
    before = imports.versions()
    with pytest.raises(DatabaseError, match="violates check constraint"):
        imports.load("id,title\n1,changed\n7,forbidden\n")
    assert imports.versions() == before


def test_search_path_without_a_schema_for_the_tables_is_said(imports: Imports) -> None:
    imports.sql(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = tagdb, nowhere', current_database()); END $$"
    )
    with pytest.raises(Unavailable, match="names no schema for your tables"):
        imports.load(GOOD)


def test_file_name_that_is_no_text_is_recorded_all_the_same(imports: Imports) -> None:
    name = os.fsdecode(b"caf\xe9 \x01.csv")
    imports.load(GOOD, name=name)
    assert imports.last_run()["args"]["files"] == ["caf? \x01.csv"]
    with pytest.raises(InputRefused, match="cannot be read"):
        imports.run([os.fsdecode(b"\xff.csv")])
    assert imports.last_run()["status"] == "failed"
