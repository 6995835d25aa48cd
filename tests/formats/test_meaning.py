"""Words for "missing", dates and entities mean what a file shows; no optional column makes a row bad."""

from __future__ import annotations

import pytest

from tagdb.formats import ROW_NUMBER, Columns, Notes, Reading, Reason, Rows, advice
from tests.formats.reading import bad, ids, read, recognised, tags_by_question

WORDS = ["NA", "N/A", "NULL", "null", "nan", "NaN", "None", r"\N", "<NA>", "#N/A", "-", "?"]


def labels(rows: Rows) -> list[str | None]:
    return [label for _, _, _, label, _ in rows.questions]


def titles(rows: Rows) -> list[str | None]:
    return [title for _, _, title, _, _ in rows.questions]


def times(rows: Rows) -> list[str | None]:
    return [time for *_, time in rows.questions]


def noted(rows: Rows) -> list[str]:
    notes = Notes()
    notes.add(rows)
    return notes.lines()


@pytest.mark.parametrize("word", WORDS)
def test_a_word_for_missing_is_no_label_no_date_and_no_list_of_tags(word: str) -> None:
    rows = read(f"id,title,tags,label,created_at\n1,A,a,web,2020-01-01\n2,B,b, {word} ,{word}\n3,C,c,web {word},\n")
    assert labels(rows) == ["web", None, f"web {word}"]
    assert times(rows) == ["2020-01-01T00:00:00+00:00", None, None]
    assert rows.missing == {"label": {word: 1}, "created_at": {word: 1}}
    assert (rows.bad, rows.unread) == ([], {})


def test_words_for_missing_are_reported_with_the_empty_labels() -> None:
    rows = read("id,title,label\n1,A,NA\n2,B,NULL\n3,C,nan\n4,D,None\n5,E,\n6,F,web\n")
    assert noted(rows) == [
        "label: 4 words for missing (NA, NULL, nan, None), 1 empty; --null-words names others, or none"
    ]
    assert noted(read("id,title,label\n1,A,\n2,B, \n")) == ["label: 2 empty"]
    assert noted(read("id,title\n1,A\n")) == []


def test_the_user_says_which_words_are_missing() -> None:
    table = "id,title,label\n1,A,NA\n2,B,none\n3,C,\n"
    assert labels(read(table, reading=Reading(null_words=()))) == ["NA", "none", None]
    assert labels(read(table, reading=Reading(null_words=("none", "n.a.")))) == ["NA", None, None]
    assert labels(read(table)) == [None, "none", None]


def test_tags_that_are_called_like_words_for_missing_stay_tags() -> None:
    rows = read("id,title,tags\n1,A,null\n2,B,nan\n3,C,none null na\n4,D,<null>\n5,E,NULL\n6,F,N/A\n7,G,\\N\n8,H,?\n")
    assert tags_by_question(rows) == {1: ["null"], 2: ["nan"], 3: ["none", "null", "na"], 4: ["null"]}
    assert rows.missing == {"tags": {"NULL": 1, "N/A": 1, "\\N": 1, "?": 1}}
    assert not rows.bad
    one_a_row = read("Id,Tag\n1,null\n2,nan\n2,NA\n")
    assert tags_by_question(one_a_row) == {1: ["null"], 2: ["nan"]}
    assert bad(one_a_row) == [(4, "no tag")]
    own = read("id,tags\n1,none\n2,None\n", reading=Reading(null_words=("none", "None")))
    assert tags_by_question(own) == {1: ["none"]}


def test_a_title_is_missing_where_a_program_says_so() -> None:
    rows = read("id,title\n1,NULL\n2,NaN\n3,?\n4,none\n5,What is NULL\n")
    assert titles(rows) == [None, None, "?", "none", "What is NULL"]
    assert rows.missing == {"title": {"NULL": 1, "NaN": 1}}


def test_dates_that_cannot_be_read_are_left_out_and_counted() -> None:
    rows = read("id,title,date\n1,A,2020-01-01\n2,B,soon\n3,C,03/04/2009\n4,D,\n5,E,2020-13-01\n6,F,x\n")
    assert ids(rows) == [1, 2, 3, 4, 5, 6]
    assert times(rows) == ["2020-01-01T00:00:00+00:00", *[None] * 5]
    assert (rows.unread, rows.bad, rows.missing) == ({"created_at": 4}, [], {})
    [line] = noted(rows)
    assert "created_at: 4 not read and left empty, as 'soon' in line 3, '03/04/2009' in line 4" in line
    assert "--created-column none" in line
    assert read("id,title,date\n1,A,soon\n", strict=True).unread == {"created_at": 1}


