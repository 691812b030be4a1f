from datetime import date, timedelta
from itertools import chain

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.clock import days_between
from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.split import DateRange, plan_split
from fraud_platform.settings import Labels, Training

DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))


@given(
    day=DAYS,
    maturity=st.integers(0, 30),
    fit_days=st.integers(1, 60),
    validation_days=st.integers(1, 10),
    test_days=st.integers(1, 20),
)
def test_the_ranges_partition_the_window_which_ends_with_the_last_mature_day(
    day: date, maturity: int, fit_days: int, validation_days: int, test_days: int
) -> None:
    window_days = fit_days + validation_days + test_days
    training = Training(
        window_days=window_days, validation_days=validation_days, test_days=test_days
    )
    split = plan_split(day, Labels(maturity_days=maturity), training)
    parts = [days_between(part.start, part.end) for part in split.parts.values()]
    assert [len(part) for part in parts] == [fit_days, validation_days, test_days]
    assert [*chain(*parts)] == days_between(split.window.start, split.window.end)
    assert split.window.days == window_days
    assert split.window.last == day - timedelta(days=maturity)


@given(day=DAYS)
def test_the_next_days_split_is_the_same_one_day_later(day: date) -> None:
    today = plan_split(day, Labels(), Training())
    tomorrow = plan_split(day + timedelta(days=1), Labels(), Training())
    assert tomorrow.fit.start - today.fit.start == timedelta(days=1)
    assert tomorrow.test.end - today.test.end == timedelta(days=1)


def test_a_window_without_a_day_to_fit_on_is_refused() -> None:
    training = Training(window_days=10, validation_days=3, test_days=7)
    with pytest.raises(
        PredictFlowError, match=r"window_days 10 .* 0 days of gap, 3 validation and 7 test"
    ):
        plan_split(date(2026, 3, 31), Labels(), training)


def test_a_range_reads_as_its_first_and_last_day_and_survives_json() -> None:
    days = DateRange(date(2026, 3, 1), date(2026, 3, 8))
    assert str(days) == "2026-03-01 to 2026-03-07"
    assert msgspec.json.decode(msgspec.json.encode(days), type=DateRange) == days
