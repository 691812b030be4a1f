import msgspec
import numpy as np
import pytest

from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.costs import Costs, cost_cents, costs_of
from fraud_platform.settings import Training


def test_costs_come_from_the_settings_in_cents() -> None:
    training = Training(missed_fraud_fee=12.34, false_alarm_cost=0.29)
    assert costs_of(training) == Costs(missed_fraud_fee=1234, false_alarm=29)


@pytest.mark.parametrize("name", ["missed_fraud_fee", "false_alarm_cost"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_cost_that_is_no_sum_of_money_is_refused_by_its_setting(name: str, value: float) -> None:
    training = msgspec.structs.replace(Training(), **{name: value})
    with pytest.raises(PredictFlowError, match=rf"training\.{name} is {value}"):
        costs_of(training)


def test_negative_cents_are_refused() -> None:
    with pytest.raises(PredictFlowError, match="cost false_alarm is -1 cents"):
        Costs(missed_fraud_fee=0, false_alarm=-1)


def test_a_weight_counts_a_row_so_many_times() -> None:
    costs = Costs(missed_fraud_fee=2_000, false_alarm=1_500, review=70)
    alert, is_fraud = np.array([[False, True, True, False], [True, False, True, False]])
    amount_cents, weight = np.array([10_001, 250, 3, 99]), np.array([4, 1, 10, 3])
    a, f, c = (np.repeat(one, weight) for one in (alert, is_fraud, amount_cents))
    found = cost_cents(alert, is_fraud, amount_cents, costs, weight)
    assert found == cost_cents(a, f, c, costs) > 0
    assert cost_cents(a[:0], f[:0], c[:0], costs, weight[:0]) == 0
