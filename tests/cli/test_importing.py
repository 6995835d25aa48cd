"""`tagdb import` as it is typed: its options, what it says next, what it asks, and its rehearsal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tagdb.cli import importing
from tagdb.db.connection import Database
from tests.cli.running import done, tagdb

ROWS = "id,title,tags\n1,a,x\n2,b,y\n3,c,z\n"


@pytest.fixture
def folder(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.csv").write_text(ROWS)
    (tmp_path / "other.csv").write_text("id,title,tags\n9,n,w\n")
    return tmp_path


def _rows(*options: str, typed: str | bytes) -> list[dict[str, object]]:
    text = typed if isinstance(typed, str) else typed.decode("latin-1")
    planned = json.loads(done("import", "-", "--dry-run", "--json", "-q", *options, typed=text).stdout)
    rows: list[dict[str, object]] = planned["first_rows"]
    return rows


@pytest.mark.parametrize(
    ("options", "text", "field", "value"),
    [
        ("--delimiter ;", "id;title\n1;a,b\n", "title", "a,b"),
        (r"--delimiter \t", "id\ttitle\n1\ta,b\n", "title", "a,b"),
        ("--no-header --id-column 1 --title-column 2", "1,a\n", "title", "a"),
        ("--no-quotes", 'id\ttitle\n1\t"a"\n', "title", '"a"'),
        ("--quotes", 'id\ttitle\n1\t"a"\n', "title", "a"),
        ("--tags-separator |", "id,tags\n1,a b|c\n", "tags", ["a b", "c"]),
        ("--null-words none,nil", "id,label\n1,nil\n2,NA\n", "label", None),
        ("--null-words=", "id,label\n1,NA\n", "label", "NA"),
        ("--html", "id,title\n1,a &amp;b\n", "title", "a &b"),
        ("--no-html", "id,title\n1,a &quot;b&quot;\n", "title", "a &quot;b&quot;"),
    ],
)
def test_each_option_reaches_the_reader(folder: Path, options: str, text: str, field: str, value: object) -> None:
    assert _rows(*options.split(), typed=text)[0][field] == value


@pytest.mark.parametrize(("option", "month"), [("--day-first", "2009-04-03"), ("--month-first", "2009-03-04")])
def test_order_of_day_and_month(folder: Path, option: str, month: str) -> None:
    assert str(_rows(option, typed="id,created_at\n1,03/04/2009\n")[0]["created_at"]).startswith(month)


def test_encoding(folder: Path) -> None:
    (folder / "old.csv").write_bytes("id,title\n1,Größe\n".encode("cp1252"))
    planned = json.loads(done("import", "old.csv", "--encoding", "cp1252", "-n", "--json").stdout)
    assert planned["first_rows"][0]["title"] == "Größe"


def test_sync_is_next_only_where_it_has_something_to_do(folder: Path) -> None:
    assert "next: tagdb sync" in done("import", "q.csv").stderr
    assert "next" not in done("import", "q.csv").stderr
    bad = tagdb("import", "-", typed='id,tags\n1,"x,y z"\n')
    assert bad.exit_code == 1
    assert "next" not in bad.stderr
    assert "--tags-separator names what stands between tags" in bad.stderr


def test_notes_and_missing_questions_are_said(folder: Path) -> None:
    assert "label: 1 word for missing (NA)" in done("import", "-", typed="id,label\n1,NA\n").stderr
    assert "tags of 1 questions that are not here" in done("import", "-", typed="question_id,tag\n77,a\n").stderr


def test_replacing_most_is_refused_where_nobody_can_be_asked(folder: Path) -> None:
    done("import", "q.csv")
    refused = tagdb("import", "other.csv", "--replace")
    assert refused.exit_code == 4
    assert "would remove 3 of the 3 questions" in refused.stderr
    assert "--yes" in refused.stderr
    assert "0 added, 0 updated, 3 unchanged" in done("import", "q.csv").stdout
    assert "1 added, 0 updated, 0 unchanged, 3 removed" in done("import", "other.csv", "--replace", "--yes").stdout


@pytest.mark.parametrize(("answer", "left"), [("n\n", "3 unchanged"), ("y\n", "3 added")])
def test_replacing_most_is_asked(folder: Path, answer: str, left: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "at_terminal", lambda: True)
    done("import", "q.csv")
    asked = tagdb("import", "other.csv", "--replace", typed=answer)
    assert "would remove 3 of the 3 questions that are here. Remove them?" in asked.stderr
    assert asked.exit_code == (0 if answer == "y\n" else 1)
    assert left in done("import", "q.csv").stdout


def test_rehearsal_shows_rows_and_counts_and_changes_nothing(folder: Path) -> None:
    first = done("import", "q.csv", "--dry-run")
    assert "id from 'id'" in first.stderr
    assert "nothing was written" in first.stderr
    assert "next" not in first.stderr
    assert first.stdout.splitlines()[2].split()[:3] == ["1", "a", "x"]
    assert "questions: 3 added" in first.stdout
    assert "questions: 3 added" in done("import", "q.csv").stdout
    assert "needs --yes" in done("import", "other.csv", "--replace", "-n").stderr
