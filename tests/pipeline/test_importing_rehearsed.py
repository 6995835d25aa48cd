"""What an import says and asks before it changes much, and what it would do, found out with nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import CheckFailed
from tagdb.pipeline.importing import ImportedRow
from tests.pipeline.tables import Imports

FOUR = "id,title,tags\n1,a,x\n2,b,y\n3,c,z\n4,d,x\n"


@pytest.fixture
def imports(database: Database, tmp_path: Path) -> Imports:
    return Imports(database, tmp_path)


@pytest.mark.parametrize(("kept", "refused"), [("1,a,x\n2,b,y\n", False), ("1,a,x\n9,n,w\n8,n,w\n", True)])
def test_replacing_more_than_half_has_to_be_confirmed(imports: Imports, kept: str, *, refused: bool) -> None:
    imports.load(FOUR)
    before = imports.versions()
    if refused:
        with pytest.raises(CheckFailed, match="would remove 3 of the 4 questions") as check:
            imports.load("id,title,tags\n" + kept, replace=True)
        assert "--yes" in (check.value.hint or "")
        assert imports.versions() == before
        assert imports.last_run()["status"] == "failed"
    result = imports.load("id,title,tags\n" + kept, replace=True, confirmed=refused)
    assert result.removed == (3 if refused else 2)
    assert 4 not in imports.questions()


def test_rehearsal_says_what_the_import_does_and_writes_nothing(imports: Imports) -> None:
    imports.load(FOUR)
    before, run = imports.versions(), imports.last_run()["id"]
    file = imports.file("new.csv", "id,title,tags,created_at\n4,first,a,\n5,e,b c,2020-01-02\n4,last,x y,\nx,bad,\n")
    planned = imports.run([file], dry_run=True)
    assert (imports.versions(), imports.last_run()["id"]) == (before, run)
    assert [(row.id, row.title, row.tags) for row in planned.first_rows] == [
        (4, "last", ["x", "y"]),
        (5, "e", ["b", "c"]),
    ]
    assert f"{planned.first_rows[1].created_at:%Y-%m-%d}" == "2020-01-02"
    done = imports.run([file])
    assert (planned.dry_run, done.dry_run, done.first_rows) == (True, False, [])
    planned.dry_run, planned.first_rows = False, []
    assert planned == done


def test_rehearsal_leaves_no_table_behind_and_shows_five_rows(imports: Imports) -> None:
    text = "id,tags\n" + "".join(f"{number},a b\n" for number in range(9, 0, -1))
    planned = imports.load(text, dry_run=True)
    assert [row.id for row in planned.first_rows] == [9, 8, 7, 6, 5]
    assert imports.rows("SELECT to_regclass('questions'), to_regclass('tags')") == [(None, None)]


def test_rehearsal_of_tags_and_then_their_questions_shows_both(imports: Imports) -> None:
    files = [imports.file("tags.csv", "Id,Tag\n2,b\n1,a\n7,c\n"), imports.file("q.csv", "id,title\n1,t\n2,u\n")]
    planned = imports.run(files, dry_run=True)
    assert planned.first_rows == [
        ImportedRow(2, "u", None, None, ["b"]),
        ImportedRow(1, "t", None, None, ["a"]),
        ImportedRow(7, None, None, None, ["c"]),
    ]
    assert planned.absent == 1
    assert len(planned.recognised) == 2


def test_rehearsal_of_a_replacement_says_that_it_would_be_asked_for(imports: Imports) -> None:
    imports.load(FOUR)
    planned = imports.load("id,tags\n1,x\n", replace=True, dry_run=True)
    assert planned.refused == "--replace would remove 3 of the 4 questions that are here"
    assert planned.removed == 3
    assert set(imports.questions()) == {1, 2, 3, 4}


def test_date_that_cannot_be_read_leaves_the_stored_one(imports: Imports) -> None:
    imports.load("id,title,created_at\n1,a,2020-01-01\n2,b,2020-01-01\n")
    before = imports.versions(where="id = 1")
    result = imports.load("id,title,created_at\n1,a,not a day\n2,new,2021-01-01\n3,c,nor this\n")
    assert imports.questions() == {
        1: ("a", None, "2020-01-01 00:00:00+00"),
        2: ("new", None, "2021-01-01 00:00:00+00"),
        3: ("c", None, None),
    }
    assert imports.versions(where="id = 1")[0] == before[0]
    assert (result.added, result.updated, result.unchanged) == (1, 1, 1)
    assert "created_at: 2 not read" in result.notes[0]


def test_date_that_is_empty_empties_the_stored_one(imports: Imports) -> None:
    imports.load("id,created_at\n1,2020-01-01\n")
    imports.load("id,created_at\n1,\n")
    assert imports.questions() == {1: (None, None, None)}


def test_tags_come_before_their_questions_or_without(imports: Imports) -> None:
    tags = imports.file("tags.csv", "Id,Tag\n1,a\n1,b\n7,c\n8,d\n8,e\n")
    assert imports.run([tags]).absent == 3
    assert imports.run([tags, imports.file("q.csv", "id,title\n1,t\n7,u\n")]).absent == 1


def test_bad_rows_come_with_what_would_help(imports: Imports) -> None:
    result = imports.load('id,tags\n1,"x,y z"\n2,a\n')
    assert result.bad == {"not a tag list": 1}
    assert "--tags-separator" in result.advice[0]
