"""How a table is written is seen or said: delimiters, headers, one column, and quotes that are text."""

from __future__ import annotations

import pytest

from tagdb.formats import ROW_NUMBER, Columns, Reading, Rows
from tests.formats.reading import bad, ids, read, recognised, refusal, tags_by_question

BY_NUMBER = Columns(id="1", title="2", tags="3")
NUMBERED = Columns(id=ROW_NUMBER)
STRAY = ["1|fine|c#", '2|"say hello|java', "3|B|sql", '4|yes"|php', "5|E|css"]


def table(delimiter: str, *rows: str, header: str = "id|title|tags") -> str:
    return "".join(row.replace("|", delimiter) + "\n" for row in (header, *rows))


def titles(rows: Rows) -> list[str | None]:
    return [title for _, _, title, _, _ in rows.questions]


def test_quotes_are_text_where_tabs_separate_and_one_of_them_is_stray() -> None:
    rows = read(table("\t", *STRAY))
    assert titles(rows) == ["fine", '"say hello', "B", 'yes"', "E"]
    assert tags_by_question(rows)[2] == ["java"]
    assert bad(rows) == []
    assert "its quotes are text" in recognised(table("\t", *STRAY)).description


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
@pytest.mark.parametrize("between", [1, 5, 400])
def test_no_line_is_lost_between_two_stray_quotes(delimiter: str, between: int) -> None:
    """A proper quote far ahead keeps the first lines from showing what the quotes are."""
    inner = [f"{number}|inner|c" for number in range(10, 10 + between)]
    rows = read(table(delimiter, '1|"a ""b"" c"|x', '2|"open|a', *inner, '3|closed"|b', "4|after|d"))
    taken = [1, *range(10, 10 + between), 3, 4]
    if delimiter == "\t":
        assert ids(rows) == [1, 2, *taken[1:]]
        assert titles(rows)[1] == '"open'
    else:
        assert ids(rows) == taken
        assert bad(rows) == [(3, "a quote that may be text")]
    assert titles(rows)[0] == 'a "b" c'
    assert rows.read == between + 4


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_texts_of_several_lines_stay_whole(delimiter: str) -> None:
    texts = [
        "two\nlines",
        f"a{delimiter}b\nc",
        f"data:\n5{delimiter}6\n7{delimiter}8{delimiter}9\nend",
        '""\n""',
        "\n\n",
    ]
    rows = "".join(f'{number}{delimiter}"{text}"{delimiter}x\n' for number, text in enumerate(texts))
    assert titles(read(table(delimiter) + rows)) == [text.replace('""', '"').strip() or None for text in texts]
    last = "".join(f'{number}{delimiter}x{delimiter}"{text}"\n' for number, text in enumerate(texts))
    read_last = read(table(delimiter, header="id|tags|title") + last)
    assert titles(read_last) == [text.replace('""', '"').strip() or None for text in texts]
    assert not read_last.bad


def test_where_nobody_can_tell_the_lines_are_one_bad_row() -> None:
    rows = read(table(",", "1|a|x", '2|"open|a', "not a record", '3|closed"|b', "4|after|d"))
    assert ids(rows) == [1, 4]
    assert bad(rows) == [(3, "a quote that may be text")]
    without_ids = read('title,tags\nopen,a\n"x,b\nB,c\nyes",d\nlast,e\n', columns=NUMBERED)
    assert titles(without_ids) == ["open", "last"]
    assert bad(without_ids) == [(3, "a quote that may be text")]
    assert titles(read('title,tags\n"one, two\nthree",d\n', columns=NUMBERED)) == ["one, two\nthree"]


def test_the_user_says_what_quotes_are() -> None:
    text = table(",", *STRAY)
    as_text = read(text, reading=Reading(quotes=False))
    assert titles(as_text) == ["fine", '"say hello', "B", 'yes"', "E"]
    enclosing = read(text, reading=Reading(quotes=True))
    assert titles(enclosing) == ["fine", "say hello,java\n3,B,sql\n4,yes", "E"]
    tabs = read(table("\t", '1|"a"|x', '2|"b|y', "3|c|z"), reading=Reading(quotes=True))
    assert ids(tabs) == [1, 3]
    assert bad(tabs) == [(3, "broken CSV")]


