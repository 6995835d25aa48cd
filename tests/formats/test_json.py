"""JSON in every shape gives its objects, and what is wrong with one is named by its line and costs no other."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb.formats import ROW_NUMBER, Columns, Reading, jsonlines, jsontext, open_source, recognise
from tests.formats.reading import (
    bad,
    ids,
    peak_of_reading,
    read,
    read_or_refused,
    recognised,
    refusal,
    tags_by_question,
)

ITEMS: list[dict[str, Any]] = [
    {
        "tags": ["c#", ".net"],
        "owner": {"user_id": 8, "display_name": 'A "quoted" {name', "badges": [{"id": 1}, {"id": 2}]},
        "answers": [{"answer_id": 5, "tags": []}],
        "creation_date": 1217540572,
        "question_id": 4,
        "title": "Convert &lt;decimal&gt; &amp; &quot;double&quot;",
    },
    {"tags": [], "question_id": 6, "creation_date": 1217540573, "title": "Größe 😀", "is_answered": True},
    {"tags": ["sql"], "question_id": 9, "creation_date": None, "title": None},
]
API_ROWS = [
    (4, 0, 'Convert <decimal> & "double"', None, "2008-07-31T21:42:52+00:00"),
    (6, 1, "Größe 😀", None, "2008-07-31T21:42:53+00:00"),
    (9, 2, None, None, None),
]
PAGE = {"has_more": True, "backoff": {"items": [1]}, "items": ITEMS, "quota_max": 300, "x": None}


def lines(*records: object) -> str:
    """Each as JSON on a line of its own."""
    return "".join(json.dumps(record) + "\n" for record in records)


SHAPES: dict[str, str] = {
    "an array": json.dumps(ITEMS),
    "an array without white space": json.dumps(ITEMS, separators=(",", ":"), ensure_ascii=False),
    "an array over lines": json.dumps(ITEMS, indent=4),
    "an array with an object a line": "[\n" + ",\n".join(map(json.dumps, ITEMS)) + "\n]\n",
    "arrays after each other": json.dumps(ITEMS[:1]) + json.dumps(ITEMS[1:2]) + "\n" + json.dumps(ITEMS[2:]),
    "lines": lines(*ITEMS),
    "lines with blank ones": "\n" + lines(ITEMS[0]) + " \t\r\n\r\n" + lines(*ITEMS[1:]).replace("\n", "\r\n") + "\n\n",
    "lines without an end": lines(*ITEMS)[:-1],
    "lines with marks": "\ufeff" + lines(ITEMS[0]) + "\ufeff" + lines(*ITEMS[1:]),
    "objects over lines": "\n".join(json.dumps(item, indent=2) for item in ITEMS),
    "a page": json.dumps(PAGE),
    "a page over lines": json.dumps(PAGE, indent=1),
    "pages after each other": json.dumps(PAGE | {"items": ITEMS[:1]}) + json.dumps(PAGE | {"items": ITEMS[1:]}),
    "a page a line": lines(PAGE | {"items": ITEMS[:1]}, PAGE | {"items": []}, PAGE | {"items": ITEMS[1:]}),
    "pages over lines": "\n".join(json.dumps(PAGE | {"items": [item]}, indent=2) for item in ITEMS),
    "a page with another key": json.dumps({"meta": {"count": 3}, "found": ITEMS}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_rows(shape: str) -> None:
    rows = read(SHAPES[shape])
    assert bad(rows) == []
    assert rows.questions == API_ROWS
    assert tags_by_question(rows) == {4: ["c#", ".net"], 9: ["sql"]}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("shape", SHAPES)
def test_where_windows_end_makes_no_difference(shape: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = read(SHAPES[shape])
    monkeypatch.setattr(jsontext, "_CHUNK_SIZE", size)
    monkeypatch.setattr(jsontext, "_LARGEST_STEP", size)
    monkeypatch.setattr(jsonlines, "_BLOCK_SIZE", size)
    assert read(SHAPES[shape]) == expected


@pytest.mark.parametrize(
    ("shape", "format", "said"),
    [
        ("an array", "json", "JSON, id from 'question_id'"),
        ("lines", "jsonl", "JSON lines, id from"),
        ("lines with marks", "jsonl", "JSON lines, id from"),
        ("objects over lines", "json", "JSON, id from"),
        ("a page a line", "json", "JSON in pages of 'items', id from"),
        ("a page with another key", "json", "JSON in pages of 'found', id from"),
    ],
)
def test_what_a_file_is_said_to_be(shape: str, format: str, said: str) -> None:  # noqa: A002
    found = recognised(SHAPES[shape])
    assert found.format == format
    assert set(found.provides) == {"question", "title", "tags", "created_at"}
    assert said in found.description
    assert "title from 'title' without the entities of HTML, tags from 'tags' as lists" in found.description


def test_a_format_can_be_forced() -> None:
    text = lines({"id": 1, "tags": "a", "items": [{"id": 2, "tags": "b"}]})
    assert ids(read(text)) == [1]
    assert ids(read(lines({"comments": [{"id": 2}], "id": 1, "tags": "a"}), format="jsonl")) == [1]
    assert ids(read(SHAPES["lines"], format="json")) == [4, 6, 9]
    assert "is JSON, not csv" in refusal(text, format="csv")
    assert "is not JSON; it begins with: id,tags" in refusal("id,tags\n1,a\n", format="jsonl")
    assert "is not JSON" in refusal("id,tags\n1,a\n", format="json")


def test_entities_are_those_of_the_api_only() -> None:
    title = {"title": "&lt;b&gt; in HTML"}
    assert read(lines({"id": 1, "tags": ["a"], **title})).questions[0][2] == "&lt;b&gt; in HTML"
    assert read(lines({"question_id": 1, "tags": ["a"], **title})).questions[0][2] == "<b> in HTML"
    told = Reading(html=False)
    assert read(lines({"question_id": 1, "tags": ["a"], **title}), reading=told).questions[0][2] == "&lt;b&gt; in HTML"
    changed = lines({"question_id": 1, "tags": [], "title": "a < b"}, {"question_id": 2, "tags": [], **title})
    assert read(changed).questions[1][2] == "&lt;b&gt; in HTML"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7),
        ("7.0", 7),
        ('"7"', 7),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775808", "bad id"),
        ("9" * 5000, "bad id"),
        ("7.5", "bad id"),
        ("1e3", "bad id"),
        ("NaN", "no id"),
        ("null", "no id"),
        ('""', "no id"),
        ("true", "bad id"),
        ("Infinity", "bad id"),
        ("[7]", "bad id"),
        ('{"$oid": "7"}', "bad id"),
    ],
)
def test_ids_are_exact(value: str, expected: int | str) -> None:
    rows = read(f'{{"id": 1, "tags": "a"}}\n{{"id": {value}, "tags": "b"}}\n')
    assert bad(rows) == ([(2, expected)] if isinstance(expected, str) else [])
    assert ids(rows) == [1, *([expected] if isinstance(expected, int) else [])]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a", "b", "a"], ["a", "b"]),
        (["machine learning", "c#"], ["machine learning", "c#"]),
        (["a", None], ["a"]),
        ([], []),
        (None, []),
        ("<c#><.net>", ["c#", ".net"]),
        ("a, b", ["a", "b"]),
        ('["a", "b"]', ["a", "b"]),
        ([1, 2.5], ["1", "2.5"]),
        (["<a>"], None),
        (["a,b"], None),
        (["a|b"], None),
        (['a"b'], None),
        (["a", ""], None),
        (["a", {"name": "b"}], None),
        ([["a"]], None),
        ({"name": "a"}, None),
        (True, ["true"]),
    ],
)
def test_tags_are_lists_or_texts(value: object, expected: list[str] | None) -> None:
    rows = read(lines({"id": 1, "tags": value}, {"id": 2, "tags": ["z"]}))
    assert bad(rows) == ([(1, "not a tag list")] if expected is None else [])
    assert tags_by_question(rows).get(1, []) == (expected or [])


def test_lists_are_lists_though_the_separator_is_named() -> None:
    rows = read(lines({"id": 1, "tags": ["a", "b c"]}, {"id": 2, "tags": "d;e f"}), reading=Reading(tags_separator=";"))
    assert tags_by_question(rows) == {1: ["a", "b c"], 2: ["d", "e f"]}


def test_labels_are_texts_numbers_and_truth() -> None:
    labels = ["x", 1, 1.0, True, None, "NA", ""]
    rows = read(lines(*({"id": number, "title": "t", "label": label} for number, label in enumerate(labels))))
    assert [question[3] for question in rows.questions] == ["x", "1", "1.0", "true", None, None, None]
    assert rows.missing == {"label": {"": 2, "NA": 1}}


def test_a_label_that_is_a_list_is_a_bad_row() -> None:
    rows = read(lines({"id": 1, "title": "t", "label": "x"}, {"id": 2, "title": "t", "label": ["x"]}))
    assert bad(rows) == [(2, "a list or an object where a text belongs")]


@pytest.mark.parametrize("name", ["post_type", "item_type"])
def test_answers_among_the_posts_of_the_api_are_skipped(name: str) -> None:
    posts = [{"question_id": 6, "title": "t", name: "question"}, {"question_id": 6, "title": "t", name: "answer"}]
    rows = read(json.dumps({"items": posts}))
    assert (ids(rows), rows.skipped) == ([6], {"answer": 1})
    assert ids(read(json.dumps([{"id": 7, "title": "t", name: "blog"}]))) == [7]


def test_many_broken_values_take_time_by_their_number() -> None:
    begun = time.process_time()
    rows = read('[\n{"id":1,"title":"x"}' + ',\n{"id":"' * 40_000)
    assert (ids(rows), len(rows.bad)) == ([1], 40_000)
    assert time.process_time() - begun < 5


def test_a_time_that_is_an_object_is_none_and_counted() -> None:
    times = ["2020-01-01", {"$date": 1}]
    rows = read(lines(*({"id": number, "title": "t", "created": time} for number, time in enumerate(times))))
    assert [question[4] for question in rows.questions] == ["2020-01-01T00:00:00+00:00", None]
    assert rows.unread == {"created_at": 1}


def test_one_tag_a_line() -> None:
    rows = read(lines({"id": 1, "tag": "a"}, {"id": 1, "tag": "b"}, {"id": 2, "tag": None}))
    assert tags_by_question(rows) == {1: ["a", "b"]}
    assert bad(rows) == [(3, "no tag")]


def test_posts_of_several_types() -> None:
    others = [{"Id": 2, "PostTypeId": 2}, {"Id": 3, "PostTypeId": 5}]
    rows = read(lines({"Id": 1, "PostTypeId": 1, "Tags": "<a>"}, *others))
    assert ids(rows) == [1]
    assert rows.skipped == {"answer": 1, "other post type": 1}


def test_records_can_be_numbered() -> None:
    text = lines({"title": "a"}, {"title": ["bad"]}, {"title": "c"})
    assert "--id-column row-number" in refusal(text)
    rows = read(text, columns=Columns(id=ROW_NUMBER))
    assert ids(rows) == [1, 3]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([{"Id": 1, "TagName": "c#", "Count": 5, "ExcerptPostId": 1, "WikiPostId": 2}], "a dump's Tags table"),
        ([{"Id": 1, "UserId": 5, "Name": "Teacher", "Date": "2020-01-01", "Class": 3}], "a dump's Badges table"),
        ([{"id": 1, "creation_date": 1}], "neither titles nor tags"),
        ([{"name": "x"}], "header of known columns"),
        ([[1, "a"]], "JSON without a record"),
        ([{"id": {"0": 1}, "title": {"0": "a"}}], "JSON of columns, not of records"),
        ([{"id": [1], "tags": ["a"]}], "JSON of columns, not of records"),
    ],
)
def test_what_holds_no_questions_is_refused(records: list[object], said: str) -> None:
    assert said in refusal(json.dumps(records))
    assert said in refusal(lines(*records), format="jsonl")


def test_an_error_of_the_api_is_refused_or_a_bad_row() -> None:
    error = {"error_id": 502, "error_message": "too many requests", "error_name": "throttle_violation"}
    assert "error_id" in refusal(json.dumps(error))
    rows = read(lines(PAGE, error, PAGE))
    assert bad(rows) == [(2, "a page without a list of records")]
    assert ids(rows) == [4, 6, 9] * 2


class TestLateColumns:
    """Columns that only later records have: never a silent loss."""

    LATE = lines(*({"id": n, "title": "t"} for n in range(1, 2001))) + lines({"id": 2001, "title": "t", "label": "x"})

    def test_they_make_bad_rows(self) -> None:
        assert bad(read(self.LATE)) == [(2001, "a column that the first records lack")]

    def test_a_name_brings_them_in(self) -> None:
        rows = read(self.LATE, columns=Columns(label="label"))
        assert bad(rows) == []
        assert rows.questions[-1][3] == "x"

    def test_what_plays_no_part_or_is_left_out_is_ignored(self) -> None:
        assert bad(read(self.LATE, columns=Columns(label="none"))) == []
        assert bad(read(self.LATE.replace("label", "score"))) == []

    def test_any_number_of_names_takes_no_memory(self) -> None:
        text = lines(*({"id": n, "title": "t", f"x{n}": 1} for n in range(12_000)))
        assert len(read(text).questions) == 12_000


GOOD = ['{"id": 1, "title": "one"}', '{"id": 2, "title": "two", "owner": {"name": "x"}}', '{"id": 3, "title": "three"}']
BROKEN = {
    '{"id": 7, "title": oops}': "broken JSON",
    '{"id": 7, "title": "unknown \\escape"}': "broken JSON",
    '{"id": 7 "title": "no comma"}': "broken JSON",
    '{"id": 7, "title": "x",}': "broken JSON",
    '{"id": 7, "x": ' + "[" * 100_000 + "]" * 100_000 + "}": "broken JSON",
    '{"id": 7, "title": "half \\ud83d"}': "invalid UTF-8",
    '{"id": 7, "title": "nul \\u0000"}': "NUL byte",
    '"a text"': "not a JSON object",
    "[7]": "not a JSON object",
    "null": "not a JSON object",
    "{}": "no id",
}
UNCLOSED = ['{"id": 7, "title": "never closed}', '{"id": 7, "title": "x"', '{"id": 7, "x": [1, 2}', '{"id": 7, {"x"']


def before_and_after(record: str) -> list[str]:
    """Good records around one."""
    return [GOOD[0], record, *GOOD[1:]]


@pytest.mark.parametrize("record", [*BROKEN, *UNCLOSED])
def test_a_broken_line_costs_itself(record: str) -> None:
    rows = read("\n\n".join(before_and_after(record)), format="jsonl")
    assert bad(rows) == [(3, BROKEN.get(record, "broken JSON"))]
    assert ids(rows) == [1, 2, 3]
    assert rows.bad[0].excerpt == record[:80]


@pytest.mark.parametrize("ends", [("[\n  ", ",\n  ", "\n]"), ('{"items": [\n\t', ",\n\t", "\n]}")])
@pytest.mark.parametrize("record", [*BROKEN, *UNCLOSED])
def test_a_broken_record_on_lines_of_its_own_costs_itself(record: str, ends: tuple[str, str, str]) -> None:
    begin, between, end = ends
    rows = read(begin + between.join(before_and_after(record)) + end)
    assert bad(rows) == [(3, BROKEN.get(record, "broken JSON"))]
    assert ids(rows) == [1, 2, 3]
    assert rows.bad[0].excerpt.startswith(record[:20])


@pytest.mark.parametrize("record", BROKEN)
def test_a_broken_record_in_one_line_costs_itself_where_it_ends(record: str) -> None:
    rows = read("[" + ",".join(before_and_after(record)) + "]")
    assert bad(rows) == [(1, BROKEN[record])]
    assert ids(rows) == [1, 2, 3]


@pytest.mark.parametrize("record", UNCLOSED)
def test_where_nobody_can_tell_the_next_record_the_rest_is_said_to_be_lost(record: str) -> None:
    rows = read("[" + ",".join(before_and_after(record)) + "]")
    assert bad(rows)[-1] == (1, "broken JSON, and nothing read from here on")
    assert ids(rows) == [1]
    assert rows.bad[0].excerpt.startswith(record[:20])


def test_a_broken_page_costs_itself() -> None:
    pages = lines(PAGE, PAGE, PAGE).split("\n")
    pages[1] = pages[1].replace('"quota_max":', '"quota_max"')
    rows = read("\n".join(pages))
    assert bad(rows) == [(2, "broken JSON")]
    assert ids(rows) == [4, 6, 9] * 3


def test_invalid_utf_8_costs_its_record() -> None:
    for begin, between, end in ((b"", b"\n", b""), (b"[", b",", b"]"), (b"[\n", b",\n", b"\n]")):
        content = begin + between.join(
            [b'{"id": 1, "tags": "a"}', b'{"id": 2, "tags": "\xff"}', b'{"id": 3, "x": "\xff"}']
        )
        rows = read(content + end)
        assert [reason for _, reason in bad(rows)] == ["invalid UTF-8"]
        assert ids(rows) == [1, 3]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_cut_anywhere_gives_its_first_rows_and_says_so(shape: str) -> None:
    content = SHAPES[shape].encode()
    for length in range(content.index(b"question_id") + 200, len(content.rstrip(b" \t\r\n}]"))):
        rows = read_or_refused(content[:length])
        if rows is None:
            continue
        assert rows.questions == API_ROWS[: len(rows.questions)]
        assert len(rows.bad) <= 1
        if not rows.bad:
            assert shape.startswith(("lines", "objects", "arrays", "pages", "a page a line"))
        else:
            assert bad(rows)[0][1].startswith(("file cut short", "broken JSON"))


class TestLimits:
    """What is endless takes no more memory than a record may."""

    @pytest.mark.parametrize("form", ["lines", "array", "array on lines"])
    def test_a_record_over_the_limit_is_a_bad_row(self, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jsontext, "RECORD_LIMIT", 2000)
        monkeypatch.setattr(jsontext, "_CHUNK_SIZE", 500)
        monkeypatch.setattr(jsonlines, "RECORD_LIMIT", 2000)
        monkeypatch.setattr(jsonlines, "_BLOCK_SIZE", 500)
        begin, between, end = {
            "lines": ("", "\n", ""),
            "array": ("[", ",", "]"),
            "array on lines": ("[\n", ",\n", "]"),
        }[form]
        long = '{"id": 7, "title": "' + 'x\\"{[' * 2000 + '", "more": [[{}]]}'
        rows = read(begin + between.join(before_and_after(long)) + end)
        assert [reason for _, reason in bad(rows)] == ["record over 16 MiB"]
        assert ids(rows) == [1, 2, 3]

    def test_a_record_below_the_limit_is_read_whatever_the_window(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jsontext, "_CHUNK_SIZE", 50)
        long = '{"id": 7, "title": "' + "x" * 5000 + '"}'
        for begin, between, end in (("[", ",", "]"), ("[\n", ",\n", "]")):
            assert ids(read(begin + between.join(before_and_after(long)) + end)) == [1, 7, 2, 3]

    @pytest.mark.parametrize("sign", ["[", '{"a":', '"', "1", "x", "{", " ", ","])
    @pytest.mark.parametrize(
        "begin", ['[{"id": 1, "tags": "a"},\n ', '{"id": 1, "tags": "a"}\n', '{"items": [{"id": 1, "tags": "a"}, ']
    )
    def test_memory_does_not_grow_with_what_never_ends(
        self, begin: str, sign: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jsontext, "RECORD_LIMIT", 50_000)
        monkeypatch.setattr(jsonlines, "RECORD_LIMIT", 50_000)
        monkeypatch.setattr(jsontext, "_CHUNK_SIZE", 10_000)
        content = (begin + sign * (1_000_000 // len(sign) if sign != '"' else 50_000)).encode()
        assert peak_of_reading(content) < 900_000
        assert ids(read(content)) == [1]

    @pytest.mark.parametrize("form", ["lines", "array", "array on lines", "pages"])
    def test_memory_does_not_grow_with_the_file(self, form: str) -> None:
        def peak(repeats: int) -> int:
            records = ['{"id": 1, "title": "some title", "tags": ["a", "b"]}'] * 5_000 * repeats
            content = {
                "lines": "\n".join(records),
                "array": "[" + ",".join(records) + "]",
                "array on lines": "[\n" + ",\n".join(records) + "]",
                "pages": "\n".join(f'{{"items": [{record}]}}' for record in records),
            }[form]
            return peak_of_reading(content.encode())

        assert peak(4) < 1.3 * peak(2)


def test_broken_records_are_not_read_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    scanned = 0
    end_in = jsontext._Brackets.end_in

    def counting(self: jsontext._Brackets, text: str, at: int, stop: int) -> int | None:
        nonlocal scanned
        end = end_in(self, text, at, stop)
        scanned += (stop if end is None else end) - at
        return end

    monkeypatch.setattr(jsontext._Brackets, "end_in", counting)
    text = '[\n{"id": 1, "tags": "a"},\n' + '{"id": 2, "tags": "open},\n' * 20_000 + "]"
    assert len(read(text).bad) == 20_000
    assert scanned < 3 * len(text)


json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
).map(json.dumps)


@given(st.lists(json_texts | st.text(st.sampled_from('{}[],:"\\ \nntx1'), max_size=12), max_size=8), st.integers(1, 30))
def test_nothing_is_lost_in_silence_between_good_records(between: list[str], size: int) -> None:
    text = "[\n" + ",\n".join(f"{garbage},\n{good}" for garbage in between for good in GOOD) + "]"
    if not between:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsontext, "_CHUNK_SIZE", size)
        rows = read_or_refused(text)
    if rows is None:
        return
    lost = 3 * len(between) - len([number for number in ids(rows) if number in (1, 2, 3)])
    assert lost <= 0 or rows.bad


@pytest.mark.parametrize("begin", ["", "["])
def test_long_records_are_not_all_read_to_recognise_a_file(begin: str, tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    path.write_text(begin + ("," if begin else "\n").join(['{"id": 1, "title": "' + "x" * 50_000 + '"}'] * 300))
    with open_source(path) as source:
        recognise(source)
        assert 1_000_000 < source.bytes_read < 3_000_000
