"""What a decision costs, in cents: a missed fraud, or a legitimate payment that is stopped."""

import math

import msgspec
import numpy as np

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Training


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Costs in int64 cents; a missed fraud costs its amount and the fee, any alert its review."""

    missed_fraud_fee: int
    false_alarm: int
    review: int = 0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 0:
                raise PredictFlowError(f"cost {name} is {getattr(self, name)} cents; expected >= 0")


def costs_of(training: Training) -> Costs:
    """The costs that the settings name, from currency units to cents.

    Raises PredictFlowError for one that is negative, NaN or infinite.
    """
    for name in ("missed_fraud_fee", "false_alarm_cost", "review_cost"):
        value = getattr(training, name)
        if not (math.isfinite(value) and value >= 0):
            raise PredictFlowError(f"setting training.{name} is {value}; expected 0 or more")
    return Costs(
        missed_fraud_fee=round(training.missed_fraud_fee * 100),
        false_alarm=round(training.false_alarm_cost * 100),
        review=round(training.review_cost * 100),
    )


def cost_cents(
    alert: np.ndarray,
    is_fraud: np.ndarray,
    amount_cents: np.ndarray,
    costs: Costs,
    weight: np.ndarray | None = None,
) -> int:
    """Cents that the decisions `alert` cost; all arrays of shape (rows,).

    A legitimate payment let through costs nothing, an alert on a fraud no more than its review.
    With `weight` each row counts so many times, and the sum is rounded to a cent.
    """
    missed = is_fraud & ~alert
    if weight is not None:
        cents = missed * (amount_cents + costs.missed_fraud_fee) + alert * costs.review
        return round(float(weight @ (cents + (alert & ~is_fraud) * costs.false_alarm)))
    false_alarms = int(np.count_nonzero(alert & ~is_fraud))
    lost = int(amount_cents[missed].sum(dtype=np.int64))
    lost += int(missed.sum()) * costs.missed_fraud_fee + false_alarms * costs.false_alarm
    return lost + int(np.count_nonzero(alert)) * costs.review