def test_between_tabs_a_broken_quote_is_text_only_where_the_next_line_is_a_record() -> None:
    proper = '1|"a ""b"""|x'
    assert titles(read(table("\t", proper, '2|"b" c|y', "3|c|z"))) == ['a "b"', '"b" c', "c"]
    assert bad(read(table("\t", proper, '2|"b" c|y', "goes on", "3|c|z"))) == [
        (3, "broken CSV"),
        (4, "wrong number of columns"),
    ]
    damaged = table("\t", *[proper] * 9).encode() + b'2\t"b" \xff\ty\n3\t"b" \0\ty\n4\tc\tz\n'
    assert bad(read(damaged)) == [(11, "invalid UTF-8"), (12, "NUL byte")]


def test_a_file_of_one_column_is_not_cut() -> None:
    for name in ("title", '"title"'):
        rows = read(f"{name}\nWhat is a, b?\nHow; do\tI | c?\n\n", columns=NUMBERED)
        assert titles(rows) == ["What is a, b?", "How; do\tI | c?"]
        assert "CSV of one column" in recognised(f"{name}\nWhat is a, b?\n", columns=NUMBERED).description
    quoted = read('title\n"What is a, b?"\n"two\nlines"\n"a ""b"""\n', columns=NUMBERED)
    assert titles(quoted) == ["What is a, b?", "two\nlines", 'a "b"']
    lines = read('title\nWhat is a, b?\n"C" or C++\n"open, but\nnot closed"\n', columns=NUMBERED)
    assert titles(lines) == ["What is a, b?", '"C" or C++', '"open, but', 'not closed"']
    assert not quoted.bad + lines.bad


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_without_a_header_columns_have_numbers(delimiter: str) -> None:
    rows = ["1~How to sort, then?~python list", "2~How to join~sql", "3~A~c"]
    if delimiter == ",":
        rows[0] = rows[0].replace(", then", "")
    text = "\n".join(rows).replace("~", delimiter)
    reading = Reading(header=False)
    found = read(text, columns=BY_NUMBER, reading=reading)
    assert ids(found) == [1, 2, 3]
    assert tags_by_question(found) == {1: ["python", "list"], 2: ["sql"], 3: ["c"]}
    assert (
        "id from '1', title from '2', tags from '3'" in recognised(text, columns=BY_NUMBER, reading=reading).description
    )
    assert "has no column '4'" in refusal(text, columns=Columns(id="4"), reading=reading)
    numbered = read(text, columns=Columns(id=ROW_NUMBER, title="2"), reading=reading)
    assert ids(numbered) == [1, 2, 3]
    assert "--no-header --id-column 1" in refusal(text)


def test_without_a_header_a_file_may_be_one_column() -> None:
    rows = read("What is a?\nb, c\n", columns=Columns(id=ROW_NUMBER, title="1"), reading=Reading(header=False))
    assert titles(rows) == ["What is a?", "b, c"]


def test_texts_without_a_header_are_not_cut_at_the_commas_of_some() -> None:
    columns = Columns(id=ROW_NUMBER, title="1")
    rows = read("Foo, bar\nBaz; x\n", reading=Reading(header=False), columns=columns)
    assert [title for _, _, title, *_ in rows.questions] == ["Foo, bar", "Baz; x"]


@pytest.mark.parametrize(("name", "delimiter"), [("^", "^"), ("\\t", "\t"), ("¦", "¦"), (" ", " "), (":", ":")])
def test_any_character_may_be_the_delimiter(name: str, delimiter: str) -> None:
    text = table(delimiter, "1|a,b|c#", f'2|"x{delimiter}y"|sql')
    rows = read(text, reading=Reading(delimiter=name))
    assert titles(rows) == ["a,b", f"x{delimiter}y"]
    assert recognised(text, reading=Reading(delimiter=name)).provides == {"question", "title", "tags"}


@pytest.mark.parametrize("name", ["", ",,", '"', "\n", "\0"])
def test_a_delimiter_is_one_character(name: str) -> None:
    assert "--delimiter" in refusal("id,tags\n1,a\n", reading=Reading(delimiter=name))


def test_pipes_separate_columns_too() -> None:
    assert tags_by_question(read("id|title|tags\n1|A, B|c# .net\n")) == {1: ["c#", ".net"]}


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_excels_own_line_is_none_of_the_table(line: str, end: str) -> None:
    rows = read(f"\ufeff{line}{end}id;title;tags{end}1;A, B;python{end}x;C;d{end}")
    assert titles(rows) == ["A, B"]
    assert bad(rows) == [(4, "bad id")]


def test_a_header_may_have_lines_before_and_within() -> None:
    rows = read('\n\n"i\nd",id,tags\n,1,a\n,x,b\n', columns=Columns(id="id"))
    assert ids(rows) == [1]
    assert bad(rows) == [(6, "bad id")]
