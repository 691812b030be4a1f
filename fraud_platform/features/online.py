"""The catalogue compiled for one transaction: the same bits as the SQL, from the online state."""

import math
from bisect import bisect_left
from collections.abc import Callable

import msgspec

from fraud_platform.clock import DAY_US, HOUR_US, MICROSECONDS
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.declarations import (
    Feature,
    FirstSeen,
    LabelRate,
    Request,
    TimeSinceLast,
    WindowAggregate,
)
from fraud_platform.features.state import MerchantLabels, UserDaily, UserRecent, identifier_hash


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction to compute features for: cents, microseconds UTC."""

    timestamp_us: int
    amount_cents: int
    device_id: str | None = None


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The online state that a transaction is seen against; the defaults are a stranger's."""

    user_recent: UserRecent = UserRecent()
    user_daily: UserDaily = UserDaily()
    merchant_labels: MerchantLabels = MerchantLabels()


Compute = Callable[[Event, Context], float]

_REQUEST: dict[str, Callable[[Event], float]] = {
    "amount": lambda event: event.amount_cents / 100,
    # math.log is the C library's, as DuckDB's LN is: log1p would differ in the last bit.
    "amount_log": lambda event: math.log(1 + event.amount_cents / 100),
    "hour_of_day": lambda event: float(event.timestamp_us % DAY_US // HOUR_US),
    "day_of_week": lambda event: float((event.timestamp_us // DAY_US + 3) % 7),
}


def compute_vector(event: Event, context: Context) -> list[float]:
    """The feature vector of an event, in catalogue order; a missing value is NaN."""
    return [compute(event, context) for compute in _COMPUTES]


def _compile(feature: Feature) -> Compute:
    match feature:
        case Request(field=field):
            of_event = _REQUEST[field]
            return lambda event, _: of_event(event)
        case WindowAggregate(key="user_id"):
            return _window_aggregate(feature)
        case TimeSinceLast(key="user_id"):
            return _time_since_last(feature)
        case FirstSeen(key="user_id"):
            return _first_seen(feature)
        case LabelRate(key="merchant_id"):
            return _label_rate(feature)
    raise TypeError(
        f"feature {feature.name}: no online state is kept for {type(feature).__name__} "
        f"by {getattr(feature, 'key', 'this key')}"
    )


def _window_aggregate(feature: WindowAggregate) -> Compute:
    window_us, count = feature.window_us, feature.aggregate == "count"

    def compute(event: Event, context: Context) -> float:
        recent = context.user_recent
        first = bisect_left(recent.timestamps_us, event.timestamp_us - window_us)
        end = bisect_left(recent.timestamps_us, event.timestamp_us)
        return float(end - first) if count else sum(recent.amounts_cents[first:end]) / 100

    return compute


def _time_since_last(feature: TimeSinceLast) -> Compute:
    def compute(event: Event, context: Context) -> float:
        now = event.timestamp_us
        recent = context.user_recent.timestamps_us
        end = bisect_left(recent, now)
        last = recent[end - 1] if end else 0
        daily = context.user_daily.last_timestamp_us
        if last < daily < now:
            last = daily
        opens = now - now % DAY_US - feature.days_us
        return (now - last) / MICROSECONDS if last and last >= opens else math.nan

    return compute


def _first_seen(feature: FirstSeen) -> Compute:
    def compute(event: Event, context: Context) -> float:
        if event.device_id is None:
            return math.nan
        device = identifier_hash(event.device_id)
        now = event.timestamp_us
        opens = now - now % DAY_US - feature.days_us
        recent, daily = context.user_recent, context.user_daily
        seen = any(
            known == device and opens <= at < now
            for hashes, times in (
                (recent.device_hashes, recent.timestamps_us),
                (daily.device_hashes, daily.device_last_us),
            )
            for known, at in zip(hashes, times, strict=True)
        )
        return 0.0 if seen else 1.0

    return compute


def _label_rate(feature: LabelRate) -> Compute:
    prior_frauds, prior_weight = feature.prior_rate * feature.prior_weight, feature.prior_weight

    def compute(event: Event, context: Context) -> float:
        state = context.merchant_labels
        hour = event.timestamp_us - event.timestamp_us % HOUR_US
        if state.as_of_us <= hour - feature.window_us:  # all of it has left the window
            return prior_frauds / prior_weight
        return (state.frauds + prior_frauds) / (state.labels + prior_weight)

    return compute


_COMPUTES = tuple(_compile(feature) for feature in CATALOGUE)
