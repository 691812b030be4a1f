"""Training sees the labels that were known at the end of a day, and no later ones."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from fraud_platform.clock import DAY_US, day_start_us
from fraud_platform.contracts.tables import PREDICTION_LOG, TRANSACTION_LABELS
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake, versions
from fraud_platform.lake.training_rows import READ, labelled_days
from fraud_platform.propensity import decision_weight
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


def decided(name: str, us: int = AT_US, cents: int = 1_000, **said: Any) -> dict[str, Any]:
    """A row of the log: of a block that was in a draw of a tenth, unless it is said otherwise."""
    of: dict[str, Any] = {
        "transaction_id": name,
        "timestamp_us": us,
        "decided_us": us,
        "amount_cents": cents,
    }
    return {"event_date": D1} | of | {"is_fraud": True, "action": "block", "propensity": 0.9} | said


PASSED: dict[str, Any] = {"action": "allow", "propensity": 0.1}


def weights(frame: pl.DataFrame) -> list[tuple[float | None, bool]]:
    return frame.sort("transaction_id").select("weight", "over_limit").rows()


def test_what_was_let_pass_counts_for_what_was_blocked_beside_it(filled: Lake):
    log = [
        decided("t0", AT_US + 1, **PASSED),  # where the caller leaves the time to the service
        decided("t1"),
        decided("t2", AT_US + DAY_US),  # another payment of that id, on another day
    ]
    filled.replace_days(PREDICTION_LOG, D1, D2, rows_of(PREDICTION_LOG, log))

    rows = labelled_rows(filled, D3)

    assert weights(rows) == [(10.0, False), (None, False), (1.0, False)]
    assert verdicts(rows) == [False, True, None]  # the label stays, for who wants it


def test_of_several_decisions_on_a_payment_the_least_share_counts_and_a_block_ends_it(filled: Lake):
    log = [
        decided("t0", **PASSED),
        decided("t0", action="allow", propensity=0.05),
        decided("t0", action="allow", propensity=1.0, is_fraud=False),
        decided("t1", **PASSED),
        decided("t1"),
        decided("t2", cents=20_001, propensity=1.0, pass_limit_cents=20_000),
    ]
    filled.replace_days(PREDICTION_LOG, D1, D2, rows_of(PREDICTION_LOG, log))

    assert weights(labelled_rows(filled, D3)) == [(20.0, False), (None, False), (1.0, True)]


def test_without_a_draw_rows_have_no_weights(filled: Lake):
    plain = labelled_rows(filled, D3)
    none = dict.fromkeys(("action", "propensity", "pass_limit_cents"))
    log = [decided("t0", **none), decided("t1", propensity=1.0)]
    filled.replace_days(PREDICTION_LOG, D1, D2, rows_of(PREDICTION_LOG, log))

    assert labelled_rows(filled, D3).equals(plain)
    assert "weight" not in plain.columns


def test_draws_are_read_as_training_read_them(filled: Lake):
    filled.replace_days(PREDICTION_LOG, D1, D2, rows_of(PREDICTION_LOG, [decided("t1")]))
    then = versions(filled, READ)
    filled.replace_days(PREDICTION_LOG, D1, D2, rows_of(PREDICTION_LOG, []))

    assert weights(labelled_rows(filled, D3, then))[1] == (None, False)
    assert "weight" not in labelled_rows(filled, D3).columns


def test_a_decision_counts_by_the_draw_and_not_over_the_limit():
    log = [
        decided("passed", **PASSED),
        decided("blocked"),
        decided("legitimate", action="allow", propensity=1.0),
        decided("before", action=None, propensity=None),
        decided("large", cents=20_001, propensity=1.0, pass_limit_cents=20_000),
        decided("allowed", cents=20_001, action="allow", propensity=1.0, pass_limit_cents=20_000),
        decided("limit", cents=20_000, **PASSED, pass_limit_cents=20_000),
    ]
    found = rows_of(PREDICTION_LOG, log).select(decision_weight()).to_series().to_list()
    assert found == [10.0, None, 1.0, 1.0, None, None, 10.0]
