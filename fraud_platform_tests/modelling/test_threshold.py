import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.modelling.costs import Costs, cost_cents
from fraud_platform.modelling.scored import EvaluationError, arrays
from fraud_platform.modelling.threshold import cost_curve, tune_threshold
from fraud_platform_tests.modelling.generated import scored_rows

COSTS = Costs(missed_fraud_fee=2500, false_alarm=500)

# Few levels make ties, and neighbouring doubles leave no room for a threshold between them.
SCORES = st.one_of(
    st.sampled_from([0.0, 0.25, 0.5, 1.0, np.nextafter(0.5, 1), np.nextafter(0.5, 0)]).map(float),
    st.floats(0, 1),
)
ROWS = st.lists(
    st.tuples(SCORES, st.booleans(), st.integers(1, 100_000_000)), min_size=1, max_size=30
)
PRICES = st.builds(
    Costs, missed_fraud_fee=st.integers(0, 10_000), false_alarm=st.integers(0, 100_000)
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
        elif not is_fraud and score > threshold:
            cents += costs.false_alarm
    return cents


@given(drawn=ROWS, costs=PRICES)
def test_no_threshold_costs_less_and_no_higher_one_as_little(
    drawn: list[tuple[float, bool, int]], costs: Costs
) -> None:
    found = tune_threshold(made(drawn), costs)
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
def test_the_curve_gives_the_cost_of_any_threshold(
    drawn: list[tuple[float, bool, int]], costs: Costs, threshold: float
) -> None:
    thresholds, cents = cost_curve(made(drawn), costs)
    assert thresholds[0] == 0
    assert (np.diff(thresholds) > 0).all()
    at = np.searchsorted(thresholds, threshold, side="right") - 1
    assert cents[at] == slow_cost(drawn, threshold, costs)


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
    dear = tune_threshold(rows, Costs(missed_fraud_fee=0, false_alarm=1_000_000))
    assert dear.value > 0.5
    assert dear.reason.endswith("where stopping no payment is the cheapest")
    rows = scored_rows([0.3, 0.4, 0.5], [True, False, True])
    cheap = tune_threshold(rows, Costs(missed_fraud_fee=0, false_alarm=1))
    assert 0 <= cheap.value < 0.3
    assert cheap.reason.endswith("where stopping every payment is the cheapest")


@pytest.mark.parametrize(
    ("scores", "is_fraud", "reason"),
    [
        ([], [], "there are no labelled validation rows"),
        ([0.2, 0.9], [False, False], "none of the 2 validation rows is a fraud"),
        ([0.2, 0.9], [True, True], "all 2 validation rows are frauds"),
        ([0.8, 0.8], [True, False], "all 2 validation rows have the same score"),
    ],
)
def test_what_cannot_be_tuned_gets_the_fallback_and_the_reason(
    scores: list[float], is_fraud: list[bool], reason: str
) -> None:
    found = tune_threshold(scored_rows(scores, is_fraud), COSTS)
    assert (found.value, found.tuned) == (0.7, False)
    assert found.reason == f"{reason}, so the fallback 0.7 is taken"


@pytest.mark.parametrize("score", [float("nan"), 1.5, -0.1])
def test_scores_that_are_no_probabilities_are_refused(score: float) -> None:
    with pytest.raises(EvaluationError, match="1 of 2 scores are missing, NaN or outside 0 to 1"):
        tune_threshold(scored_rows([0.5, score], [True, False]), COSTS)
