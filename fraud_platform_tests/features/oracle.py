"""The features by a loop over all events: slow, obvious, and written without the compilers."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

US = 1_000_000
HOUR, DAY = 3600 * US, 86_400 * US


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment of a generated history."""

    transaction_id: str
    timestamp_us: int
    user_id: str
    merchant_id: str
    amount_cents: int
    device_id: str | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A label of a payment."""

    payment: Payment
    labelled_at_us: int
    is_fraud: bool


class Oracle:
    """Answers for one history and one catalogue; NaN is missing."""

    def __init__(
        self, catalogue: Iterable[Any], payments: list[Payment], verdicts: list[Verdict]
    ) -> None:
        self.features = {feature.name: feature for feature in catalogue}
        self.payments, self.verdicts = payments, verdicts
        self._known: dict[tuple[str, str], float] = {}

    def vector(self, payment: Payment) -> list[float]:
        return [self.value(name, payment) for name in self.features]

    def value(self, name: str, payment: Payment) -> float:
        key = (name, payment.transaction_id)
        if key not in self._known:
            self._known[key] = self._value(name, payment)
        return self._known[key]

    def _value(self, name: str, payment: Payment) -> float:
        if name not in self.features:
            return request(name, payment)
        feature = self.features[name]
        return getattr(self, type(feature).__name__)(feature, payment)

    def Request(self, feature: Any, payment: Payment) -> float:  # noqa: N802
        return request(feature.field, payment)

    def Ratio(self, feature: Any, payment: Payment) -> float:  # noqa: N802
        above, below = (self.value(n, payment) for n in (feature.numerator, feature.denominator))
        return above / below if below != 0 else math.nan

    def StandardScore(self, feature: Any, payment: Payment) -> float:  # noqa: N802
        value, mean, deviation = (
            self.value(n, payment) for n in (feature.value, feature.mean, feature.deviation)
        )
        return (value - mean) / deviation if deviation > 0 else math.nan

    def WindowAggregate(self, feature: Any, payment: Payment) -> float:  # noqa: N802
        past = self._past(feature, feature.window, payment)
        if feature.aggregate == "distinct":
            ids = {getattr(p, feature.column) for p in past}
            return float(len(ids - {None}))
        if feature.aggregate == "count" and feature.column is None:
            return float(len(past))
        scale, integers = self._integers(feature, past)
        match feature.aggregate:
            case "count":
                return float(len(integers))
            case "sum":
                return sum(integers) / scale
            case "mean":
                return sum(integers) / (len(integers) * scale) if integers else math.nan
            case "max" | "min":
                choose = max if feature.aggregate == "max" else min
                return choose(integers) / scale if integers else math.nan
        n = float(len(integers))
        if n < 2:
            return math.nan
        total, squares = float(sum(integers)), float(sum(i * i for i in integers))
        return math.sqrt(max(n * squares - total * total, 0.0) / (n * (n - 1))) / scale

    def _integers(self, feature: Any, past: list[Payment]) -> tuple[int, list[int]]:
        """What is summed: cents, ten-thousandths, and for a deviation fewer digits."""
        rough = feature.aggregate == "std"
        if feature.column == "amount":
            return (
                (1, [p.amount_cents // 100 for p in past])
                if rough
                else (100, [p.amount_cents for p in past])
            )
        scale = 1 if feature.column in ("hour_of_day", "day_of_week") else 10_000
        if feature.column in self.features and feature.column != "hour_of_day":
            scale = 100 if rough else 10_000
        values = [self.value(feature.column, p) for p in past]
        return scale, [math.floor(v * scale + 0.5) for v in values if not math.isnan(v)]

    def TimeSinceLast(self, feature: Any, payment: Payment) -> float:  # noqa: N802
        times = [p.timestamp_us for p in self._past(feature, feature.within, payment)]
        return (payment.timestamp_us - max(times)) / US if times else math.nan

    def TimeSinceFirst(self, feature: Any, payment: Payment) -> float:  # noqa: N802
        times = [p.timestamp_us for p in self._past(feature, feature.within, payment)]
        return (payment.timestamp_us - min(times)) / US if times else math.nan

    def FirstSeen(self, feature: Any, payment: Payment) -> float:  # noqa: N802
        other = getattr(payment, feature.other)
        if other is None:
            return math.nan
        past = self._past(feature, feature.within, payment)
        return float(all(getattr(p, feature.other) != other for p in past))

    def LabelRate(self, feature: Any, payment: Payment) -> float:  # noqa: N802
        labels = self._labels(feature, payment)
        frauds = sum(v.is_fraud for _, v in labels)
        prior = feature.prior_rate * feature.prior_weight
        return (frauds + prior) / (len(labels) + feature.prior_weight)

    def LabelCount(self, feature: Any, payment: Payment) -> float:  # noqa: N802
        labels = self._labels(feature, payment)
        return float(sum(v.is_fraud or feature.of == "labels" for _, v in labels))

    def LastLabel(self, feature: Any, payment: Payment) -> float:  # noqa: N802
        labels = [(at, v.is_fraud) for at, v in self._labels(feature, payment)]
        return float(max(labels)[1]) if labels else math.nan

    def TimeSinceLabel(self, feature: Any, payment: Payment) -> float:  # noqa: N802
        labels = self._labels(feature, payment)
        wanted = {"labels": (True, False), "frauds": (True,), "legitimate": (False,)}[feature.of]
        times = [at for at, v in labels if v.is_fraud in wanted]
        return (payment.timestamp_us - max(times)) / US if times else math.nan

    def FraudRun(self, feature: Any, payment: Payment) -> float:  # noqa: N802
        labels = self._labels(feature, payment)
        legitimate = max((at for at, v in labels if not v.is_fraud), default=-1)
        run = [at for at, v in labels if v.is_fraud and at > legitimate]
        if feature.of == "frauds":
            return float(len(run))
        return (payment.timestamp_us - min(run)) / US if run else math.nan

    def _past(self, feature: Any, window: str, payment: Payment) -> list[Payment]:
        now = payment.timestamp_us
        today = now // DAY * DAY
        number, unit = int(window[:-1]), window[-1]
        if feature.key == "merchant_id":
            start, end = today - number * DAY, today
        elif unit == "h":
            start, end = now - number * HOUR, now
        else:
            start, end = today - (number - 1) * DAY, now
        return [
            p
            for p in self.payments
            if getattr(p, feature.key) == getattr(payment, feature.key)
            and start <= p.timestamp_us < end
            and self._holds(feature, p)
        ]

    def _labels(self, feature: Any, payment: Payment) -> list[tuple[int, Verdict]]:
        """Labels that count, each with the moment from which it was known and mature."""
        now = payment.timestamp_us
        start = now // DAY * DAY - (int(feature.window[:-1]) - 1) * DAY
        found = []
        for verdict in self.verdicts:
            mature = verdict.payment.timestamp_us + feature.maturity * DAY
            at = max(verdict.labelled_at_us, mature) if feature.maturity else verdict.labelled_at_us
            mine = getattr(verdict.payment, feature.key) == getattr(payment, feature.key)
            if mine and start <= at < now // HOUR * HOUR and self._holds(feature, verdict.payment):
                found.append((at, verdict))
        return found

    def _holds(self, feature: Any, payment: Payment) -> bool:
        where = getattr(feature, "where", None)
        if where is None:
            return True
        value = self.value(where.column, payment)
        if math.isnan(value) and where.or_missing:
            return True
        compare: dict[str, Callable[[float, float], bool]] = {
            ">": lambda a, b: a > b,
            ">=": lambda a, b: a >= b,
            "<": lambda a, b: a < b,
            "<=": lambda a, b: a <= b,
            "==": lambda a, b: a == b,
        }
        return compare[where.comparison](value, where.value)


def request(field: str, payment: Payment) -> float:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=payment.timestamp_us)
    match field:
        case "amount":
            return payment.amount_cents / 100
        case "amount_log":
            return math.floor(math.log(1 + payment.amount_cents / 100) * 10_000 + 0.5) / 10_000
        case "hour_of_day":
            return float(moment.hour)
    return float(moment.weekday())
