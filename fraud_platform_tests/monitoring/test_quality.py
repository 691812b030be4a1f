"""Decisions held against their labels: the figures, the weights, the floors, days without."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

from fraud_platform.contracts.monitoring import DayQuality
from fraud_platform.modelling.costs import Costs
from fraud_platform.monitoring.quality import below_floors, judge
from fraud_platform.propensity import decision_weight
from fraud_platform.settings import QualityFloors

COSTS = Costs(missed_fraud_fee=2_000, false_alarm=1_500, review=100)
DAY = "2026-03-01"
NOTHING_DRAWN = (
    pl.when("alert").then(pl.lit("block")).otherwise(pl.lit("allow")).alias("action"),
    pl.lit(1.0).alias("propensity"),
    pl.lit(None, pl.Int64).alias("pass_limit_cents"),
)


def decisions(rows: int = 400, seed: int = 0) -> pl.DataFrame:
    """Decisions by two models with thresholds of their own; a fifth has no label yet."""
    random = np.random.default_rng(seed)
    score, second = random.random(rows), random.random(rows) < 0.5
    is_fraud = random.random(rows) < score**3
    return pl.DataFrame(
        {
            "transaction_id": [f"t{i}" for i in range(rows)],
            "amount_cents": random.integers(1, 100_000, rows),
            "model_version": np.where(second, "8", "7"),
            "degraded": random.random(rows) < 0.1,
            "score": score,
            "alert": score > np.where(second, 0.6, 0.7),
            "is_fraud": pl.Series(is_fraud).set(pl.Series(random.random(rows) < 0.2), None),
        }
    ).with_columns(NOTHING_DRAWN)


def judged(rows: pl.DataFrame) -> DayQuality:
    return judge(rows, DAY, "matured", COSTS)


def test_the_figures_are_those_of_the_verdicts_that_were_given() -> None:
    rows = decisions()
    found = judged(rows)
    assert [one.model_version for one in found.by_model] == ["7", "8"]
    assert sum(one.decisions for one in found.by_model) == found.overall.decisions == rows.height
    for one in (found.overall, *found.by_model):
        versions = [one.model_version] if one.model_version else ["7", "8"]
        mine = rows.filter(pl.col("model_version").is_in(versions))
        known = mine.drop_nulls("is_fraud")
        truth, said, score = (known[name].to_numpy() for name in ("is_fraud", "alert", "score"))
        amount = known["amount_cents"].to_numpy()
        assert (one.decisions, one.labelled) == (mine.height, known.height)
        assert (one.frauds, one.alarms, one.degraded) == (
            truth.sum(),
            said.sum(),
            mine["degraded"].sum(),
        )
        assert one.precision == pytest.approx(metrics.precision_score(truth, said), abs=1e-12)
        assert one.recall == pytest.approx(metrics.recall_score(truth, said), abs=1e-12)
        assert one.auc == pytest.approx(metrics.roc_auc_score(truth, score), abs=1e-12)
        assert one.average_precision == pytest.approx(
            metrics.average_precision_score(truth, score), abs=1e-12
        )
        lost = (
            (amount[truth & ~said] + 2_000).sum() + 1_500 * (said & ~truth).sum() + 100 * said.sum()
        )
        assert one.money_lost == lost / 100
        assert one.money_saved == ((amount[truth] + 2_000).sum() - lost) / 100
        assert not one.weighed


def test_what_was_let_pass_stands_for_what_was_blocked() -> None:
    rows = decisions().drop_nulls("is_fraud").with_row_index("n")
    passed = pl.col("alert") & (pl.col("n") % 4 == 0)
    drawn = rows.with_columns(
        action=pl.when(pl.col("alert") & ~passed).then(pl.lit("block")).otherwise(pl.lit("allow")),
        propensity=pl.when(passed).then(0.25).when(pl.col("alert")).then(0.75).otherwise(1.0),
    )
    stood_for = pl.concat([rows.filter(~pl.col("alert")), *[rows.filter(passed)] * 4])
    found, wanted = judged(drawn).overall, judged(stood_for).overall
    assert found.weighed
    assert not wanted.weighed
    assert (found.decisions, found.labelled) == (
        rows.height,
        rows.filter(~pl.col("alert") | passed).height,
    )
    for name in (
        "precision",
        "recall",
        "auc",
        "average_precision",
        "calibration_error",
        "money_saved",
        "money_lost",
    ):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-12), name
    assert found.recall != pytest.approx(judged(rows).overall.recall, abs=1e-3)


def test_the_mean_over_draws_is_what_all_labels_would_give() -> None:
    rows = decisions(2_000).drop_nulls("is_fraud")
    truth = judged(rows).overall
    random, share, found = np.random.default_rng(1), 0.2, []
    for _ in range(80):
        passed = pl.Series(random.random(rows.height) < share)
        block = rows["alert"] & ~passed
        drawn = rows.with_columns(
            action=pl.Series(np.where(block, "block", "allow")),
            propensity=pl.Series(np.where(rows["alert"], np.where(block, 1 - share, share), 1.0)),
        )
        weighed = drawn.with_columns(weight=decision_weight()).filter(
            pl.col("weight").is_not_null()
        )
        caught = weighed.filter(pl.col("is_fraud") & pl.col("alert"))["weight"].sum()
        found.append(caught)
    caught = rows.filter(pl.col("is_fraud") & pl.col("alert")).height
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - caught) < 4 * error
    assert truth.recall == caught / rows.filter("is_fraud").height


def test_days_made_before_there_were_actions_count_as_nothing_drawn() -> None:
    rows = decisions()
    kinds = {"action": pl.String, "propensity": pl.Float64}
    null = rows.with_columns(pl.lit(None, kind).alias(name) for name, kind in kinds.items())
    assert judged(null) == judged(rows)


def test_payments_over_the_limit_are_left_out_as_nothing_stands_for_those_blocked() -> None:
    rows = decisions()
    limited = rows.with_columns(pass_limit_cents=pl.lit(50_000))
    found = judged(limited).overall
    wanted = judged(rows.filter(pl.col("amount_cents") <= 50_000)).overall
    assert found.weighed
    assert found.decisions == rows.height
    for name in NO_FIGURES:
        assert getattr(found, name) == getattr(wanted, name), name
    assert below_floors(limited, DAY, QualityFloors(precision=1.0, recall=0.0))


NO_FIGURES = {
    *("precision", "recall", "auc", "average_precision"),
    *("calibration_error", "money_saved", "money_lost"),
}


@dataclass(frozen=True)
class Without:
    """Rows that lack something, why they are not judged, and the figures that there are not."""

    rows: pl.DataFrame
    why: str
    none: set[str] = field(default_factory=set)


_ROWS = decisions(50)
WITHOUT = {
    "decisions": Without(
        _ROWS.clear(), "the service's log holds no decisions of that day", NO_FIGURES
    ),
    "labels": Without(
        _ROWS.with_columns(is_fraud=pl.lit(None, pl.Boolean)),
        "none of its 50 decisions has a label that counts",
        NO_FIGURES,
    ),
    "frauds": Without(
        _ROWS.with_columns(is_fraud=pl.lit(value=False)),
        "none of its 50 labelled decisions is a fraud",
        {"recall", "auc", "average_precision"},
    ),
    "legitimate payments": Without(
        _ROWS.with_columns(is_fraud=pl.lit(value=True)),
        "all of its 50 labelled decisions are frauds",
        {"auc", "average_precision"},
    ),
    "a label that counts": Without(
        _ROWS.with_columns(alert=True, action=pl.lit("block"), propensity=pl.lit(0.9)),
        "none of its 50 decisions has a label that counts",
        NO_FIGURES,
    ),
}


@pytest.mark.parametrize("case", WITHOUT.values(), ids=WITHOUT)
def test_a_day_without_it_says_so_and_has_the_figures_that_there_are(case: Without) -> None:
    found = judged(case.rows)
    assert found.unjudged == case.why
    assert {name for name in NO_FIGURES if getattr(found.overall, name) is None} == case.none
    assert below_floors(case.rows, DAY, QualityFloors(min_frauds=60)) == []


def labelled(caught: int, missed: int, false_alarms: int) -> pl.DataFrame:
    counts = (caught, missed, false_alarms, 500)
    return pl.DataFrame(
        {
            "is_fraud": np.repeat([True, True, False, False], counts),
            "alert": np.repeat([True, False, True, False], counts),
            "amount_cents": 100,
        }
    ).with_columns(NOTHING_DRAWN)


def floor(name: str, share: str, among: str) -> list[str]:
    return [
        f"{name} of {DAY} is {share} on {among}, below the floor of 0.5 (quality_floors.{name})"
    ]


@pytest.mark.parametrize(
    ("rows", "floors", "found"),
    [
        (labelled(60, 40, 40), {}, []),
        (labelled(30, 70, 10), {}, floor("recall", "0.30", "100 frauds")),
        (labelled(30, 0, 70), {}, floor("precision", "0.30", "100 alarms")),
        (labelled(30, 70, 10), {"recall": 0.0}, []),
        # Below the floor, by no more than chance gives.
        (labelled(9, 12, 10), {}, []),
        (labelled(45, 55, 0), {}, []),
        # Too few frauds to say anything.
        (labelled(0, 19, 0), {}, []),
        (labelled(0, 20, 0), {"precision": 1.0}, floor("recall", "0.00", "20 frauds")),
        (
            labelled(0, 5, 40),
            {"min_frauds": 5, "recall": 0.0},
            floor("precision", "0.00", "40 alarms"),
        ),
    ],
)
def test_what_is_below_a_floor_by_more_than_chance_is_named(
    rows: pl.DataFrame, floors: dict[str, Any], found: list[str]
) -> None:
    assert below_floors(rows, DAY, QualityFloors(**floors)) == found


def test_few_rows_that_stand_for_many_are_no_certainty() -> None:
    rows = labelled(3, 60, 0)
    passed = rows.with_columns(
        action=pl.lit("allow"), propensity=pl.when("alert").then(0.1).otherwise(1.0)
    )
    assert len(below_floors(rows, DAY, QualityFloors(recall=0.6))) == 1
    # Recall is 30 of 90 by three rows: nobody knows. Nor where all that was caught was blocked.
    assert below_floors(passed, DAY, QualityFloors(recall=0.6)) == []
    blocked = passed.with_columns(
        action=pl.when("alert").then(pl.lit("block")).otherwise(pl.lit("allow")),
        propensity=pl.when("alert").then(0.96).otherwise(1.0),
    )
    assert below_floors(blocked, DAY, QualityFloors(recall=0.6)) == []
