"""A feature vector explained: each stored value beside the one that its sources give.

The sources are gone through one by one, apart from the catalogue's compilers, so that an
explanation is a check of them.
"""

import math
import struct
from collections import Counter
from collections.abc import Sequence
from datetime import date

import msgspec

from fraud_platform.clock import day_of, from_us
from fraud_platform.features.declarations import (
    Feature,
    FirstSeen,
    LabelFeature,
    Ratio,
    Request,
    StandardScore,
    TimeSinceFirst,
    TimeSinceLabel,
    WindowAggregate,
)
from fraud_platform.features.declared import key_of, window_text
from fraud_platform.features.described import span_of
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.recomputed import of_labels, of_payments
from fraud_platform.features.sources import Label, Payment, Sources

SHOWN = 5
"""How many payments or labels of a window are listed."""


class FullDays(msgspec.Struct, frozen=True, kw_only=True):
    """The full days of a window that have payments of the key, whatever the condition."""

    first: date | None
    last: date | None
    days: int
    payments: int
    payments_of_tiles: int


class Explanation(msgspec.Struct, kw_only=True):
    """Where a feature's value came from; None is missing."""

    name: str
    unit: str
    value: float | None
    """As stored in transaction_features."""
    recomputed: float | None
    says: str
    payments: list[Payment] = []
    """Of the window those that the value is of, or the last ones."""
    columns: list[str] = []
    """What of the payments matters beside time and amount."""
    full_days: FullDays | None = None
    labels: list[Label] = []
    """The last ones known in the window, of the verdict that counts."""
    needs: dict[str, float | None] = {}
    faults: list[str] = []
    """What doesn't hold; empty where all is well."""


def explain(catalogue: Catalogue, sources: Sources) -> list[Explanation]:
    """One explanation for each feature of the catalogue, in its order."""
    return [_explained(feature, sources) for feature in catalogue]


def _explained(feature: Feature, sources: Sources) -> Explanation:
    match feature:
        case Request() | Ratio() | StandardScore():
            made = _from_others(feature, sources)
        case LabelFeature():
            made = _from_labels(feature, sources)
        case _:
            made = _from_payments(feature, sources)
    made.name, made.unit = feature.name, feature.unit
    made.value = sources.stored[feature.name]
    if _bits(made.value) != _bits(made.recomputed):
        made.faults.append(
            f"{shown(made.value)} is stored, the sources give {shown(made.recomputed)}"
        )
    return made


def _bits(value: float | None) -> bytes | None:
    return None if value is None else struct.pack("<d", value)


def shown(value: float | None) -> str:
    """A value so that its bits can be told: whole numbers short, others in full."""
    if value is None:
        return "missing"
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)


def _new(recomputed: float | None, says: str) -> Explanation:
    return Explanation(name="", unit="", value=None, recomputed=recomputed, says=says)


def _from_others(feature: Request | Ratio | StandardScore, sources: Sources) -> Explanation:
    if isinstance(feature, Request):
        cents, at = sources.payment.amount_cents, moment(sources.payment.timestamp_us)
        says = f"{cents} cents" if feature.field.startswith("amount") else f"paid at {at}"
        return _new(sources.payment.value(feature.field), says)
    found = [sources.value(name) for name in feature.needs]
    values = [math.nan if value is None else value for value in found]
    if isinstance(feature, Ratio):
        above, below = values
        figure, says = above / below if below != 0 else math.nan, "{} / {}"
    else:
        value, mean, deviation = values
        figure = (value - mean) / deviation if deviation > 0 else math.nan
        says = "({} - {}) / {}"
    named = [f"{n} {shown(v)}" for n, v in zip(feature.needs, found, strict=True)]
    made = _new(None if math.isnan(figure) else figure, says.format(*named))
    made.needs = dict(zip(feature.needs, found, strict=True))
    return made


