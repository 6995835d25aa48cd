"""Files of every format end in `questions` and `tags`; an update changes what it speaks of and nothing else."""

from __future__ import annotations

import csv
import gzip
import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagdb.db.connection import Database
from tagdb.pipeline.importing import Columns, Reading
from tests.examples import examples
from tests.pipeline.tables import Imports

FORMATS = {
    "tagdataset.csv": ",tags,label\n7,python pandas,1\n8,sql,0\n",
    "plain.csv": "id,title,tags,label\n7,How?,<python><pandas>,1\n8,Why?,<sql>,0\n",
    "semicolons.csv": "Id;Tags;Label\n7;python|pandas;1\n8;sql;0\n",
    "plain.tsv": "id\ttags\tlabel\n7\t['python', 'pandas']\t1\n8\t['sql']\t0\n",
    "QueryResults.csv": 'Id,PostTypeId,Score,Tags,Title\n7,1,3,<python><pandas>,"How, then?"\n9,2,1,,\n8,1,0,<sql>,\n',
    "Posts.xml": (
        "\ufeff<?xml version='1.0' encoding='utf-8'?>\n<posts>\n"
        '  <row Id="7" PostTypeId="1" Title="A &lt;b&gt;" Tags="&lt;python&gt;&lt;pandas&gt;" />\n'
        '  <row Id="9" PostTypeId="2" ParentId="7" />\n'
        '  <row Id="8" PostTypeId="1" CreationDate="2014-01-02T03:04:05.000" Tags="|sql|" />\n</posts>\n'
    ),
}
QUESTIONS_CSV = "Id,CreationDate,ClosedDate,Score\n7,2008-07-31T21:26:37Z,NA,26\n8,2008-07-31T22:17:57Z,NA,1\n"
TAGS_CSV = "Id,Tag\n7,python\n7,pandas\n8,sql\n"


@pytest.fixture
def imports(database: Database, tmp_path: Path) -> Imports:
    return Imports(database, tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_ends_in_the_same_tags(imports: Imports, name: str) -> None:
    result = imports.load(FORMATS[name], name=name)
    assert imports.tags() == {7: ["python", "pandas"], 8: ["sql"]}
    assert imports.questions().keys() == {7, 8}
    assert (result.added, result.updated, result.tags_added, result.bad) == (2, 0, 3, {})
    assert result.records == 2 + sum(result.skipped.values())


def test_titles_labels_and_times_arrive_as_they_are(imports: Imports) -> None:
    imports.load(FORMATS["plain.csv"])
    assert imports.questions() == {7: ("How?", "1", None), 8: ("Why?", "0", None)}
    imports.load(FORMATS["Posts.xml"], name="Posts.xml", replace=True)
    assert imports.questions() == {7: ("A <b>", "1", None), 8: (None, "0", "2014-01-02 03:04:05+00")}


def test_tags_may_hold_blanks(imports: Imports) -> None:
    imports.load("id,tags\n1,\"['machine learning', 'c#']\"\n2,a b\n")
    assert imports.tags() == {1: ["machine learning", "c#"], 2: ["a", "b"]}


@pytest.mark.parametrize("order", [1, -1])
def test_pair_of_files_may_come_in_either_order_together_or_apart(imports: Imports, order: int) -> None:
    files = [imports.file("questions.csv", QUESTIONS_CSV), imports.file("question_tags.csv", TAGS_CSV)][::order]
    expected = {7: ["python", "pandas"], 8: ["sql"]}
    imports.run(files, replace=True)
    assert imports.tags() == expected
    assert imports.questions()[7] == (None, None, "2008-07-31 21:26:37+00")
    imports.sql("DELETE FROM questions; DELETE FROM tags")
    for file in files:
        imports.run([file])
    assert (imports.tags(), set(imports.questions())) == (expected, {7, 8})


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("a b c d", ["a", "b", "c", "d"]),
        ("a", ["a"]),
        ("c b a", ["c", "b", "a"]),
        ("x y z", ["x", "y", "z"]),
        ("b c", ["b", "c"]),
        ("", []),
    ],
)
def test_update_brings_the_tags_to_those_of_the_file(imports: Imports, tags: str, expected: list[str]) -> None:
    imports.load("id,title,tags,label\n1,old,a b c,x\n2,other,q,y\n")
    other = imports.versions(where="id = 2", tags_where="question_id = 2")
    result = imports.load(f"id,title,tags,label\n1,new,{tags},z\n")
    assert imports.tags() == {k: v for k, v in {1: expected, 2: ["q"]}.items() if v}
    assert imports.questions()[1] == ("new", "z", None)
    assert (result.added, result.updated, result.unchanged) == (0, 1, 0)
    assert imports.versions(where="id = 2", tags_where="question_id = 2") == other


