"""Ids are bigint or refused, and instants mean the same moment wherever the server stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb.formats.rows import Reason, Unfit
from tagdb.formats.values import instant, question_id

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
    ("text", "moment"),
    [
        ("2014-01-21T20:26:05.383", "2014-01-21T20:26:05.383000+00:00"),
        ("2019-06-25 06:46:58", "2019-06-25T06:46:58+00:00"),
        ("2008-07-31T21:42:52Z", "2008-07-31T21:42:52+00:00"),
        ("2008-07-31T21:42:52+02:00", "2008-07-31T19:42:52+00:00"),
        (" 2008-07-31 ", "2008-07-31T00:00:00+00:00"),
        ("1217540572", "2008-07-31T21:42:52+00:00"),
        ("", None),
        (" ", None),
    ],
)
def test_instants_as_the_sources_write_them(text: str, moment: str | None) -> None:
    assert instant(text) == moment


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001
    st.integers(-15 * 60, 15 * 60),
)
def test_an_instant_keeps_its_moment_in_any_offset(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    read = instant(moment.isoformat())
    assert read is not None
    assert read.endswith("+00:00")
    assert datetime.fromisoformat(read) == moment
    assert instant(naive.isoformat()) == naive.replace(tzinfo=UTC).isoformat()


@pytest.mark.parametrize("text", ["yesterday", "6/25/2019", "2019-13-01", "2019-02-30", "0001-01-01T00:00+01:00", "12"])
def test_other_dates_are_bad(text: str) -> None:
    with pytest.raises(Unfit) as unfit:
        instant(text)
    assert unfit.value.reason is Reason.BAD_DATE
