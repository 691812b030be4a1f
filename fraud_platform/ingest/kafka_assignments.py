"""What the group assigns to a consumer and takes from it."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator

from kafka import KafkaConsumer
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.structs import TopicPartition

from fraud_platform.ingest.kafka_landing import KafkaLanding

log = logging.getLogger("predictflow.ingest")


class Assignments(ConsumerRebalanceListener):
    """Hears of the group's assignments, in the client's own thread, for the session to take up.

    What is assigned is read from where the lake says before anything of it is polled.
    """

    def __init__(self, consumer: KafkaConsumer, landing: KafkaLanding) -> None:
        self._consumer, self._landing = consumer, landing
        self._heard: deque[dict[TopicPartition, int | None]] = deque()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        log.info("assigned %s", ", ".join(f"{at.topic}/{at.partition}" for at in sorted(assigned)))
        positions = self._landing.positions(assigned)
        for at, offset in positions.items():
            self._consumer.seek(at, offset)
        self._heard.append({**positions})

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._heard.append(dict.fromkeys(revoked))

    on_partitions_lost = on_partitions_revoked

    def take(self) -> Iterator[dict[TopicPartition, int | None]]:
        """What was heard since: by partition the offset to read from, or None for one that went."""
        while self._heard:
            yield self._heard.popleft()
