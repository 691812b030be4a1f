"""Each rule of a day names the rows that break it, and only those."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from fraud_platform.clock import DAY_US, day_of, day_start_us
from fraud_platform.contracts.decisions import encode_decisions
from fraud_platform.contracts.quality import (
    LABEL_RULES,
    PREDICTION_RULES,
    RAW_RULES,
    SHOWN,
    Outcome,
    PredictionLog,
    RawTransactions,
    TransactionLabels,
    check_frame,
)
from fraud_platform.lake.predictions import prediction_rows
from fraud_platform_tests.contracts.test_decisions import a_decision

FRAUD = {"fraud_probability": 0.75, "is_fraud": True, "action": "block"}
DAY = date(2026, 3, 1)
US = day_start_us(DAY)


def raw(**changed: Any) -> pl.DataFrame:
    """Three good transactions, of which the second is changed."""
    frame = pl.DataFrame(
        {
            "event_date": [DAY] * 3,
            "transaction_id": ["a", "b", "c"],
            "timestamp_us": [US, US + 1, US + DAY_US - 1],
            "user_id": ["u"] * 3,
            "merchant_id": ["m"] * 3,
            "device_id": [None, "d", "d"],
            "amount_cents": [1, 50, 100_000_000],
        }
    )
    second = pl.int_range(pl.len()) == 1
    return frame.with_columns(
        pl.when(second).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in changed.items()
    )


def labels() -> pl.DataFrame:
    frame = raw().drop("device_id").with_columns(labelled_at_us=pl.col("timestamp_us"))
    return frame.with_columns(
        is_fraud=pl.lit(value=True),
        label_source=pl.lit(None, pl.String),
        **{n: pl.lit(None, frame.schema[n]) for n in ("timestamp_us", "user_id", "amount_cents")},
    )


def broken(frame: pl.DataFrame) -> dict[str, Outcome]:
    outcomes = check_frame(frame, RawTransactions, RAW_RULES)
    assert [outcome.rule for outcome in outcomes] == list(RAW_RULES)
    return {outcome.rule.name: outcome for outcome in outcomes if not outcome.passed}


def test_good_days_pass():
    assert broken(raw()) == {}
    assert broken(raw().clear()) == {}
    assert all(one.passed for one in check_frame(labels(), TransactionLabels, LABEL_RULES))


@pytest.mark.parametrize(
    ("rule", "changed", "found"),
    [
        ("amount_in_range", {"amount_cents": 0}, "0"),
        ("amount_in_range", {"amount_cents": 100_000_001}, "100000001"),
        ("user_id_not_null", {"user_id": None}, "None"),
        ("within_day", {"timestamp_us": US + DAY_US}, ""),
        ("within_day", {"timestamp_us": US - 1}, ""),
        ("schema", {"merchant_id": None}, "None"),
        ("schema", {"merchant_id": ""}, ""),
        ("schema", {"user_id": "u" * 65}, "u" * 65),
        ("schema", {"device_id": ""}, ""),
    ],
)
def test_a_rule_names_its_row_and_no_other_rule_fails(
    rule: str, changed: dict[str, Any], found: str
):
    outcomes = broken(raw(**changed))
    assert list(outcomes) == [rule]
    assert outcomes[rule].failing == 1
    (row,) = outcomes[rule].rows
    assert (row["event_date"], row["transaction_id"]) == ("2026-03-01", "b")
    assert found in row["found"]


def test_both_rows_of_a_transaction_that_is_there_twice_are_named():
    outcomes = broken(raw(transaction_id="a"))
    assert list(outcomes) == ["transaction_id_unique"]
    assert [row["transaction_id"] for row in outcomes["transaction_id_unique"].rows] == ["a", "a"]


def test_the_same_id_on_two_days_is_two_transactions():
    other = raw().with_columns(
        event_date=pl.lit(date(2026, 3, 2)), timestamp_us=pl.col("timestamp_us") + DAY_US
    )
    assert broken(pl.concat([raw(), other])) == {}


@pytest.mark.parametrize(
    "frame",
    [
        raw().drop("user_id"),
        raw().with_columns(extra=1),
        raw().with_columns(pl.col("amount_cents").cast(pl.Float64)),
    ],
)
def test_columns_and_types_are_the_schema(frame: pl.DataFrame):
    assert "schema" in broken(frame)


def test_many_failing_rows_are_counted_and_the_first_are_shown():
    frame = pl.concat(
        [raw(amount_cents=0).with_columns(transaction_id=pl.lit(f"t{i}")) for i in range(50)]
    )
    outcome = broken(frame)["amount_in_range"]
    assert (outcome.failing, len(outcome.rows)) == (50, SHOWN)


def test_labels_lie_in_the_day_that_they_were_known_from():
    late = labels().with_columns(labelled_at_us=pl.col("labelled_at_us") + DAY_US)
    failed = [one for one in check_frame(late, TransactionLabels, LABEL_RULES) if not one.passed]
    assert [(one.rule.name, one.failing) for one in failed] == [("within_day", 3)]


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ({}, True),
        ({"pass_limit_cents": 1}, True),
        ({"action": "block"}, False),
        ({"propensity": 0.4}, False),
        (FRAUD, True),
        ({**FRAUD, "propensity": 0.99}, True),
        ({**FRAUD, "action": "allow", "propensity": 0.01, "pass_limit_cents": 12_990}, True),
        ({**FRAUD, "action": "allow"}, False),
        ({**FRAUD, "action": "allow", "propensity": 0.99}, False),
        ({**FRAUD, "propensity": 0.4}, False),
        ({**FRAUD, "propensity": 0.99, "pass_limit_cents": 12_989}, False),
    ],
)
def test_the_action_follows_from_the_verdict_and_the_draw(said: dict[str, Any], holds: bool):
    decision = a_decision(**said)
    landed = {"event_date": [day_of(decision.decided_us)], "raw": encode_decisions([decision])}

    outcomes = check_frame(prediction_rows(pl.DataFrame(landed)), PredictionLog, PREDICTION_RULES)

    assert {one.rule.name for one in outcomes if not one.passed} == (
        set() if holds else {"action_follows"}
    )