def test_a_column_without_one_readable_date_leaves_the_stored_times_alone() -> None:
    assert recognised("id,title,date\n1,A,soon\n2,B,later\n").provides == {"question", "title"}
    assert recognised("id,title,date\n1,A,NA\n2,B,\n").provides == {"question", "title", "created_at"}
    assert recognised("id,title,date\n1,A,soon\n2,B,2020-01-01\n").provides == {"question", "title", "created_at"}


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["03/04/2009", "17/04/2009"], ["2009-04-03", "2009-04-17"]),
        (["03/04/2009", "04/17/2009"], ["2009-03-04", "2009-04-17"]),
        (["03/04/2009", "17/04/2009", "04/17/2009"], [None, "2009-04-17", "2009-04-17"]),
        (["03/04/2009", "05/06/2009"], [None, None]),
    ],
)
def test_the_order_of_day_and_month_is_what_the_file_makes_certain(dates: list[str], expected: list[str]) -> None:
    table = "id,title,date\n" + "".join(f"{number},T,{date}\n" for number, date in enumerate(dates))
    assert [time and time[:10] for time in times(read(table))] == expected


def test_the_user_may_say_it() -> None:
    table = "id,title,date\n1,A,03/04/2009\n"
    assert times(read(table, reading=Reading(day_first=True))) == ["2009-04-03T00:00:00+00:00"]
    assert times(read(table, reading=Reading(day_first=False))) == ["2009-03-04T00:00:00+00:00"]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("id,title,tags\n1,Quote &quot;this&quot; &amp; that,&lt;c#&gt;&lt;.net&gt;\n", ['Quote "this" & that']),
        ("id,title,tags\n1,A &lt; B,&lt;c#&gt;\n", ["A < B"]),
        ("id,title\n1,it&#39;s\n2,x &lt; y\n3,R &amp; D\n", ["it's", "x < y", "R & D"]),
        ("id,title\n1,What is &quot; in HTML?\n2,a < b\n", ["What is &quot; in HTML?", "a < b"]),
        ("id,title\n1,What is &quot;?\n2,R & D\n", ["What is &quot;?", "R & D"]),
        ("id,title\n1,Why &nbsp; and &lt;b&gt;?\n", ["Why &nbsp; and &lt;b&gt;?"]),
        ('id,title\n1,What is &quot;?\n2,"A ""word"""\n', ["What is &quot;?", 'A "word"']),
    ],
)
def test_titles_are_html_where_the_file_shows_it(table: str, expected: list[str]) -> None:
    assert titles(read(table)) == expected


def test_the_description_says_when_titles_are_html_and_the_user_decides() -> None:
    table = "id,title\n1,it&#39;s\n"
    assert "title from 'title' without the entities of HTML" in recognised(table).description
    as_it_is = Reading(html=False)
    assert "HTML" not in recognised(table, reading=as_it_is).description
    assert titles(read(table, reading=as_it_is)) == ["it&#39;s"]
    assert titles(read("id,title\n1,&nbsp;a&lt;b\n2,a < b\n", reading=Reading(html=True))) == ["a<b", "a < b"]


def test_tags_with_blanks_are_taken_where_their_separator_is_named() -> None:
    table = "id,tags\n1,machine learning; data  science\n2,machine learning\n3,<c#><.net>\n"
    auto = read(table)
    assert bad(auto) == [(2, "not a tag list")]
    assert "--tags-separator" in advice([Reason.NOT_A_TAG_LIST])[0]
    named = read(table, reading=Reading(tags_separator=";"))
    assert tags_by_question(named) == {
        1: ["machine learning", "data science"],
        2: ["machine learning"],
        3: ["c#", ".net"],
    }
    rows = read("Id,Tag\n1,machine learning\n1,a;b\n", reading=Reading(tags_separator=";"))
    assert tags_by_question(rows) == {1: ["machine learning"]}
    assert bad(rows) == [(3, "not a tag list")]


def test_copy_text_is_undone() -> None:
    table = 'id\ttitle\ttags\n1\tpath C:\\\\new\\tx\tc#\n2\t\\N\t\\N\n3\t"open\tsql\n'
    rows = read(table)
    assert titles(rows) == ["path C:\\new\tx", None, '"open']
    assert tags_by_question(rows) == {1: ["c#"], 3: ["sql"]}
    assert "escaped as by COPY" in recognised(table).description
    assert titles(read("id\ttitle\n1\tprint \\n in C\n")) == ["print \\n in C"]


def test_row_numbers_and_missing_words_go_together() -> None:
    rows = read("title,tags\nA,NA\nB,x\n", columns=Columns(id=ROW_NUMBER))
    assert ids(rows) == [1, 2]
    assert tags_by_question(rows) == {2: ["x"]}
