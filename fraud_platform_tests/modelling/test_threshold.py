from typing import Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.modelling.costs import Costs, cost_cents, costs_of
from fraud_platform.modelling.scored import EvaluationError, arrays
from fraud_platform.modelling.threshold import curve, tune_threshold
from fraud_platform.settings import Training
from fraud_platform_tests.modelling.generated import scored_rows

COSTS = Training(missed_fraud_fee=25, false_alarm_cost=5, min_precision=0)

# Few levels make ties, and neighbouring doubles leave no room for a threshold between them.
SCORES = st.one_of(
    st.sampled_from([0.0, 0.25, 0.5, 1.0, np.nextafter(0.5, 1), np.nextafter(0.5, 0)]).map(float),
    st.floats(0, 1),
)
ROWS = st.lists(
    st.tuples(SCORES, st.booleans(), st.integers(1, 100_000_000)), min_size=1, max_size=30
)
PRICES = st.builds(
    Costs,
    missed_fraud_fee=st.integers(0, 10_000),
    false_alarm=st.integers(0, 100_000),
    review=st.integers(0, 1_000),
)


def settings(costs: Costs, min_precision: float = 0) -> Training:
    return Training(
        missed_fraud_fee=costs.missed_fraud_fee / 100,
        false_alarm_cost=costs.false_alarm / 100,
        review_cost=costs.review / 100,
        min_precision=min_precision,
    )


def made(drawn: list[tuple[float, bool, int]]) -> pl.DataFrame:
    score, is_fraud, amount = zip(*drawn, strict=True)
    return scored_rows(score, is_fraud, amount_cents=amount)


def slow_cost(drawn: list[tuple[float, bool, int]], threshold: float, costs: Costs) -> int:
    """What the decisions cost, one row after the other."""
    cents = 0
    for score, is_fraud, amount in drawn:
        if is_fraud and not score > threshold:
            cents += amount + costs.missed_fraud_fee
        elif score > threshold:
            cents += costs.review + (0 if is_fraud else costs.false_alarm)
    return cents


@given(drawn=ROWS, costs=PRICES)
def test_no_threshold_costs_less_and_no_higher_one_as_little(
    drawn: list[tuple[float, bool, int]], costs: Costs
) -> None:
    found = tune_threshold(made(drawn), settings(costs))
    assert found.cost == slow_cost(drawn, found.value, costs)
    assert found.cost_never == slow_cost(drawn, 1.0, costs)
    if found.tuned:
        # Decisions change only where a threshold passes a score.
        others = {threshold: slow_cost(drawn, threshold, costs) for threshold, _, _ in drawn}
        others[0.0] = slow_cost(drawn, 0.0, costs)
        assert found.cost == min(others.values())
        above = [cents for threshold, cents in others.items() if threshold > found.value]
        assert all(cents > found.cost for cents in above)


@given(drawn=ROWS, costs=PRICES, threshold=st.floats(0, 1))
def test_the_curve_gives_the_cost_and_the_counts_of_any_threshold(
    drawn: list[tuple[float, bool, int]], costs: Costs, threshold: float
) -> None:
    found = curve(made(drawn), costs)
    assert found.thresholds[0] == 0
    assert (np.diff(found.thresholds) > 0).all()
    at = np.searchsorted(found.thresholds, threshold, side="right") - 1
    assert found.cost[at] == slow_cost(drawn, threshold, costs)
    alerts = [is_fraud for score, is_fraud, _ in drawn if score > threshold]
    assert (found.alerts[at], found.caught[at]) == (len(alerts), sum(alerts))


@given(drawn=ROWS, costs=PRICES, threshold=st.floats(0, 1))
def test_the_cost_of_decisions_is_the_sum_over_rows(
    drawn: list[tuple[float, bool, int]], costs: Costs, threshold: float
) -> None:
    score, is_fraud, amount = arrays(made(drawn))
    expected = slow_cost(drawn, threshold, costs)
    assert cost_cents(score > threshold, is_fraud, amount, costs) == expected


def test_the_threshold_lies_in_the_middle_of_the_gap_it_is_chosen_from() -> None:
    rows = scored_rows([0.1, 0.2, 0.6, 0.9], [False, False, True, True])
    found = tune_threshold(rows, COSTS)
    assert found.value == pytest.approx(0.4)
    assert found.tuned
    assert (found.cost, found.cost_never) == (0, 7000)
    assert found.reason == "least cost on the validation rows"


def test_sums_beyond_float_precision_stay_exact() -> None:
    rows = scored_rows([0.9, 0.8] * 2, [True, False] * 2, amount_cents=[2**61 + 1] * 4)
    assert tune_threshold(rows, COSTS).cost_never == 2 * (2**61 + 1 + 2500)


def test_dear_false_alarms_stop_nothing_and_cheap_ones_everything() -> None:
    rows = scored_rows([0.3, 0.4, 0.5], [False, True, False])
    dear = tune_threshold(rows, settings(Costs(missed_fraud_fee=0, false_alarm=1_000_000)))
    assert dear.value > 0.5
    assert dear.reason.endswith("which stops no payment")
    rows = scored_rows([0.3, 0.4, 0.5], [True, False, True])
    cheap = tune_threshold(rows, settings(Costs(missed_fraud_fee=0, false_alarm=1)))
    assert 0 <= cheap.value < 0.3
    assert cheap.reason.endswith("which stops every payment")


