"""Tables: every known shape is recognised by its header, and says what it carries and where."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb.formats import FORMATS, ROW_NUMBER, Columns, Reading
from tagdb.formats.rows import TAG_SEPARATOR
from tests.formats.reading import bad, ids, read, recognised, refusal, tags_by_question

ALL = {"question", "title", "label", "tags", "created_at"}


@pytest.mark.parametrize(
    ("header", "name", "provides"),
    [
        (",tags,label", "tagdataset", {"question", "tags", "label"}),
        ("Unnamed: 0,tags,label", "tagdataset", {"question", "tags", "label"}),
        ("id,title,tags,label,created_at", "csv", ALL),
        ("TAGS;Creation_Date;question_id", "csv", {"question", "tags", "created_at"}),
        ("Label\tTitle\tPost ID", "tsv", {"question", "title", "label"}),
        ("Id,Tag", "stacklite", {"tags"}),
        ("Id,CreationDate,ClosedDate,DeletionDate,Score", "stacklite", {"question", "created_at"}),
        (
            "Id,OwnerUserId,CreationDate,ClosedDate,Score,Title,Body",
            "stacklite",
            {"question", "title", "created_at"},
        ),
        ("Id,PostTypeId,CreationDate,Score,Tags", "sede", {"question", "tags", "created_at"}),
        ("Title,Body,Tags,Id,Score", "sede", {"question", "title", "tags"}),
        ("Id,PostTypeId,ParentId,Title", "sede", {"question", "title"}),
        ("id,tag,label", "csv", {"question", "tags", "label"}),
    ],
)
def test_a_shape_is_recognised_by_its_header(header: str, name: str, provides: set[str]) -> None:
    found = recognised(f"{header}\r\n")
    assert found.format == name
    assert found.provides == provides
    assert recognised(f"\ufeff{header}\n") == found
    assert recognised(f"{header}\n", format=name) == found


def test_the_description_says_which_column_is_what() -> None:
    assert recognised(",tags,label\n0,python pandas,1\n").description == (
        "standard input: CSV, id from the unnamed first column, "
        "tags from 'tags' separated by blanks, label from 'label'"
    )
    assert recognised("Id;PostTypeId;Tags\n1;2;\n2;1;<a><b>\n").description == (
        "standard input: Data Explorer export separated by semicolons, id from 'Id', "
        "tags from 'Tags' written <a><b>, questions by 'PostTypeId'"
    )
    assert recognised("Id,Tag\n1,a\n").description == (
        "standard input: StackLite CSV, id from 'Id', one tag a row from 'Tag'"
    )
    assert recognised("title\ttags\n", columns=Columns(id=ROW_NUMBER)).description == (
        "standard input: TSV, ids by row number, title from 'title', tags from 'tags'"
    )


def test_values_are_taken_as_they_are_or_not_at_all() -> None:
    rows = read("tags,label,Title,Id\na,0, &lt;b&gt; ,1\n,,,2.0\nb, x ,T,3\n")
    assert [(q, title, label) for q, _, title, label, _ in rows.questions] == [
        (1, "&lt;b&gt;", "0"),
        (2, None, None),
        (3, "T", " x "),
    ]
    assert tags_by_question(rows) == {1: ["a"], 3: ["b"]}


def test_of_a_data_explorer_export_only_questions_are_taken() -> None:
    rows = read('Id,PostTypeId,Tags\n"1","1","<c#><.net>"\n"2","2",""\n"3","5","<a>"\n"4","","<a>"\n"5","1",""\n')
    assert ids(rows) == [1, 5]
    assert rows.skipped == {"answer": 1, "other post type": 2}
    assert tags_by_question(rows) == {1: ["c#", ".net"]}


def test_a_tags_file_numbers_its_tags_through_the_whole_file() -> None:
    rows = read("Id,Tag\n4,data\n4,c#\n6,html\n4,late\n7,\n7,a b\n,x\n4,data\n", batch_records=2)
    assert rows.questions == []
    assert bad(rows) == [(6, "no tag"), (7, "not a tag list"), (8, "no id")]
    assert [place for _, place, _ in rows.tags] == sorted({place for _, place, _ in rows.tags})
    assert tags_by_question(rows) == {4: ["data", "c#", "late", "data"], 6: ["html"]}


def test_row_numbers_are_ids_that_a_bad_row_does_not_shift() -> None:
    rows = read("title\ttags\nfirst\t['a']\nsecond\t['b'\n\nthird\t[\"c++\"]\n", columns=Columns(id=ROW_NUMBER))
    assert [(q, title) for q, _, title, _, _ in rows.questions] == [(1, "first"), (3, "third")]
    assert bad(rows) == [(3, "not a tag list")]


def test_chosen_columns_beat_those_recognised() -> None:
    table = "id,title,tags,label,Date,key,Words,class,when\n1,T,a,L,2020-01-01,10,b c,C,2021-01-01\n"
    rows = read(table, columns=Columns(id="KEY", title="label", tags="Words", label="class", created_at="when"))
    assert rows.questions == [(10, 0, "L", "C", "2021-01-01T00:00:00+00:00")]
    assert tags_by_question(rows) == {10: ["b", "c"]}
    without = recognised(table, columns=Columns(title="none", label="none", created_at="none"))
    assert without.provides == {"question", "tags"}


def test_a_chosen_column_that_is_missing_is_refused_with_those_there_are() -> None:
    for columns in (Columns(tags="words"), Columns(id="none"), Columns(title=ROW_NUMBER)):
        message = refusal(",tags,label\n", columns=columns)
        assert "has no column" in message
        assert "its columns are (unnamed), tags, label" in message


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("title\ttags\nt\ta\n", "--id-column row-number"),
        ("TagName,Count\njava,1\n", "its columns are TagName, Count"),
        ("id,views\n1,2\n", "--tags-column"),
        ("Id,OwnerUserId,CreationDate,ParentId,Score,Body\n", "answers"),
        ("title,tags,label,\na,b,c,4\n", "--id-column row-number"),
        ("1,class,python\n2,c,java\n", "header of known columns, but with: 1, class, python"),
        ("54432,python pandas,1\n54433,java,0\n", "54432, python pandas, 1"),
        ("How do I sort?,<python>\n", "How do I sort?, <python>"),
        ('"never closed\n' * 2, "does not begin with a line of CSV"),
        ('"never closed\n' * 2, "--delimiter"),
        ("id^title^tags\n1^a^b\n", "--delimiter"),
        ("+----+-------+\n| id | title |\n", "but with: +----+"),
        ("--\n-- a comment\n--\n", "but with: --"),
    ],
)
def test_tables_of_unknown_shape_are_refused_with_what_they_hold(table: str, said: str) -> None:
    assert said in refusal(table)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("id,title", "tagdataset"),
        ("Id,Tag", "sede"),
        ("id,tags", "stacklite"),
        ("id\ttags", "csv"),
        ("id,tags", "tsv"),
    ],
)
def test_a_forced_format_is_not_stretched(header: str, name: str) -> None:
    assert refusal(header + "\n", format=name)


def test_an_unknown_format_lists_those_known() -> None:
    message = refusal("id,tags\n", format="excel")
    assert all(name in message for name in FORMATS)


nasty = st.text(
    st.one_of(st.sampled_from("\",;\t\r\n'<>|&\u2028\x85\ufeff"), st.characters(exclude_categories=["Cs"])),
    max_size=20,
).filter(lambda text: "\0" not in text)
tag_names = st.sampled_from(["c#", "c++", ".net", "node.js", "asp.net-mvc", "python-3.x", "한국어"])
STYLES = {
    "blanks": " ".join,
    "commas": ",".join,
    "pipes": lambda tags: "|" + "|".join(tags) + "|" if tags else "",
    "angles": lambda tags: "".join(f"<{tag}>" for tag in tags),
    "list": repr,
}


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@given(
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), nasty, nasty, st.lists(tag_names, unique=True)),
        max_size=6,
    ),
    st.sampled_from(sorted(STYLES)),
    st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\n", csv.QUOTE_ALL)]),
)
def test_what_python_writes_as_csv_reads_back(
    delimiter: str,
    table: list[tuple[int, str, str, list[str]]],
    style: str,
    dialect: tuple[str, int],
) -> None:
    text = io.StringIO(newline="")
    line_end, quoting = dialect
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["Label", "question_id", "Title", "Tags"])
    for number, title, label, tags in table:
        writer.writerow([label, number, title, STYLES[style](tags)])
    rows = read(text.getvalue(), reading=Reading(null_words=()))
    assert not rows.bad
    assert [(q, title, label) for q, _, title, label, _ in rows.questions] == [
        (number, title.strip() or None, label if label.strip() else None) for number, title, label, _ in table
    ]
    assert [place for _, place, *_ in rows.questions] == list(range(len(table)))
    assert rows.tag_lists == [TAG_SEPARATOR.join(tags) for *_, tags in table]
    assert rows.tags == []
