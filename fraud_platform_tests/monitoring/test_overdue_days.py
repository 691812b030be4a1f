"""Which days people are told of, as a table of cases."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.monitoring.overdue_days import overdue

FIRST = date(2026, 3, 1)


@dataclass(frozen=True)
class Case:
    """The moment, as day and hour of March; the days that are made and those told of, with the day
    they were told on; then which are told, taken back and remembered."""

    at: tuple[int, int, int]
    made: set[int] = field(default_factory=set)
    told: dict[int, int] = field(default_factory=dict)
    tell: list[int] = field(default_factory=list)
    resolve: list[int] = field(default_factory=list)
    then: dict[int, int] = field(default_factory=dict)


CASES = {
    "yesterday is made": Case((10, 4, 0), made={8, 9}),
    "too early to ask for yesterday": Case((10, 3, 59), made={8}),
    "yesterday isn't made by four": Case((10, 4, 0), made={8}, tell=[9], then={9: 10}),
    "told already": Case((10, 23, 59), made={8}, told={9: 10}, then={9: 10}),
    "told yesterday, and it isn't four yet": Case((11, 3, 59), told={9: 10}, then={9: 10}),
    "told anew each day": Case((11, 4, 0), made={10}, told={9: 10}, tell=[9], then={9: 11}),
    "two of them": Case((11, 4, 0), told={9: 10}, tell=[9, 10], then={9: 11, 10: 11}),
    "made at last": Case((10, 6, 0), made={8, 9}, told={9: 10}, resolve=[9]),
    "one made, one not": Case(
        (11, 4, 0), made={9}, told={9: 10}, tell=[10], resolve=[9], then={10: 11}
    ),
    "a gap of long ago": Case((10, 4, 0), made={2, 3, 5, 9}),
    "after a week nobody is told any more": Case((17, 4, 0), made={16}, told={9: 16}),
    "the last time": Case((16, 4, 0), made={15}, told={9: 15}, tell=[9], then={9: 16}),
    "before the first day there is none": Case((1, 12, 0)),
    "nothing made yet": Case((2, 4, 0), tell=[1], then={1: 2}),
}


def march(day: int) -> date:
    return date(2026, 2, 28) + timedelta(days=day)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_day_that_is_not_there_is_told_of(case: Case) -> None:
    day, hour, minute = case.at
    found = overdue(
        datetime(2026, 3, day, hour, minute, tzinfo=UTC),
        "04:00",
        FIRST,
        {march(n) for n in case.made},
        {march(n): march(last) for n, last in case.told.items()},
    )
    assert found.tell == [march(n) for n in case.tell]
    assert found.resolve == [march(n) for n in case.resolve]
    assert found.told == {march(n): march(last) for n, last in case.then.items()}


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=80))
def test_no_day_is_told_of_twice_a_day_and_each_is_taken_back_once(
    looks: list[tuple[int, bool]],
) -> None:
    """So many minutes between looks; whether the oldest day that was told of is made by then."""
    now, told, made = datetime(2026, 3, 5, tzinfo=UTC), {}, set()
    tellings: list[tuple[date, date]] = []
    taken_back: list[date] = []
    for minutes, is_made in looks:
        now += timedelta(minutes=minutes)
        if is_made and told:
            made.add(min(told))
        found = overdue(now, "04:00", FIRST, made, told)
        today = (now - timedelta(hours=4)).date()
        tellings += [(day, today) for day in found.tell]
        taken_back += found.resolve
        assert not made & found.told.keys()
        told = found.told
    assert len(tellings) == len(set(tellings))
    assert len(taken_back) == len(set(taken_back))
    assert {*taken_back} <= {day for day, _ in tellings}
