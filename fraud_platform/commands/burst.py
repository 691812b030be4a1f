"""Ten quick small payments of one user, as who tests a card makes them: the next one's count shows
them, because the service recorded them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fraud_platform.clock import to_us
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.online import Event, compute_vector
from fraud_platform.online import open_store
from fraud_platform.settings import Settings

PAYMENTS, APART, AMOUNT = 10, timedelta(seconds=30), 2.5
SECONDS = 10.0
COUNT = "user_tx_count_24h"


@dataclass(frozen=True)
class Burst:
    """The user's payments of the last 24 h, as the first payment and the eleventh quick
    one see it, and the fraud probability of the first and the last quick one."""

    user_id: str
    counts: tuple[int, int]
    probabilities: tuple[float, float]


def burst(
    settings: Settings, after: dict[str, Any], ask: Callable[[dict[str, Any]], dict[str, Any]]
) -> Burst:
    """Asks about ten payments soon after the one given, which was asked about, and an eleventh.

    They are the same each time, so that a demo that runs again counts none of them twice. Raises
    PredictFlowError where the service has not recorded them in time.
    """
    begin = datetime.fromisoformat(after["timestamp"]) + timedelta(minutes=1)
    quick = [
        {
            **after,
            "amount": AMOUNT,
            "transaction_id": f"{after['transaction_id'][:50]}-quick-{n}",
            "timestamp": (begin + n * APART).isoformat(),
        }
        for n in range(PAYMENTS + 1)
    ]
    before = _count(settings, after)  # itself not among them
    first, *_ = [ask(payment) for payment in quick[:PAYMENTS]]
    end = time.monotonic() + SECONDS
    while (count := _count(settings, quick[-1])) < before + 1 + PAYMENTS:
        if time.monotonic() > end:
            raise PredictFlowError(
                f"the service recorded {count - before} of {1 + PAYMENTS} payments within "
                f"{SECONDS:g} s; its log, {settings.data_dir / 'serve.log'}, says why"
            )
        time.sleep(0.02)
    last = ask(quick[-1])
    probabilities = (first["fraud_probability"], last["fraud_probability"])
    return Burst(after["user_id"], (before, count), probabilities)


def _count(settings: Settings, payment: dict[str, Any]) -> int:
    """How many payments of its last 24 h a payment's user is known for."""
    event = Event(
        timestamp_us=to_us(datetime.fromisoformat(payment["timestamp"])),
        amount_cents=1,
        merchant_id=payment["merchant_id"],
        device_id=payment["device_id"],
    )
    with open_store(settings) as store:
        (context,) = store.contexts([payment["user_id"]], [payment["merchant_id"]])
    return int(compute_vector(event, context)[FEATURE_NAMES.index(COUNT)])
