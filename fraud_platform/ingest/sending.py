"""Records to Kafka, with a failed delivery told and not lost in a log."""

from types import TracebackType
from typing import Self

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from fraud_platform.contracts.events import Label, Transaction
from fraud_platform.errors import UnavailableError
from fraud_platform.ingest.kafka_client import client_config, reaching, tried
from fraud_platform.settings import Kafka

# kafka-python sets no bound to what waits for a slow broker.
_UNCONFIRMED = 20_000
DELIVERY_SECONDS = 30


class Sender:
    """Sends transactions (keyed by user) and labels (keyed by transaction) to the topics.

    A record counts as sent when all in-sync replicas have it. Leaving the block flushes; it, `send`
    and `flush` raise UnavailableError with the count of records that were not delivered.
    """

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._encode = msgspec.json.Encoder().encode
        self._unconfirmed = 0
        self._failures: list[BaseException] = []
        with reaching(kafka):
            self._producer = KafkaProducer(
                **client_config(kafka),
                acks="all",
                linger_ms=5,
                delivery_timeout_ms=DELIVERY_SECONDS * 1000,
                request_timeout_ms=DELIVERY_SECONDS * 1000 // 2,
                max_block_ms=DELIVERY_SECONDS * 1000,
            )

    def transaction(self, transaction: Transaction) -> None:
        self._send(self._kafka.transactions_topic, transaction.user_id, transaction)

    def label(self, label: Label) -> None:
        self._send(self._kafka.labels_topic, label.transaction_id, label)

    def flush(self) -> None:
        """Waits until everything is delivered."""
        with reaching(self._kafka):
            self._producer.flush(timeout=2 * DELIVERY_SECONDS)
        self._unconfirmed = 0
        self._check()

    def _send(self, topic: str, key: str, value: msgspec.Struct) -> None:
        self._check()
        if self._unconfirmed >= _UNCONFIRMED:
            self.flush()
        self._unconfirmed += 1
        with reaching(self._kafka):
            sent = self._producer.send(topic, key=key.encode(), value=self._encode(value))
        sent.add_errback(self._failures.append)

    def _check(self) -> None:
        if not self._failures:
            return
        first = self._failures[0]
        with reaching(self._kafka):
            if not isinstance(first, KafkaError):
                raise first
            raise UnavailableError(
                f"{tried(self._kafka)}: {len(self._failures):,} records were not delivered: "
                f"{type(first).__name__}: {first}"
            ) from first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            self._producer.close(timeout=0 if error else DELIVERY_SECONDS)