def _from_payments(feature: Feature, sources: Sources) -> Explanation:
    """Of a window over payments."""
    where = getattr(feature, "where", None)
    seen = sources.payments_in(feature)
    mine = [payment for payment in seen if payment.holds(where)]
    made = _new(of_payments(feature, mine, sources.payment), _payments_say(feature, mine, seen))
    made.payments = _telling(feature, mine, sources.payment)
    looked_at = [getattr(feature, "column", None), where and where.column]
    looked_at += [getattr(feature, "other", None)]
    made.columns = [name for name in dict.fromkeys(looked_at) if name and name != "amount"]
    if key_of(feature) == "merchant_id" or feature.window_of(window_text(feature)).days > 1:
        made.full_days, made.faults = _full_days(feature, seen, sources)
    return made


def _payments_say(feature: Feature, mine: Sequence[Payment], seen: Sequence[Payment]) -> str:
    where = getattr(feature, "where", None)
    of = f" of {len(seen)}" if where else ""
    condition = f" with {where}" if where else ""
    says = f"{_counted(len(mine), 'payment')}{of}{condition} {span_of(feature)}"
    if mine:
        says += f": {moment(mine[0].timestamp_us)} to {moment(mine[-1].timestamp_us)}"
    return says


def _telling(feature: Feature, mine: Sequence[Payment], now: Payment) -> list[Payment]:
    """The payments to list: those that the value is of, or else the last ones."""
    match feature:
        case TimeSinceFirst():
            return list(mine[:SHOWN])
        case FirstSeen(other=other):
            same = [p for p in mine if getattr(p, other) == getattr(now, other)]
            return (same or list(mine))[-SHOWN:]
        case WindowAggregate(aggregate="max" | "min" as aggregate, column=str(column)):
            having = [p for p in mine if p.integer(column) is not None]
            ordered = sorted(having, key=lambda p: p.integer(column) or 0)
            return ordered[:SHOWN] if aggregate == "min" else ordered[-SHOWN:]
    return list(mine[-SHOWN:])


def _full_days(
    feature: Feature, seen: Sequence[Payment], sources: Sources
) -> tuple[FullDays, list[str]]:
    """The days before today by the payments and by the tiles, and where the two differ."""
    today = day_of(sources.payment.timestamp_us)
    by_payments = Counter(day for p in seen if (day := day_of(p.timestamp_us)) < today)
    by_tiles = sources.tiles_in(feature)
    days = sorted({*by_payments, *by_tiles})
    table = f"{(key_of(feature) or '').removesuffix('_id')}_tiles"
    faults = [
        f"{table} has {by_tiles.get(day, 0)} payments of {day}, raw_transactions {by_payments[day]}"
        for day in days
        if by_tiles.get(day, 0) != by_payments[day]
    ]
    found = FullDays(
        first=days[0] if days else None,
        last=days[-1] if days else None,
        days=len(days),
        payments=by_payments.total(),
        payments_of_tiles=sum(by_tiles.values()),
    )
    return found, faults


def _from_labels(feature: LabelFeature, sources: Sources) -> Explanation:
    labels = sources.labels_in(feature)
    made = _new(
        of_labels(feature, labels, sources.payment.timestamp_us),
        _labels_say(feature, labels),
    )
    verdict = {"frauds": True, "legitimate": False}.get(getattr(feature, "of", ""))
    if isinstance(feature, TimeSinceLabel) and verdict is not None:
        labels = [label for label in labels if label.is_fraud == verdict]
    made.labels = labels[-SHOWN:]
    if feature.where is not None and feature.where.column != "amount":
        made.columns = [feature.where.column]
    return made


def _labels_say(feature: LabelFeature, labels: Sequence[Label]) -> str:
    condition = f" of payments with {feature.where}" if feature.where else ""
    frauds = sum(label.is_fraud for label in labels)
    says = f"{_counted(len(labels), 'label')}{condition}, {frauds} of fraud, {span_of(feature)}"
    if labels:
        first, last = (labels[i].known_us(feature.maturity) for i in (0, -1))
        says += f": {moment(first)} to {moment(last)}"
    return says


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def moment(us: int) -> str:
    """A time as the explanations show it, in UTC, with microseconds where there are any."""
    return from_us(us).replace(tzinfo=None).isoformat(" ")
