"""Tags in one field: every style reads back what it was written from, and other fields are refused."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb.formats.rows import Reason, Unfit
from tagdb.formats.taglists import MAX_TAG_LENGTH, MAX_TAGS, TagStyle, single_tag, style_of, tag_list

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
        lambda tag: not tag.startswith("'") and tag.upper() != "NULL"
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
    ],
)
def test_blanks_and_repeats_make_no_tags(field: str, tags: list[str]) -> None:
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
        "['a' 'b']",
        "['a''b']",
        "['a\\ud800']",
        "['a'; 'b']",
        "[a, b]",
        "[",
        "['a', ['b']]",
        "a b,c",
        '"quoted"',
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


def test_a_field_for_one_tag_holds_exactly_one() -> None:
    assert single_tag(" asp.net-mvc ") == "asp.net-mvc"
    for field, reason in [("", Reason.NO_TAG), (" ", Reason.NO_TAG), ("a b", Reason.NOT_A_TAG_LIST)]:
        with pytest.raises(Unfit) as unfit:
            single_tag(field)
        assert unfit.value.reason is reason
