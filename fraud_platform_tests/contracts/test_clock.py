"""Time is whole microseconds, days are UTC."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.clock import (
    DAY_US,
    day_of,
    day_start_us,
    days_between,
    from_us,
    to_us,
    to_us_array,
)

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
days = st.dates()


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=zones))  # noqa: DTZ001 - hypothesis adds the zone
def test_a_moment_survives_the_way_there_and_back(moment: datetime):
    us = to_us(moment)
    assert from_us(us) == moment
    assert day_of(us) == moment.astimezone(UTC).date()


@given(st.lists(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=zones)))  # noqa: DTZ001
def test_many_moments_come_out_as_each_does(moments: list[datetime]):
    assert to_us_array(moments).tolist() == [to_us(moment) for moment in moments]


@given(st.lists(st.integers(0, 4_102_444_800 * 10**6), min_size=1))
def test_many_moments_of_this_century_are_exact(microseconds: list[int]):
    assert to_us_array([from_us(us) for us in microseconds]).tolist() == microseconds


@given(days)
def test_a_day_starts_with_its_first_microsecond(day: date):
    start = day_start_us(day)
    assert day_of(start) == day_of(start + DAY_US - 1) == day
    if day > date.min:
        assert day_of(start - 1) == day - timedelta(days=1)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="2026-03-01T00:00:00 has no time zone"):
        to_us(datetime(2026, 3, 1))  # noqa: DTZ001


def test_days_from_the_first_up_to_but_not_including_the_last():
    first = date(2026, 2, 27)
    assert days_between(first, date(2026, 3, 1)) == [first, date(2026, 2, 28)]
    assert days_between(first, first) == []
