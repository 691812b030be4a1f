"""Which days are behind what was landed, and which days follow from a day made again."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from fraud_platform.clock import day_start_us
from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.lake.late import Made, TableDays, following_days, ranges, relabelled_days
from fraud_platform.lake.store import Lake
from fraud_platform_tests.lake.rows import D1, D2, D3, D4, label, payment, rows_of

UNKNOWN: dict[str, Any] = dict.fromkeys(("timestamp_us", "user_id", "merchant_id", "amount_cents"))
KNOWN = {name: payment("a", D2)[name] for name in UNKNOWN}
LOOKBACK = 60


def table(**rows_of_day: tuple[int, int]) -> TableDays:
    days = {"d1": D1, "d2": D2, "d3": D3}
    return TableDays(made={days[name]: Made(*made) for name, made in rows_of_day.items()})


def test_a_day_is_behind_when_more_was_landed_than_it_was_made_of() -> None:
    days = table(d1=(5, 1), d2=(5, 2), d3=(5, 3))
    landed = {D1: 5, D2: 6, D4: 9}  # D3 was made of rows that are gone, D4 was never made
    assert days.behind(landed) == [D2]


def test_a_day_is_asked_for_once_for_each_count_and_each_time_that_it_was_made() -> None:
    days = table(d1=(5, 1))
    assert days.judge({D1: 6}, [D1]) == [D1]
    assert days.judge({D1: 6}, [D1]) == []
    assert days.judge({D1: 7}, [D1]) == [D1]
    days.take(D1, Made(6, 9), for_late_rows=True)
    assert (days.seen, days.remade) == (9, {D1})
    assert days.judge({D1: 7}, [D1]) == [D1]


def test_ranges_have_no_gaps() -> None:
    assert ranges([D4, D1, D2, D1]) == [(D1, D2), (D4, D4)]
    assert ranges([]) == []


@pytest.mark.parametrize(
    ("labelled", "found"),
    [
        pytest.param({**UNKNOWN}, True, id="its transaction was unknown"),
        pytest.param(KNOWN, False, id="nothing changed"),
        pytest.param({**KNOWN, "amount_cents": 7}, True, id="other values"),
        pytest.param({**KNOWN, "timestamp_us": day_start_us(D3)}, True, id="an earlier one came"),
        pytest.param({**KNOWN, "timestamp_us": day_start_us(D1)}, False, id="the earlier stays"),
    ],
)
def test_a_label_day_follows_from_a_transaction_that_changes_it(
    lake: Lake, labelled: dict[str, Any], found: bool
) -> None:
    raw = rows_of(RAW_TRANSACTIONS, [payment("a", D2), payment("b", D3)])
    lake.replace_days(RAW_TRANSACTIONS, D1, D4, raw)
    known = day_start_us(D4)
    rows = [label("a", known, is_fraud=True, **labelled), label("z", known, is_fraud=True)]
    write(lake, rows_of(TRANSACTION_LABELS, rows))
    assert relabelled_days(lake, {D2}, LOOKBACK) == ({D4} if found else set())
    assert relabelled_days(lake, {D1, D3}, LOOKBACK) == set()
    assert relabelled_days(lake, set(), LOOKBACK) == set()


def test_a_label_beyond_the_lookback_follows_from_nothing(lake: Lake) -> None:
    lake.replace_days(RAW_TRANSACTIONS, D1, D2, rows_of(RAW_TRANSACTIONS, [payment("a", D1)]))
    rows = [
        label("a", day_start_us(D1 + timedelta(days=days)), is_fraud=True, **UNKNOWN)
        for days in (LOOKBACK, LOOKBACK + 1)
    ]
    write(lake, rows_of(TRANSACTION_LABELS, rows))
    assert relabelled_days(lake, {D1}, LOOKBACK) == {D1 + timedelta(days=LOOKBACK)}


def test_features_follow_as_far_as_they_look_back() -> None:
    # By way of the habits of later payments, and of labels that speak of those.
    reach = CATALOGUE.history_days + LOOKBACK + CATALOGUE.label_history_days
    assert following_days([D2], [], LOOKBACK) == {D2 + timedelta(days=n) for n in range(reach + 1)}
    labels = following_days([], [D4], LOOKBACK)
    assert max(labels) == D4 + timedelta(days=CATALOGUE.label_history_days)
    assert following_days([], [], LOOKBACK) == set()


def write(lake: Lake, frame: pl.DataFrame) -> None:
    lake.replace_days(TRANSACTION_LABELS, D1, D1 + timedelta(days=LOOKBACK + 9), frame)
