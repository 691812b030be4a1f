"""What comes in at the edge: transactions and labels, decoded and checked by msgspec."""

from datetime import datetime
from typing import Annotated

import msgspec

from fraud_platform.clock import MICROSECONDS, to_us

MAX_AMOUNT = 1_000_000
MAX_AHEAD_US = 5 * 60 * MICROSECONDS

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Transaction(msgspec.Struct, frozen=True):
    """One card payment as it arrives: a Kafka message, an NDJSON line or a `/predict` body.

    `amount` is in currency units with at most two decimals, over 0 and up to 1,000,000;
    `timestamp` is RFC 3339 with a zone. Unknown fields are left out.
    """

    transaction_id: Identifier
    timestamp: Moment
    user_id: Identifier
    merchant_id: Identifier
    amount: float
    device_id: Identifier | None = None


class Label(msgspec.Struct, frozen=True):
    """The verdict on a transaction, known from `labelled_at` on."""

    transaction_id: Identifier
    is_fraud: bool
    labelled_at: Moment
    source: Annotated[str, msgspec.Meta(max_length=64)] = "unknown"


# Other programs' arithmetic leaves binary noise behind (5 * 10.46 is 52.300000000000004): what is
# within a millionth of a cent of a whole cent is that cent.
CENT_TOLERANCE = 1e-6


def amount_cents(amount: float) -> int:
    """Cents of an amount; raises ValueError for what is not money over 0 and up to 1,000,000."""
    if not 0 < amount <= MAX_AMOUNT:  # NaN and the infinities fail this too
        raise ValueError(f"amount {amount} is not over 0 and up to {MAX_AMOUNT:,}")
    cents = round(amount * 100)
    if abs(amount * 100 - cents) > CENT_TOLERANCE:
        raise ValueError(f"amount {amount} has more than two decimals")
    if cents == 0:
        raise ValueError(f"amount {amount} is less than a cent")
    return cents


def timestamp_us(moment: datetime, now_us: int) -> int:
    """Microseconds UTC of a timestamp; raises ValueError when it lies over five minutes ahead."""
    us = to_us(moment)
    if us > now_us + MAX_AHEAD_US:
        raise ValueError(f"timestamp {moment.isoformat()} is more than five minutes ahead")
    return us