@pytest.mark.parametrize(
    ("update", "question", "tags"),
    [
        ("id,tags\n1,z\n", ("t", "l", "2020-01-01 00:00:00+00"), ["z"]),
        ("id,title\n1,new\n", ("new", "l", "2020-01-01 00:00:00+00"), ["a", "b"]),
        ("id,label\n1,new\n", ("t", "new", "2020-01-01 00:00:00+00"), ["a", "b"]),
        ("id,label\n1,\n", ("t", None, "2020-01-01 00:00:00+00"), ["a", "b"]),
        ("id,created_at\n1,2021-02-03\n", ("t", "l", "2021-02-03 00:00:00+00"), ["a", "b"]),
        ("Id,Tag\n1,z\n", ("t", "l", "2020-01-01 00:00:00+00"), ["z"]),
    ],
)
def test_columns_the_file_lacks_keep_what_is_there(
    imports: Imports, update: str, question: tuple[str | None, ...], tags: list[str]
) -> None:
    imports.load("id,title,tags,label,created_at\n1,t,a b,l,2020-01-01\n")
    imports.load(update)
    assert imports.questions() == {1: question}
    assert imports.tags() == {1: tags}


def test_of_a_repeated_id_the_last_record_counts_with_its_tags(imports: Imports) -> None:
    result = imports.load("id,title,tags\n1,first,a b c\n2,other,q\n1,last,b\n")
    assert imports.questions() == {1: ("last", None, None), 2: ("other", None, None)}
    assert imports.tags() == {1: ["b"], 2: ["q"]}
    assert (result.records, result.added) == (3, 2)


def test_tag_given_twice_is_stored_once(imports: Imports) -> None:
    imports.load("Id,Tag\n1,b\n2,x\n1,a\n1,b\n")
    assert imports.tags() == {1: ["b", "a"], 2: ["x"]}


def test_importing_the_same_file_again_writes_no_row(imports: Imports) -> None:
    text = "id,title,tags,label,created_at\n1,t,a b,l,2020-01-01\n2,,,,\n3,x,a,,2020-01-01T05:06:07.123Z\n"
    imports.load(text)
    before = imports.versions()
    result = imports.load(text)
    assert imports.versions() == before
    assert (result.added, result.updated, result.unchanged, result.tags_added, result.tags_removed) == (0, 0, 3, 0, 0)


def test_replace_removes_what_the_files_do_not_have(imports: Imports) -> None:
    imports.load("id,title,tags\n1,a,x\n2,b,y z\n3,c,x\n")
    result = imports.run(
        [imports.file("one.csv", "id,title,tags\n1,a,x\n"), imports.file("two.csv", "id,title,tags\n4,d,w\n")],
        replace=True,
        confirmed=True,
    )
    assert imports.questions().keys() == {1, 4}
    assert imports.tags() == {1: ["x"], 4: ["w"]}
    assert (result.added, result.unchanged, result.removed, result.tags_removed) == (1, 1, 2, 3)


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: data])
def test_compressed_file_and_standard_input(
    imports: Imports, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    data = pack(FORMATS["plain.csv"].encode())
    (imports.folder / "q.csv").write_bytes(data)
    imports.run([str(imports.folder / "q.csv")])
    arrived = imports.questions(), imports.tags()
    assert arrived == ({7: ("How?", "1", None), 8: ("Why?", "0", None)}, {7: ["python", "pandas"], 8: ["sql"]})
    imports.sql("TRUNCATE questions, tags")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    imports.run(["-"])
    assert (imports.questions(), imports.tags()) == arrived


def test_columns_named_by_the_user_and_rows_counted(imports: Imports) -> None:
    imports.run(
        [imports.file("odd.csv", "subject,topics\nHow?,a b\nWhy?,c\n")],
        columns=Columns(id="row-number", title="subject", tags="topics"),
    )
    assert imports.questions() == {1: ("How?", None, None), 2: ("Why?", None, None)}
    assert imports.tags() == {1: ["a", "b"], 2: ["c"]}


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.tuples(_TEXT, _TEXT), min_size=1, max_size=8))
def test_any_text_arrives_unchanged(imports: Imports, rows: dict[int, tuple[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "title", "label"])
    writer.writerows((number, title, label) for number, (title, label) in rows.items())
    result = imports.load(text.getvalue(), replace=True, confirmed=True, reading=Reading(null_words=()))
    assert not result.bad
    assert imports.questions() == {
        number: (title.strip() or None, label if label.strip() else None, None)
        for number, (title, label) in rows.items()
    }


@pytest.mark.parametrize("text", ["id,title,tags\n1,t,a b\n", "id,title\n1,t\n", "Id,Tag\n1,a\n"])
def test_tables_made_by_an_import_have_their_keys(imports: Imports, text: str) -> None:
    imports.load(text)
    keys = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND conname ~ '{}'"
    assert imports.rows(keys.format("^questions")) == [("questions_pkey", "PRIMARY KEY (id)")]
    assert imports.rows(keys.format("^tags")) == [("tags_pkey", 'PRIMARY KEY (question_id, "position")')]


def test_questions_and_then_their_tags_fill_new_tables(imports: Imports) -> None:
    questions = imports.file("questions.csv", "Id,CreationDate,ClosedDate\n2,,NA\n1,2020-01-01,NA\n")
    tags = imports.file("question_tags.csv", "Id,Tag\n1,b\n2,x\n1,a\n1,b\n")
    more = imports.file("more.csv", "id,title,tags\n3,t,c\n1,u,a\n")
    result = imports.run([questions, tags, more])
    assert imports.tags() == {1: ["a"], 2: ["x"], 3: ["c"]}
    assert imports.questions() == {1: ("u", None, "2020-01-01 00:00:00+00"), 2: (None,) * 3, 3: ("t", None, None)}
    assert (result.added, result.updated, result.tags_added, result.tags_removed) == (3, 1, 5, 2)
