"""Kafka's records as payments: what the contract accepts, and why the rest is passed over."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from kafka.consumer.fetcher import ConsumerRecord

from fraud_platform.contracts.events import MAX_AHEAD_US
from fraud_platform.features.past import Event
from fraud_platform.ingest.contract_decoder import TYPE_CHANGED, ContractDecoder
from fraud_platform.stream.recent_events import Payment

_AHEAD = "is more than five minutes ahead"


class Payments(NamedTuple):
    """What records hold: payments in the records' order, and how many were skipped by reason."""

    accepted: list[Payment]
    skipped: Counter[str]


class PaymentDecoder:
    """Decodes records as ingestion does; it is the ingester who lands what is skipped here."""

    def __init__(self) -> None:
        self._decoder = ContractDecoder("transactions")

    def decode(self, records: Sequence[ConsumerRecord]) -> Payments:
        """The payments of records, and what was skipped: `future`, `type_changed`, `invalid`.

        A payment is of the future by the clock, or by its record's own timestamp: one that was
        refused when it came is refused too when it is read again the day after.
        """
        now = time.time_ns() // 1_000
        decoded = self._decoder.decode([record.value for record in records], now)
        skipped = Counter(map(_reason, (reject.reason for reject in decoded.rejected)))
        # A record without a timestamp has -1.
        latest = [
            MAX_AHEAD_US + (record.timestamp * 1000 if record.timestamp > 0 else now)
            for record in records
        ]
        names = (
            "user_id",
            "transaction_id",
            "timestamp_us",
            "amount_cents",
            "merchant_id",
            "device_id",
        )
        rows = decoded.accepted.select("offset", *names).rows()
        accepted = [
            Payment(
                user,
                transaction,
                Event(timestamp_us=us, amount_cents=cents, merchant_id=merchant, device_id=device),
                records[index].timestamp,
            )
            for index, user, transaction, us, cents, merchant, device in rows
            if us <= latest[index]
        ]
        skipped["future"] += len(rows) - len(accepted)
        return Payments(accepted, +skipped)


def _reason(said: str) -> str:
    if said.endswith(_AHEAD):
        return "future"
    return "type_changed" if said.startswith(TYPE_CHANGED) else "invalid"
