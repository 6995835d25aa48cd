"""Instants mean the same moment wherever the server stands, and what may mean two is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb.formats.dates import instant, order_in

moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2014-01-21T20:26:05.383", "2014-01-21T20:26:05.383000+00:00"),
        ("2019-06-25 06:46:58", "2019-06-25T06:46:58+00:00"),
        ("2020-01-02 03:04:05.123", "2020-01-02T03:04:05.123000+00:00"),
        ("2008-07-31T21:42:52Z", "2008-07-31T21:42:52+00:00"),
        ("2008-07-31T21:42:52+02:00", "2008-07-31T19:42:52+00:00"),
        (" 2008-07-31 ", "2008-07-31T00:00:00+00:00"),
        ("2016-03-10 12:34:56.789 UTC", "2016-03-10T12:34:56.789000+00:00"),
        ("2016-03-10 12:34:56 +0100", "2016-03-10T11:34:56+00:00"),
        ("2016-03-10 12:34:56+00", "2016-03-10T12:34:56+00:00"),
        ("2016-03-10T12:34:56.1234567Z", "2016-03-10T12:34:56.123456+00:00"),
        ("2016-03-10T12:34:56Z[UTC]", "2016-03-10T12:34:56+00:00"),
        ("2016-3-1 4:05", "2016-03-01T04:05:00+00:00"),
        ("2016/03/10 12:34:56", "2016-03-10T12:34:56+00:00"),
        ("20091117", "2009-11-17T00:00:00+00:00"),
        ("20091117134300", "2009-11-17T13:43:00+00:00"),
        ("1217540572", "2008-07-31T21:42:52+00:00"),
        ("1217540572.0", "2008-07-31T21:42:52+00:00"),
        ("1217540572.25", "2008-07-31T21:42:52.250000+00:00"),
        ("1.217540572E9", "2008-07-31T21:42:52+00:00"),
        ("1217540572123", "2008-07-31T21:42:52.123000+00:00"),
        ("1217540572123.0", "2008-07-31T21:42:52.123000+00:00"),
        ("1.217540572123e+12", "2008-07-31T21:42:52.123000+00:00"),
        ("1217540572123456", "2008-07-31T21:42:52.123456+00:00"),
        ("1217540572123456789", "2008-07-31T21:42:52.123456+00:00"),
        ("17.11.2009 08:00", "2009-11-17T08:00:00+00:00"),
        ("1.2.2009", "2009-02-01T00:00:00+00:00"),
        ("11/17/2009 13:43", "2009-11-17T13:43:00+00:00"),
        ("17/11/2009 1:43:05 PM", "2009-11-17T13:43:05+00:00"),
        ("11/17/2009 12:05 a.m.", "2009-11-17T00:05:00+00:00"),
        ("5/5/2009", "2009-05-05T00:00:00+00:00"),
        ("Tue, 17 Nov 2009 13:43:00 +0100", "2009-11-17T12:43:00+00:00"),
        ("Tue, 17 Nov 2009 13:43:00 GMT", "2009-11-17T13:43:00+00:00"),
        ("17-Nov-2009", "2009-11-17T00:00:00+00:00"),
        ("November 17th, 2009 at 1:43 pm", "2009-11-17T13:43:00+00:00"),
        ("Tue Nov 17 13:43:00 2009", "2009-11-17T13:43:00+00:00"),
        ("Tue Nov 17 13:43:00 UTC 2009", "2009-11-17T13:43:00+00:00"),
        ("Tue Nov 17 2009 13:43:00 GMT+0100 (Central European Standard Time)", "2009-11-17T12:43:00+00:00"),
        ("Tuesday, November 17, 2009", "2009-11-17T00:00:00+00:00"),
    ],
)
def test_instants_as_people_and_programs_write_them(text: str, moment: str) -> None:
    assert instant(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "yesterday",
        "03/04/2009",
        "3-4-2009 10:00",
        "6/25/09",
        "13/13/2009",
        "17.13.2009",
        "2019-13-01",
        "2019-02-30",
        "0001-01-01T00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "12",
        "39770.5719",
        "200911171343",
        "1.21754E+12",
        "17 Brumaire 2009",
        "2009-11-17 13:43 EST",
        "11/17/2009 13:43 PM",
        "9" * 5000,
        "1" * 17,
        "٢٠٠٩-١١-١٧",
        "2020-01-01 10:00 +24:00",
        "Fri, 1 May 2020 10:00:00 +0160",
    ],
)
def test_what_is_no_time_or_may_be_several_is_none(text: str) -> None:
    assert instant(text) is None


def test_the_file_may_say_whether_the_day_comes_first() -> None:
    assert instant("03/04/2009", day_first=True) == "2009-04-03T00:00:00+00:00"
    assert instant("03/04/2009", day_first=False) == "2009-03-04T00:00:00+00:00"
    assert instant("17/04/2009", day_first=False) is None
    assert instant("04/17/2009", day_first=True) is None
    assert order_in(["", "x", "03/04/2009", "17.4.2009", "2009-04-17"]) is None
    assert order_in(["03/04/2009", "17/04/2009 10:00"]) is True
    assert order_in(["03-04-2009", "04-17-2009"]) is False
    assert order_in(["17/04/2009", "04/17/2009"]) is None


@given(moments, st.integers(-15 * 60, 15 * 60))
def test_an_instant_keeps_its_moment_in_any_offset(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    read = instant(moment.isoformat())
    assert read is not None
    assert read.endswith("+00:00")
    assert datetime.fromisoformat(read) == moment
    assert instant(naive.isoformat()) == naive.replace(tzinfo=UTC).isoformat()
    whole = moment.replace(microsecond=0)
    assert instant(format_datetime(whole)) == whole.astimezone(UTC).isoformat()


@given(st.one_of(st.text(), st.text("0123456789-/.: TZ+", max_size=25), st.floats().map(json.dumps)))
def test_any_text_is_an_instant_or_none(text: str) -> None:
    read = instant(text)
    assert read is None or datetime.fromisoformat(read).utcoffset() == timedelta(0)
