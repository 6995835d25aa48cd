"""Posts.xml: questions are taken, other posts counted, and damage stays within its own row."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb.errors import InputRefused
from tagdb.formats import open_source, postsxml, recognise
from tests.formats.reading import bad, ids, read, recognised, refusal, tags_by_question

START = '\ufeff<?xml version="1.0" encoding="utf-8"?>\n<posts>\n'
END = "</posts>\n"


def row(number: int, *, post_type: int = 1, title: str = "A title", tags: str = "<c#><.net>", **more: str) -> str:
    """One post as the dump writes it; the tags are left out for None and for posts that are no questions."""
    attributes = {"Id": str(number), "PostTypeId": str(post_type), "CreationDate": "2014-01-21T20:26:05.383"}
    attributes |= {"Body": "<p>a > b</p>\n", **more}
    if post_type == 1:
        attributes |= {"Title": title, "Tags": tags}
    written = " ".join(f"{name}={quoteattr(value, {chr(10): '&#xA;'})}" for name, value in attributes.items())
    return f"  <row {written} />\n"


def test_questions_are_taken_and_other_posts_counted() -> None:
    posts = row(1) + row(2, post_type=2) + row(3, tags="|a|b|") + row(4, post_type=2) + row(5, post_type=5)
    rows = read(START + posts + END)
    assert rows.questions[0][2:] == ("A title", None, "2014-01-21T20:26:05.383000+00:00")
    assert tags_by_question(rows) == {1: ["c#", ".net"], 3: ["a", "b"]}
    assert rows.skipped == {"answer": 2, "other post type": 1}
    assert (rows.read, rows.bad) == (5, [])


def test_what_the_file_is_and_carries() -> None:
    found = recognised(gzip.compress((START + row(1) + END).encode()))
    assert (found.format, found.compressed) == ("posts-xml", True)
    assert found.provides == {"question", "title", "tags", "created_at"}
    assert found.description == (
        "standard input: data dump's Posts.xml, gzip, id, title, tags and created_at of its questions (PostTypeId 1)"
    )


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=30),
            st.lists(st.sampled_from(["c#", "c++", ".net", "node.js", "asp.net-mvc"]), unique=True),
        )
    ),
    st.integers(1, 50),
)
def test_titles_and_tags_come_back_wherever_chunks_end(questions: list[tuple[str, list[str]]], chunk_size: int) -> None:
    posts = [
        row(number, title=title, tags="".join(f"<{tag}>" for tag in tags))
        for number, (title, tags) in enumerate(questions)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postsxml, "_CHUNK_SIZE", chunk_size)
        rows = read(START + "".join(posts) + END)
    assert [title for _, _, title, _, _ in rows.questions] == [title.strip() or None for title, _ in questions]
    assert tags_by_question(rows) == {number: tags for number, (_, tags) in enumerate(questions) if tags}
    assert not rows.bad


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b'  <row Id="9" PostTypeId="1" Title="no end\n', "broken XML"),
        (b'  <row Id="9" PostTypeId="1" Title="raw < sign" />\n', "broken XML"),
        (b'  <row Id="9" PostTypeId="1" Title="raw & sign" />\n', "broken XML"),
        (b'  <row Id="9" Id="9" PostTypeId="1" />\n', "broken XML"),
        (b'  <row Id="9" PostTypeId="1" Title="&undefined;" />\n', "broken XML"),
        (b'  <row Id="9" PostTypeId="1" Title="&#x1F;" />\n', "broken XML"),
        (b'  <row Id="9" PostTypeId="1" Title="\0" />\n', "NUL byte"),
        (b'  <row Id="9" PostTypeId="1" Title="\xe9" />\n', "invalid UTF-8"),
        (b'  <row PostTypeId="1" Title="t" Tags="" />\n', "no id"),
        (b'  <row Id="nine" PostTypeId="1" />\n', "bad id"),
        (b'  <row Id="9" PostTypeId="1" Tags="&lt;a&gt;&lt;b" />\n', "not a tag list"),
    ],
)
def test_a_damaged_row_is_named_and_its_neighbours_are_taken(damaged: bytes, reason: str) -> None:
    rows = read((START + row(1)).encode() + damaged + (row(2) + row(3) + END).encode())
    assert bad(rows) == [(4, reason)]
    assert rows.bad[0].excerpt.startswith("<row ")
    assert ids(rows) == [1, 2, 3]


def test_rows_may_span_lines_share_lines_and_have_end_tags() -> None:
    first_two = '<row\n Id="1"\n PostTypeId="1"\n/><row Id="2" PostTypeId="1"></row>\n'
    third = '<row\tId="3" PostTypeId="1"\n>\n</row>\n'
    rows = read(f'{START}{first_two}{third}<row Id="x" PostTypeId="1"/>{END}')
    assert ids(rows) == [1, 2, 3]
    assert bad(rows) == [(10, "bad id")]


def test_words_in_a_dump_are_what_they_say_and_dates_that_are_none_are_counted() -> None:
    odd = '<row Id="9" PostTypeId="1" Title="NULL" Tags="|null|nan|" CreationDate="once" />\n'
    rows = read(START + odd + row(2, title="What is &amp;quot;?") + END)
    assert [title for _, _, title, _, _ in rows.questions] == ["NULL", "What is &amp;quot;?"]
    assert tags_by_question(rows)[9] == ["null", "nan"]
    assert (rows.missing, rows.unread, rows.bad) == ({}, {"created_at": 1}, [])


def test_only_rows_are_rows() -> None:
    others = '<rows Id="7" PostTypeId="1" /><!-- <row Id="8" PostTypeId="1" /> --><!---->\n'
    rows = read(START + row(1) + others + row(2) + END)
    assert ids(rows) == [1, 2]
    assert rows.read == 2


def test_a_question_without_tags_or_title_is_a_question() -> None:
    rows = read(f'{START}<row Id="1" PostTypeId="1" />{END}')
    assert [question[:1] + question[2:] for question in rows.questions] == [(1, None, None, None)]
    assert (rows.tags, rows.bad) == ([], [])


@pytest.mark.parametrize("cut", [1, 8, 9, 10, 11, 12, 60, 100])
def test_of_a_truncated_file_what_is_whole_goes_in(cut: int) -> None:
    whole = START + row(1) + row(2) + END
    rows = read(whole[:-cut])
    assert ids(rows) == ([1, 2] if cut <= len(END) + 1 else [1])
    assert bad(rows) == ([] if cut == 1 else [(4 if cut >= len(END) else 5, "file cut short")])


def test_a_truncated_gzip_of_posts_says_so() -> None:
    whole = START + "".join(row(number, title=f"title {number * 7919}") for number in range(3000)) + END
    rows = read(gzip.compress(whole.encode())[:-500])
    assert bad(rows) == [(len(rows.questions) + 3, "file cut short")]
    assert ids(rows) == list(range(len(rows.questions)))
    assert len(rows.questions) > 2000


@pytest.mark.parametrize("empty", ["<posts></posts>", "<posts />", "<posts/>\n"])
def test_a_file_without_posts_is_whole(empty: str) -> None:
    assert read(f'<?xml version="1.0"?>{empty}').read == 0


def test_entities_are_never_expanded_and_files_never_fetched() -> None:
    bomb = '<!ENTITY a "lol"><!ENTITY b "' + "&a;" * 1000 + '"><!ENTITY c SYSTEM "file:///etc/passwd">'
    rows = read(
        f'<?xml version="1.0"?><!DOCTYPE posts [{bomb}]>\n<posts>\n'
        f'<row Id="1" PostTypeId="1" Title="&b;" />\n<row Id="2" PostTypeId="1" Title="&c;" />\n{row(3)}{END}'
    )
    assert bad(rows) == [(3, "broken XML"), (4, "broken XML")]
    assert ids(rows) == [3]


def test_a_row_without_end_is_bounded_and_the_next_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postsxml, "RECORD_LIMIT", 10_000)
    monkeypatch.setattr(postsxml, "_CHUNK_SIZE", 997)  # so that the runaway is cut at every letter of it
    runaway = '<row Id="2" PostTypeId="1" Title="' + "row \n" * 50_000 + '" />\n'
    posts = (START + row(1) + runaway + row(3) + '<row Id="x" PostTypeId="1" />\n' + END).encode()
    tracemalloc.start()
    try:
        rows = read(posts)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(runaway)  # of which BytesIO may copy one
    finally:
        tracemalloc.stop()
    assert bad(rows) == [(4, "record over 16 MiB"), (50_006, "bad id")]
    assert ids(rows) == [1, 3]


def test_memory_does_not_grow_with_the_file() -> None:
    def peak(posts: int) -> int:
        content = gzip.compress((START + row(1, Body="x" * 2000) * posts + END).encode())
        tracemalloc.start()
        try:
            assert read_count(content) == posts
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(4000) < 1.2 * peak(1000)


def read_count(content: bytes) -> int:
    """How many records a file has, with batches of ten."""
    with open_source("-", stdin=io.BytesIO(content)) as source:
        return sum(rows.read for rows in recognise(source, batch_records=10))


def test_what_is_not_posts_is_refused() -> None:
    assert "XML of <feed>" in refusal('<?xml version="1.0"?>\n<feed>\n<row Id="1" /></feed>')
    assert "encoded in windows-1252" in refusal('<?xml version="1.0" encoding="windows-1252"?><posts></posts>')
    assert "not XML" in refusal("id,tags\n1,a\n", format="posts-xml")
    assert "Posts.xml, not csv" in refusal(START + END, format="csv")


def test_strict_names_the_row() -> None:
    with pytest.raises(InputRefused, match='line 4: bad id: <row Id="x" PostTypeId="1" />'):
        read(START + row(1) + '<row Id="x" PostTypeId="1" />\n' + END, strict=True)
