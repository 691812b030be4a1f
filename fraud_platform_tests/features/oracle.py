"""The features by a loop over all events: slow, obvious, and written without the compilers."""

import math
from datetime import UTC, datetime, timedelta

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
    """A label of a generated history."""

    merchant_id: str
    labelled_at_us: int
    is_fraud: bool


def oracle(payment: Payment, payments: list[Payment], verdicts: list[Verdict]) -> list[float]:
    """The nine seed features of a payment, in catalogue order; NaN is missing."""
    now = payment.timestamp_us
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now)
    today = now // DAY * DAY
    hour = now // HOUR * HOUR
    mine = [p for p in payments if p.user_id == payment.user_id and p.timestamp_us < now]
    last_24h = [p for p in mine if p.timestamp_us >= now - 24 * HOUR]
    last_30d = [p for p in mine if p.timestamp_us >= today - 29 * DAY]
    known = [
        v
        for v in verdicts
        if v.merchant_id == payment.merchant_id and hour - 28 * DAY <= v.labelled_at_us < hour
    ]
    frauds = sum(v.is_fraud for v in known)
    since = min((now - p.timestamp_us for p in last_30d), default=None)
    if payment.device_id is None:
        device_new = math.nan
    else:
        device_new = float(all(p.device_id != payment.device_id for p in last_30d))
    return [
        payment.amount_cents / 100,
        math.log(1 + payment.amount_cents / 100),
        float(moment.hour),
        float(moment.weekday()),
        float(len(last_24h)),
        sum(p.amount_cents for p in last_24h) / 100,
        (frauds + 0.01 * 20.0) / (len(known) + 20.0),
        math.nan if since is None else since / US,
        device_new,
    ]
