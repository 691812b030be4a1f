"""A feature's value from the payments or labels of its window, gone through one by one.

Written apart from the catalogue's compilers, so that what they make can be checked against it.
"""

import math
from collections.abc import Sequence

from fraud_platform.clock import MICROSECONDS
from fraud_platform.features.columns import coarse_column, scale_of
from fraud_platform.features.declarations import (
    Feature,
    FirstSeen,
    FraudRun,
    LabelCount,
    LabelFeature,
    LabelRate,
    LastLabel,
    TimeSinceFirst,
    TimeSinceLabel,
    TimeSinceLast,
    WindowAggregate,
)
from fraud_platform.features.sources import Label, Payment


def of_payments(feature: Feature, mine: Sequence[Payment], now: Payment) -> float | None:
    """The value from the payments that its condition selects; None is missing."""
    match feature:
        case TimeSinceLast() | TimeSinceFirst():
            times = [payment.timestamp_us for payment in mine]
            choose = max if isinstance(feature, TimeSinceLast) else min
            return (now.timestamp_us - choose(times)) / MICROSECONDS if times else None
        case FirstSeen(other=other):
            identifier = getattr(now, other)
            if identifier is None:
                return None
            return float(all(getattr(payment, other) != identifier for payment in mine))
        case WindowAggregate(aggregate="distinct", column=str(column)):
            return float(len({getattr(payment, column) for payment in mine} - {None}))
        case WindowAggregate(aggregate="count", column=None):
            return float(len(mine))
        case WindowAggregate(aggregate=aggregate, column=str(column)):
            if aggregate == "std":
                column = coarse_column(column)
            integers = [i for payment in mine if (i := payment.integer(column)) is not None]
            return _aggregate(aggregate, integers, scale_of(column))
    raise TypeError(f"feature {feature.name}: nothing explains {type(feature).__name__}")


def _aggregate(aggregate: str, integers: list[int], scale: int) -> float | None:
    n, total = len(integers), sum(integers)
    match aggregate:
        case "count":
            return float(n)
        case "sum":
            return total / scale
        case "mean":
            return total / (n * scale) if n else None
        case "max" | "min":
            choose = max if aggregate == "max" else min
            return choose(integers) / scale if integers else None
    if n < 2:
        return None
    squares = float(sum(i * i for i in integers))
    spread = max(n * squares - float(total) * float(total), 0.0)
    return math.sqrt(spread / (float(n) * (n - 1.0))) / scale


def of_labels(feature: LabelFeature, labels: Sequence[Label], now: int) -> float | None:
    """The value from the labels that count, in the order they became known; `now` is t."""
    known = [(label.known_us(feature.maturity), label.is_fraud) for label in labels]
    frauds = [at for at, is_fraud in known if is_fraud]
    legitimate = [at for at, is_fraud in known if not is_fraud]
    since: list[int]
    match feature:
        case LabelRate(prior_rate=rate, prior_weight=weight):
            return (len(frauds) + rate * weight) / (len(known) + weight)
        case LabelCount(of=of):
            return float(len(frauds if of == "frauds" else known))
        case LastLabel():
            return float(max(known)[1]) if known else None
        case TimeSinceLabel(of=of):
            times = {"labels": [at for at, _ in known], "frauds": frauds, "legitimate": legitimate}
            since = times[of][-1:]
        case FraudRun(of=of):
            run = [at for at in frauds if at > max(legitimate, default=-1)]
            if of == "frauds":
                return float(len(run))
            since = run[:1]
        case _:
            raise TypeError(f"feature {feature.name}: nothing explains {type(feature).__name__}")
    return (now - since[0]) / MICROSECONDS if since else None
