"""Training sees the labels that were known at the end of a day, and no later ones."""

from datetime import date

import polars as pl
import pytest

from fraud_platform.clock import DAY_US, day_start_us
from fraud_platform.contracts.tables import TRANSACTION_LABELS
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake, versions
from fraud_platform.lake.training_rows import READ, labelled_days
from fraud_platform_tests.lake.rows import D1, D2, D3, D4, label, payment, rows_of

AT_US = day_start_us(D1)


@pytest.fixture
def filled(lake: Lake) -> Lake:
    """Three transactions of D1; verdicts on t0 on D2 and, another one, on D3."""
    rows = [payment(f"t{i}", D1) for i in range(3)]
    lake.replace_days(TRANSACTION_FEATURES, D1, D2, rows_of(TRANSACTION_FEATURES, rows))
    known = [
        label("t0", AT_US + 2 * DAY_US - 1, is_fraud=True, timestamp_us=AT_US),
        label("t0", AT_US + 2 * DAY_US, is_fraud=False, timestamp_us=AT_US),
        label("t1", AT_US + 2 * DAY_US, is_fraud=True, timestamp_us=AT_US),
        label("t2", AT_US + DAY_US, is_fraud=True),  # its transaction wasn't found
    ]
    lake.replace_days(TRANSACTION_LABELS, D1, D4, rows_of(TRANSACTION_LABELS, known))
    return lake


def labelled_rows(lake: Lake, known_by: date, then: dict[str, int] | None = None) -> pl.DataFrame:
    ((day, rows),) = labelled_days(lake, D1, D2, known_by, then or {})
    assert day == D1
    return rows


def verdicts(frame: pl.DataFrame) -> list[bool | None]:
    return frame.sort("transaction_id")["is_fraud"].to_list()


def test_a_label_known_later_than_the_day_is_not_seen(filled: Lake):
    assert verdicts(labelled_rows(filled, D1)) == [None, None, None]
    assert verdicts(labelled_rows(filled, D2)) == [True, None, None]


def test_the_latest_verdict_known_by_the_day_wins(filled: Lake):
    assert verdicts(labelled_rows(filled, D3)) == [False, True, None]


def test_a_version_shows_what_training_saw(filled: Lake):
    then = versions(filled, READ)
    other = [label("t2", AT_US + DAY_US, is_fraud=True, timestamp_us=AT_US)]
    filled.replace_days(TRANSACTION_LABELS, D2, D4, rows_of(TRANSACTION_LABELS, other))
    filled.replace_days(TRANSACTION_FEATURES, D1, D2, rows_of(TRANSACTION_FEATURES, []))
    assert verdicts(labelled_rows(filled, D3, then)) == [False, True, None]
    assert verdicts(labelled_rows(filled, D3)) == []


def test_an_empty_lake_has_no_rows(lake: Lake):
    frame = labelled_rows(lake, D3)
    assert frame.is_empty()
    assert "is_fraud" in frame.columns


def test_each_day_comes_with_its_own_rows_also_a_day_without_any(filled: Lake):
    days = list(labelled_days(filled, D1, D3, D3, {}))
    assert [day for day, _ in days] == [D1, D2]
    assert [rows.height for _, rows in days] == [3, 0]
