"""Counts read off the log are those of the rows."""

from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS
from fraud_platform.lake.counts import day_counts, days_with_rows, landed_counts
from fraud_platform.lake.store import Lake
from fraud_platform_tests.lake.rows import D1, D2, D3, D4, landed, payments


def test_rows_are_counted_by_kind_and_day_and_compaction_is_no_new_row(lake: Lake):
    assert landed_counts(lake) == {}
    for start in (0, 3, 6):
        rows = [
            {"kind": kind, "event_date": day, "offset": start}
            for kind, day in (("transaction", D1), ("transaction", D2), ("label", D2))
        ]
        lake.append(LANDED_EVENTS, landed(rows), source_id="s", start=start, end=start + 3)
    counts = {"transaction": {D1: 3, D2: 3}, "label": {D2: 3}}
    assert landed_counts(lake) == counts
    delta = lake.open(LANDED_EVENTS)
    assert delta is not None
    assert delta.optimize.compact()["numFilesRemoved"] == 9
    assert landed_counts(lake) == counts


def test_days_with_rows_are_those_that_were_written_last(lake: Lake):
    assert days_with_rows(lake, RAW_TRANSACTIONS) == []
    for day, next_day in ((D1, D2), (D3, D4)):
        lake.replace_days(RAW_TRANSACTIONS, day, next_day, payments(day, 2))
    assert days_with_rows(lake, RAW_TRANSACTIONS) == [D1, D3]
    assert day_counts(lake, RAW_TRANSACTIONS) == {D1: 2, D3: 2}
    lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 0))
    assert days_with_rows(lake, RAW_TRANSACTIONS) == [D3]
