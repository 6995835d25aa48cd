"""Tags in one field: every style reads back what it was written from, and other fields are refused."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb.formats.rows import Reason, Unfit
from tagdb.formats.taglists import MAX_TAG_LENGTH, MAX_TAGS, TagStyle, single_tag, style_of, tag_list, tags_between

REAL = [
    "c#",
    "c++",
    ".net",
    "node.js",
    "asp.net-mvc",
    "f#",
    "g++-4.7",
    "google-maps-api-3",
    "한국어",
    "l'été",
]
WRITERS: dict[TagStyle, Callable[[list[str]], str]] = {
    TagStyle.BLANKS: " ".join,
    TagStyle.COMMAS: ",".join,
    TagStyle.PIPES: lambda tags: f"|{'|'.join(tags)}|",
    TagStyle.ANGLES: lambda tags: "".join(f"<{tag}>" for tag in tags),
    TagStyle.LIST: repr,
    TagStyle.SEMICOLONS: "; ".join,
    TagStyle.BRACES: lambda tags: f"{{{','.join(tags)}}}",
}
tag_names = st.one_of(
    st.sampled_from(REAL),
    st.text(st.characters(categories=["L", "N"], include_characters="+#.-'"), min_size=1, max_size=30).filter(
        lambda tag: not tag.startswith("'") and tag != "NULL"
    ),
)


@pytest.mark.parametrize("style", TagStyle)
@given(tags=st.lists(tag_names, min_size=1, max_size=8, unique=True))
def test_what_a_style_writes_reads_back_in_order(style: TagStyle, tags: list[str]) -> None:
    assert tag_list(WRITERS[style](tags)) == tags


@pytest.mark.parametrize("style", TagStyle)
def test_a_written_list_is_recognised_for_its_style(style: TagStyle) -> None:
    assert style_of(WRITERS[style](["c#", ".net"])) is style


@given(st.lists(tag_names, min_size=1, max_size=8, unique=True))
def test_json_reads_like_a_python_list(tags: list[str]) -> None:
    assert tag_list(json.dumps(tags, ensure_ascii=False)) == tags


@pytest.mark.parametrize(
    ("field", "tags"),
    [
        ("", []),
        (" \t\n", []),
        ("[]", []),
        ("python", ["python"]),
        ("<python>", ["python"]),
        ("  java   c# ", ["java", "c#"]),
        ("a|b", ["a", "b"]),
        ("a, b , c", ["a", "b", "c"]),
        ("a,b,", ["a", "b"]),
        ("[ 'a' , \"b\", ]", ["a", "b"]),
        ("b a b a", ["b", "a"]),
        ("<b><a><b>", ["b", "a"]),
        ("python;list;reverse", ["python", "list", "reverse"]),
        ("python ; list;", ["python", "list"]),
        (";;", []),
        ("&lt;c#&gt;&lt;.net&gt;", ["c#", ".net"]),
        ("&#60;c#&#x3e;", ["c#"]),
        ("&amp;lt;c#&amp;gt;", ["c#"]),
        ("r&amp;d, c#", ["r&d", "c#"]),
        ("{}", []),
        ("{c#,.net}", ["c#", ".net"]),
        ('{"machine learning", NULL,"NULL",null}', ["machine learning", "NULL", "null"]),
        ("{'python', 'list'}", ["python", "list"]),
        ("('python', 'list')", ["python", "list"]),
        ("('python',)", ["python"]),
        ("['machine learning', \"it's\"]", ["machine learning", "it's"]),
        ('["machine\\n  learning"]', ["machine learning"]),
        ("['python' \"it's\"\n 'machine learning']", ["python", "it's", "machine learning"]),
        ("[python, c#, .net, c++]", ["python", "c#", ".net", "c++"]),
        ("[machine learning, NULL, 'NULL', ' nlp']", ["machine learning", "NULL", "nlp"]),
        ("[python]", ["python"]),
        ('["\\ud55c", "b"]', ["\ud55c", "b"]),
        ('"machine learning","nlp"', ["machine learning", "nlp"]),
        ('"a";b', ["a", "b"]),
        ("'a', 'b'", ["a", "b"]),
        ("std::chrono::duration", ["std::chrono::duration"]),
        ("http://a/b", ["http://a/b"]),
        ("tcp/ip lang:python", ["tcp/ip", "lang:python"]),
        ("'machine learning' \"it's\"", ["machine learning", "it's"]),
        ("it's o'reilly", ["it's", "o'reilly"]),
        ("c++ c# c++11 c#-4.0 notepad++", ["c++", "c#", "c++11", "c#-4.0", "notepad++"]),
        ("- c -", ["-", "c"]),
        ("()", []),
        ("set()", []),
        ("[" + " " * 300_000 + "]", []),
    ],
)
def test_each_way_to_write_tags_is_read(field: str, tags: list[str]) -> None:
    assert tag_list(field) == tags


@pytest.mark.parametrize(
    "field",
    [
        '{"a":1}',
        "<a><b",
        "<a>b>",
        "<a><>",
        "<a> <b>",
        "a><b>",
        "<a b>",
        "['a', 3",
        "['a', 3]",
        "['a''b']",
        "['a\\ud800']",
        "['a'; 'b']",
        "[1, 2]",
        "[a, None]",
        "[a, nan]",
        "[a b",
        "['a' 'b', 'c']",
        "['a' b]",
        "[",
        "['a', ['b']]",
        "a b,c",
        "machine learning;data science",
        "machine learning | nlp",
        "a;b,c",
        "a|b;c",
        "python/list/reverse",
        "python:list:reverse",
        "python&list&reverse",
        "python、list、reverse",
        "&lt;c#&gt;&lt;.net",
        "{a b,c}",
        "{a,{b}}",
        "{a,b",
        "{'a': 1}",
        "('a', b)",
        '["a", null]',
        '["a\\"b"]',
        '"a","b\\n"',
        '"quoted"',
        "(python, list)",
        "(python)(list)",
        "frozenset({'a', 'b'})",
        "java / spring",
        "java & spring",
        "java \u2022 spring",
        "java \u2013 spring",
        "java\u00b7spring\u00b7jpa",
        "java*spring*jpa",
        "java\uff0cspring",
        "java\uff0c spring boot",
        "java\u060cspring",
        "(" * 300_000,
        "[" + " " * 300_000 + "x y",
        "[" + "a," * 300_000 + "]",
        "back\\slash",
        "bell\x07",
        "lone\ud800",
        "[" * 100_000,
    ],
)
def test_what_is_no_tag_list_is_refused(field: str) -> None:
    with pytest.raises(Unfit) as unfit:
        tag_list(field)
    assert unfit.value.reason is Reason.NOT_A_TAG_LIST


@pytest.mark.parametrize("style", TagStyle)
def test_length_and_number_of_tags_have_an_exact_limit(style: TagStyle) -> None:
    longest = "x" * MAX_TAG_LENGTH
    assert tag_list(WRITERS[style](["a", longest])) == ["a", longest]
    with pytest.raises(Unfit):
        tag_list(WRITERS[style](["a", longest + "x"]))
    most = [f"t{number}" for number in range(MAX_TAGS)]
    assert tag_list(WRITERS[style](most)) == most
    with pytest.raises(Unfit):
        tag_list(WRITERS[style]([*most, "one-more"]))


@given(
    st.lists(st.text(st.characters(categories=["L", "N"], include_characters="+#.- '/:&"), min_size=1), max_size=8),
    st.sampled_from([",", ";", " | ", "\t", "~", "::=", ", "]),
)
def test_between_separators_that_are_named_tags_hold_what_they_hold(tags: list[str], separator: str) -> None:
    whole = list(dict.fromkeys(" ".join(tag.split()) for tag in tags if tag.strip()))
    if separator == "\t":
        whole = list(dict.fromkeys(" ".join(tags).split()))
    assert tags_between(separator)(separator.join(tags)) == whole


def test_named_separators_leave_no_long_tag() -> None:
    assert tags_between(",")("<c#><.net>") == ["c#", ".net"]
    assert tags_between(",")("['a b', 'c']") == ["a b", "c"]
    assert tags_between("/")("ui/ux") == ["ui", "ux"]
    assert tags_between(" ")("a  b\tc") == ["a", "b", "c"]
    for field in ("a;b", "a|b", '"a"', "a\x07"):
        with pytest.raises(Unfit):
            tags_between(",")(field)


def test_a_field_for_one_tag_holds_exactly_one() -> None:
    assert single_tag(" asp.net-mvc ") == "asp.net-mvc"
    assert single_tag("a/b/c") == "a/b/c"
    assert single_tag("<c#>") == "c#"
    assert single_tag(" machine learning ", tags_between(";")) == "machine learning"
    for field, reason in [
        ("", Reason.NO_TAG),
        (" ", Reason.NO_TAG),
        ("a;b", Reason.NOT_A_TAG_LIST),
        ("a b", Reason.NOT_A_TAG_LIST),
    ]:
        with pytest.raises(Unfit) as unfit:
            single_tag(field)
        assert unfit.value.reason is reason
