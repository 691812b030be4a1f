"""What a feature vector is explained from: the payments, labels and tiles of its windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from fraud_platform.clock import DAY_US, HOUR_US, day_of, day_start_us
from fraud_platform.features.columns import INTEGERS, base_column, feature_integer, scale_of
from fraud_platform.features.declarations import Feature, Key, LabelFeature, Where
from fraud_platform.features.declared import FIELDS, key_of, window_text


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction; `was` holds features of it that others look back on, as they were then."""

    transaction_id: str
    timestamp_us: int
    user_id: str
    merchant_id: str
    amount_cents: int
    device_id: str | None = None
    was: dict[str, float | None] = {}

    def value(self, column: str) -> float | None:
        """A figure or feature of the payment; None where it is missing."""
        if column in FIELDS:
            return INTEGERS[column](self.timestamp_us, self.amount_cents) / scale_of(column)
        return self.was.get(column)

    def integer(self, column: str) -> int | None:
        """What sums over a column are made of."""
        if column in INTEGERS:
            return INTEGERS[column](self.timestamp_us, self.amount_cents)
        value = self.was.get(base_column(column) or column)
        return None if value is None else feature_integer(column, value)

    def holds(self, where: Where | None) -> bool:
        """Whether a condition holds for the payment."""
        if where is None:
            return True
        value = self.value(where.column)
        if value is None:
            return where.or_missing
        return where.holds(value)


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """A label of a payment."""

    payment: Payment
    labelled_at_us: int
    is_fraud: bool

    def known_us(self, maturity: int) -> int:
        """From when on it counts, for a maturity in days."""
        matured = self.payment.timestamp_us + maturity * DAY_US
        return max(self.labelled_at_us, matured) if maturity else self.labelled_at_us


@dataclass(frozen=True)
class Sources:
    """A transaction, its stored features (None for missing), and the past of its ids by time.

    `payments` and `labels` may hold more than the windows; `tiles` say how many payments a key's
    daily tiles were made of.
    """

    payment: Payment
    stored: Mapping[str, float | None]
    payments: Mapping[Key, Sequence[Payment]]
    labels: Mapping[Key, Sequence[Label]]
    tiles: Mapping[Key, Mapping[date, int]]

    def value(self, name: str) -> float | None:
        """The stored value of a feature, or a figure of the transaction itself."""
        return self.stored[name] if name in self.stored else self.payment.value(name)

    def window(self, feature: Feature) -> tuple[int, int]:
        """Where a feature's window over events begins and ends, in microseconds."""
        now = self.payment.timestamp_us
        today = now - now % DAY_US
        window = feature.window_of(window_text(feature))
        if key_of(feature) == "merchant_id":
            return today - window.days * DAY_US, today
        if window.us:
            return now - window.us, now
        return today - (window.days - 1) * DAY_US, now

    def payments_in(self, feature: Feature) -> list[Payment]:
        """All payments of the feature's key in its window, whatever its condition."""
        key = key_of(feature)
        assert key is not None
        start, end = self.window(feature)
        return [p for p in self.payments[key] if start <= p.timestamp_us < end]

    def labels_in(self, feature: LabelFeature) -> list[Label]:
        """The labels that count, as they became known."""
        now = self.payment.timestamp_us
        end = now - now % HOUR_US
        start = now - now % DAY_US - (feature.days_of(feature.window) - 1) * DAY_US
        found = [
            label
            for label in self.labels[feature.key]
            if start <= label.known_us(feature.maturity) < end
            and label.payment.holds(feature.where)
        ]
        return sorted(found, key=lambda label: label.known_us(feature.maturity))

    def tiles_in(self, feature: Feature) -> dict[date, int]:
        """Of the full days of the feature's window, the payments that the tiles say."""
        key = key_of(feature)
        assert key is not None
        start, _ = self.window(feature)
        today = day_of(self.payment.timestamp_us)
        return {
            day: count
            for day, count in self.tiles[key].items()
            if start <= day_start_us(day) and day < today
        }