@pytest.mark.parametrize(
    ("scores", "is_fraud", "reason"),
    [
        ([], [], "there are no labelled validation rows"),
        ([0.2, 0.9], [False, False], "none of the 2 validation rows is a fraud"),
        ([0.2, 0.9], [True, True], "all 2 validation rows are frauds"),
        ([0.8, 0.8], [True, False], "all 2 validation rows have the same score"),
    ],
)
def test_what_cannot_be_tuned_gets_the_fixed_one_and_the_reason(
    scores: list[float], is_fraud: list[bool], reason: str
) -> None:
    found = tune_threshold(scored_rows(scores, is_fraud), COSTS)
    assert (found.value, found.tuned) == (0.7, False)
    assert found.reason == f"{reason}, so 0.7 is taken"


@pytest.mark.parametrize("score", [float("nan"), 1.5, -0.1])
def test_scores_that_are_no_probabilities_are_refused(score: float) -> None:
    with pytest.raises(EvaluationError, match="1 of 2 scores are missing, NaN or outside 0 to 1"):
        tune_threshold(scored_rows([0.5, score], [True, False]), COSTS)


@given(drawn=ROWS, costs=PRICES, floor=st.floats(0, 1))
def test_the_least_cost_keeps_to_the_least_precision(
    drawn: list[tuple[float, bool, int]], costs: Costs, floor: float
) -> None:
    found = tune_threshold(made(drawn), settings(costs, floor))
    alerts = [is_fraud for score, is_fraud, _ in drawn if score > found.value]
    if found.tuned:
        assert not alerts or sum(alerts) / len(alerts) >= floor


# From the top: fraud, fraud, none, fraud, none, none; over two days.
MIXED = scored_rows(
    [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [True, True, False, True, False, False], days=[0, 1] * 3
)


@pytest.mark.parametrize(
    ("by", "wished", "value", "reason"),
    [
        ("precision", 1.0, 0.75, "most frauds caught with a precision of 100.0% or more"),
        ("precision", 0.75, 0.55, "most frauds caught with a precision of 75.0% or more"),
        ("recall", 0.6, 0.75, "fewest alerts with a recall of 60.0% or more"),
        ("recall", 1.0, 0.55, "fewest alerts with a recall of 100.0% or more"),
        ("alerts", 1.5, 0.65, "most alerts within 1.5 a day"),
        ("alerts", 0.4, 0.95, "most alerts within 0.4 a day"),
    ],
)
def test_a_wish_is_met_as_closely_as_the_rows_allow(
    by: str, wished: float, value: float, reason: str
) -> None:
    found = tune_threshold(MIXED, Training(threshold_by=by, threshold_wished=wished))  # type: ignore[arg-type]
    assert (found.value, found.tuned) == (pytest.approx(value), True)
    assert found.reason.startswith(f"{reason} on the validation rows")


def test_a_wish_that_no_threshold_meets_gets_the_fixed_one_and_the_reason() -> None:
    rows = scored_rows([0.9, 0.8], [False, True])
    found = tune_threshold(rows, Training(threshold_by="precision", threshold_wished=0.9))
    assert (found.value, found.tuned) == (0.7, False)
    assert (
        found.reason == "no threshold reaches a precision of 90.0% (best: 50.0%), so 0.7 is taken"
    )


def test_a_fixed_threshold_is_taken_as_it_is() -> None:
    found = tune_threshold(MIXED, Training(threshold_by="fixed", threshold_fixed=0.65))
    assert (found.value, found.tuned) == (0.65, False)
    assert found.reason == "fixed by training.threshold_by"


@pytest.mark.parametrize(
    ("by", "wished"), [("cost", 0), ("precision", 0.6), ("recall", 0.5), ("alerts", 700)]
)
def test_a_weight_counts_a_row_so_many_times(by: Literal["cost"], wished: float) -> None:
    random = np.random.default_rng(2)
    is_fraud = random.random(300) < 0.4
    score = np.round(np.clip(random.normal(0.4 + 0.2 * is_fraud, 0.2), 0, 1), 2)
    cents, times = random.integers(1, 90_000, 300), random.integers(1, 9, 300)
    rows = scored_rows(score.tolist(), is_fraud.tolist(), amount_cents=cents.tolist())
    weighed = rows.with_columns(weight=pl.Series(times, dtype=pl.Float64))
    repeated = pl.concat([rows.filter(pl.Series(times > copy)) for copy in range(8)])
    one, other = (curve(of, costs_of(COSTS)) for of in (weighed, repeated))
    for name in ("thresholds", "cost", "alerts", "caught"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    training = Training(threshold_by=by, threshold_wished=wished)
    assert tune_threshold(weighed, training) == tune_threshold(repeated, training)
    assert tune_threshold(rows.with_columns(weight=1.0), training) == tune_threshold(rows, training)
