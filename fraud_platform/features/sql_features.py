"""SQL for the value of each feature, from the windows that `sql_windows` made columns of."""

from dataclasses import dataclass, field

from fraud_platform.clock import MICROSECONDS
from fraud_platform.features.columns import as_double, scale_of, value_sql
from fraud_platform.features.declarations import (
    Feature,
    FirstSeen,
    FraudRun,
    LabelCount,
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
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.sql_figures import column_of, distinct_column, first_seen_column


@dataclass
class Layer:
    """Features that only need those of the layers before, and their SQL by name."""

    features: list[Feature] = field(default_factory=list)
    sql: dict[str, str] = field(default_factory=dict)


def feature_layers(
    catalogue: Catalogue, names: tuple[str, ...], stored: tuple[str, ...]
) -> list[Layer]:
    """The features to compute for `names`, in the order that they need each other.

    `stored` are columns of the transactions already.
    """
    depth: dict[str, int] = {}
    layers: list[Layer] = []
    for name in catalogue.in_order(names, stored):
        feature = catalogue[name]
        depth[name] = max((depth[n] + 1 for n in feature.needs if n in depth), default=0)
        if depth[name] == len(layers):
            layers.append(Layer())
        layers[depth[name]].features.append(feature)
        layers[depth[name]].sql[name] = _expression(catalogue, feature)
    return layers


def _expression(catalogue: Catalogue, feature: Feature) -> str:
    match feature:
        case Request(field=of):
            return value_sql(of)
        case WindowAggregate(aggregate="distinct"):
            return as_double(distinct_column(feature))
        case WindowAggregate():
            return _aggregate(catalogue, feature)
        case TimeSinceLast() | TimeSinceFirst():
            (measure,) = catalogue.measures_of(feature)
            return _seconds_since(column_of(feature, measure))
        case FirstSeen(other=other):
            return f"CASE WHEN {other} IS NOT NULL THEN {as_double(first_seen_column(feature))} END"
        case LabelRate(prior_rate=rate, prior_weight=weight):
            labels, frauds = _label_columns(catalogue, feature)
            prior = f"CAST({rate * weight!r} AS DOUBLE)"
            return f"({as_double(frauds)} + {prior}) / ({as_double(labels)} + {_number(weight)})"
        case LabelCount():
            return as_double(_label_columns(catalogue, feature)[0])
        case LastLabel():
            return as_double(f"{_label_columns(catalogue, feature)[0]} % 2")
        case TimeSinceLabel(of=of):
            (known,) = _label_columns(catalogue, feature)
            return _seconds_since(
                f"CAST(({known} - {known} % 2) / 2 AS BIGINT)" if of == "labels" else known
            )
        case FraudRun(of=of):
            (figure,) = _label_columns(catalogue, feature)
            return as_double(figure) if of == "frauds" else _seconds_since(figure)
        case Ratio(numerator=a, denominator=b):
            a, b = _reference(a), _reference(b)
            return f"CASE WHEN {b} <> 0 THEN {a} / {b} END"
        case StandardScore(value=value, mean=mean, deviation=deviation):
            value, mean, deviation = map(_reference, (value, mean, deviation))
            return f"CASE WHEN {deviation} > 0 THEN ({value} - {mean}) / {deviation} END"
    raise TypeError(f"feature {feature.name}: no SQL for {type(feature).__name__}")


def _aggregate(catalogue: Catalogue, feature: WindowAggregate) -> str:
    measures = catalogue.measures_of(feature)
    columns = [column_of(feature, measure) for measure in measures]
    scale = scale_of(measures[-1].column) if measures[-1].column else 1
    divisor = "" if scale == 1 else f" / {_number(scale)}"
    match feature.aggregate:
        case "count" | "sum" | "max" | "min":
            whole = feature.aggregate == "count"
            return as_double(columns[0]) + ("" if whole else divisor)
        case "mean":
            n, total = columns
            return (
                f"CASE WHEN {n} > 0 THEN {as_double(total)} / {as_double(f'({n} * {scale})')} END"
            )
        case _:
            n, total, squares = map(as_double, columns)
            spread = f"{n} * {squares} - {total} * {total}"
            return (
                f"CASE WHEN {columns[0]} > 1 THEN SQRT(GREATEST({spread}, CAST(0 AS DOUBLE)) "
                f"/ ({n} * ({n} - CAST(1 AS DOUBLE)))){divisor} END"
            )


def _label_columns(catalogue: Catalogue, feature: Feature) -> list[str]:
    return [column_of(feature, measure) for measure in catalogue.label_measures_of(feature)]


def _seconds_since(moment: str) -> str:
    return f"{as_double(f'timestamp_us - {moment}')} / {_number(MICROSECONDS)}"


def _number(value: float) -> str:
    return f"CAST({value!r} AS DOUBLE)"


def _reference(name: str) -> str:
    return f"({value_sql(name)})" if name in FIELDS else name
