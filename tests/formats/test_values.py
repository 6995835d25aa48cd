"""Ids are bigint or refused, and what other programs escaped comes back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb.formats.rows import Reason, Unfit
from tagdb.formats.values import question_id, without_entities, without_escapes

BIGINT = st.integers(-(2**63), 2**63 - 1)


@given(BIGINT)
def test_every_bigint_is_an_id(number: int) -> None:
    assert question_id(str(number)) == number


@given(BIGINT, st.sampled_from(["{}", " {} ", "{}.0", "\t{}.000\n"]))
def test_blanks_and_a_data_frames_point_zero_change_nothing(number: int, form: str) -> None:
    assert question_id(form.format(number)) == number


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "1.5",
        "1e3",
        "1_000",
        "0x1",
        "NaN",
        "1 2",
        "--1",
        "٣",
        "²",
        str(2**63),
        str(-(2**63) - 1),
        "9" * 5000,
    ],
)
def test_other_ids_are_bad(text: str) -> None:
    with pytest.raises(Unfit) as unfit:
        question_id(text)
    assert unfit.value.reason is Reason.BAD_ID


@pytest.mark.parametrize("text", ["", "  "])
def test_a_blank_id_is_no_id(text: str) -> None:
    with pytest.raises(Unfit) as unfit:
        question_id(text)
    assert unfit.value.reason is Reason.NO_ID


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("Quote &quot;this&quot; &amp; that", 'Quote "this" & that'),
        ("it&#39;s &#x27;so&#x27; &lt;b&gt;", "it's 'so' <b>"),
        ("R&D, AT&T; x & y &copy=1 &", "R&D, AT&T; x & y &copy=1 &"),
        ("&amp;amp;", "&amp;"),
        ("&#0;&#xD800;", "\ufffd\ufffd"),
        ("<b>bold</b>", "<b>bold</b>"),
    ],
)
def test_entities_are_those_with_a_semicolon_and_undone_once(html: str, text: str) -> None:
    assert without_entities(html) == text


@given(st.text())
def test_escapes_of_copy_come_back(text: str) -> None:
    written = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    assert without_escapes(written) == text
