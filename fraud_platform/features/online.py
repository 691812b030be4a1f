"""The catalogue compiled for one transaction: the same bits as the SQL, from the online state."""

import math
from collections.abc import Callable, Mapping

from fraud_platform.clock import MICROSECONDS
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.columns import INTEGERS, scale_of
from fraud_platform.features.declarations import (
    Feature,
    FirstSeen,
    FraudRun,
    LabelCount,
    LabelFeature,
    LabelRate,
    LastLabel,
    Ratio,
    Request,
    StandardScore,
    TimeSinceFirst,
    TimeSinceLabel,
    TimeSinceLast,
    WindowAggregate,
)
from fraud_platform.features.declared import FIELDS
from fraud_platform.features.past import IDENTITY, Event, Past
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.state import State

Compute = Callable[[Event, Mapping[str, State]], list[float]]
_Values = dict[str, float]
_Value = Callable[[Past, _Values], float]


def compile_online(catalogue: Catalogue, names: tuple[str, ...] | None = None) -> Compute:
    """The function that gives an event's features `names` (by default all), NaN for missing."""
    wanted = catalogue.names if names is None else names
    steps = [(name, _value(catalogue, catalogue[name])) for name in catalogue.in_order(wanted)]

    def compute(event: Event, context: Mapping[str, State]) -> list[float]:
        past, values = Past(event, context), {}
        for name in FIELDS:
            values[name] = INTEGERS[name](event.timestamp_us, event.amount_cents) / scale_of(name)
        for name, value in steps:
            values[name] = value(past, values)
        return [values[name] for name in wanted]

    return compute


def _value(catalogue: Catalogue, feature: Feature) -> _Value:
    match feature:
        case Request(field=field):
            return lambda _past, values: values[field]
        case WindowAggregate(aggregate="distinct", column=str(other)):
            window = feature.window_of(feature.window)
            return lambda past, _: float(past.distinct(other, window.days, window.us))
        case WindowAggregate():
            return _aggregate(catalogue, feature)
        case TimeSinceLast(key=key) | TimeSinceFirst(key=key):
            (measure,) = catalogue.measures_of(feature)
            days = feature.days_of(feature.within)
            nothing = IDENTITY[measure.reduce]
            return lambda past, _: _since(past.now, past.days(measure, key, days), nothing)
        case FirstSeen(other=other):
            days = feature.days_of(feature.within)
            return lambda past, _: (
                math.nan
                if getattr(past.event, other) is None
                else float(not past.seen(other, days))
            )
        case LabelFeature():
            return _label(catalogue, feature)
        case Ratio(numerator=a, denominator=b):
            return lambda _, values: values[a] / values[b] if values[b] != 0 else math.nan
        case StandardScore(value=value, mean=mean, deviation=deviation):
            return lambda _, values: (
                (values[value] - values[mean]) / values[deviation]
                if values[deviation] > 0
                else math.nan
            )
    raise TypeError(f"feature {feature.name}: nothing is computed for {type(feature).__name__}")


def _aggregate(catalogue: Catalogue, feature: WindowAggregate) -> _Value:
    measures = catalogue.measures_of(feature)
    window, key = feature.window_of(feature.window), feature.key
    scale = scale_of(measures[-1].column) if measures[-1].column else 1
    nothing = IDENTITY[measures[-1].reduce]

    def figures(past: Past) -> list[int]:
        if window.us:
            return [past.sliding(measure, window.us) for measure in measures]
        return [past.days(measure, key, window.days) for measure in measures]

    match feature.aggregate:
        case "count":
            return lambda past, _: float(figures(past)[0])
        case "sum":
            return lambda past, _: float(figures(past)[0]) / scale
        case "mean":
            return lambda past, _: _mean(figures(past), scale)
        case "std":
            return lambda past, _: _deviation(figures(past), scale)
        case _:
            return lambda past, _: (
                float(figure) / scale if (figure := figures(past)[0]) != nothing else math.nan
            )


def _mean(figures: list[int], scale: int) -> float:
    n, total = figures
    return float(total) / float(n * scale) if n else math.nan


def _deviation(figures: list[int], scale: int) -> float:
    n, total, squares = map(float, figures)
    if n < 2:
        return math.nan
    return math.sqrt(max(n * squares - total * total, 0.0) / (n * (n - 1.0))) / scale


def _since(now: int, moment: int, nothing: int) -> float:
    return math.nan if moment == nothing else float(now - moment) / MICROSECONDS


def _label(catalogue: Catalogue, feature: LabelFeature) -> _Value:
    measures = catalogue.label_measures_of(feature)
    key, days = feature.key, feature.days_of(feature.window)
    first = measures[0]
    nothing = IDENTITY[first.reduce]
    match feature:
        case LabelRate(prior_rate=rate, prior_weight=weight):
            frauds, prior = measures[1], rate * weight
            return lambda past, _: (
                (past.labels(frauds, key, days) + prior) / (past.labels(first, key, days) + weight)
            )
        case LabelCount() | FraudRun(of="frauds"):
            return lambda past, _: float(past.labels(first, key, days))
        case LastLabel():
            return lambda past, _: (
                math.nan if (last := past.labels(first, key, days)) == nothing else float(last % 2)
            )
        case TimeSinceLabel(of="labels"):
            return lambda past, _: (
                math.nan
                if (last := past.labels(first, key, days)) == nothing
                else float(past.now - last // 2) / MICROSECONDS
            )
    return lambda past, _: _since(past.now, past.labels(first, key, days), nothing)


compute_vector = compile_online(CATALOGUE)
"""The feature vector of an event in the catalogue's order."""

compute_habits = compile_online(CATALOGUE, CATALOGUE.looked_back)
"""The features of an event that others look back on: kept beside it in `user_recent`."""
