import msgspec
import polars as pl
import pytest

from fraud_platform.modelling.amount_rule import limit_of, scored_by_amount, tune_amount_rule
from fraud_platform.modelling.costs import costs_of
from fraud_platform.modelling.decisions import decide
from fraud_platform.settings import Training
from fraud_platform_tests.modelling.generated import TRAINING, scored_rows

FREE = msgspec.structs.replace(TRAINING, min_precision=0)


def saved(rows: pl.DataFrame, limit: float) -> int:
    """Cents that the rule saves with a limit in currency units."""
    over = rows.with_columns(score=(pl.col("amount_cents") > limit * 100).cast(pl.Float64))
    return decide(over, 0.5, costs_of(FREE)).money_saved


def test_the_limit_is_the_one_that_costs_least(scored: pl.DataFrame) -> None:
    rule = tune_amount_rule(scored, FREE)
    every = scored["amount_cents"].unique().to_list()
    assert saved(scored, limit_of(rule)) == max(saved(scored, cents / 100) for cents in every)
    made = decide(scored_by_amount(scored), rule.value, costs_of(FREE))
    assert made.money_saved == saved(scored, limit_of(rule)) > 0


def test_scores_keep_the_order_and_the_distance_of_every_cent() -> None:
    cents = [1, 2, 3, 99_999_998, 99_999_999, 100_000_000]
    rows = scored_rows([0.5] * 6, [False] * 6, amount_cents=cents)
    scores = scored_by_amount(rows)["score"].to_list()
    assert scores == sorted(set(scores))
    assert 0 < scores[0] < scores[-1] <= 1


@pytest.mark.parametrize(
    "training",
    [
        msgspec.structs.replace(FREE, threshold_by="fixed", threshold_fixed=0.7),
        msgspec.structs.replace(FREE, threshold_by="precision", threshold_wished=1.0),
    ],
)
def test_a_policy_that_says_nothing_of_amounts_is_replaced_by_cost(training: Training) -> None:
    rows = scored_rows(
        [0.5] * 4, [True, False, True, False], amount_cents=[100_000, 100, 90_000, 200_000]
    )
    rule = tune_amount_rule(rows, training)
    assert rule == tune_amount_rule(rows, FREE)
    assert rule.tuned
    assert 1 < limit_of(rule) < 900


def test_other_policies_hold_for_amounts_too() -> None:
    rows = scored_rows(
        [0.5] * 4, [True, False, False, False], amount_cents=[40_000, 30_000, 20_000, 10_000]
    )
    budget = msgspec.structs.replace(FREE, threshold_by="alerts", threshold_wished=2)
    assert limit_of(tune_amount_rule(rows, budget)) == pytest.approx(250)


def test_rows_of_one_amount_give_a_rule_that_never_speaks() -> None:
    rows = scored_rows([0.5] * 2, [True, False], amount_cents=[500, 500])
    rule = tune_amount_rule(rows, FREE)
    assert not rule.tuned
    assert decide(scored_by_amount(rows), rule.value, costs_of(FREE)).alerts == 0
