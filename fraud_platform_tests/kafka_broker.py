"""A real broker for the tests, and two topics of their own for each."""

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import msgspec
import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import TopicPartition

from fraud_platform.ingest.kafka_client import client_config
from fraud_platform.ingest.topics import Wanted, create_topics
from fraud_platform.local_kafka import LocalBroker, cache_folder, free_port
from fraud_platform.settings import Kafka, load_settings

CACHE = cache_folder(Path.cwd())


@dataclass(frozen=True)
class Record:
    """A record to produce; a value that is no bytes becomes JSON."""

    value: bytes | dict[str, object] | None
    key: bytes | None = None
    partition: int | None = None
    timestamp_ms: int | None = None


@dataclass(frozen=True)
class Topics:
    """Two topics of one test; `kind` is "transactions" or "labels" in every method."""

    kafka: Kafka
    transactions: str
    labels: str

    def name(self, kind: str) -> str:
        return {"transactions": self.transactions, "labels": self.labels}[kind]

    def produce(
        self, kind: str, records: Iterable[Record | bytes | dict[str, object]]
    ) -> list[tuple[int, int]]:
        """Sends the records in their order; the partition and the offset that each has got."""
        producer = KafkaProducer(**client_config(self.kafka), linger_ms=5)
        try:
            sent = []
            for one in records:
                record = one if isinstance(one, Record) else Record(one)
                value = record.value
                sent.append(
                    producer.send(
                        self.name(kind),
                        msgspec.json.encode(value) if isinstance(value, dict) else value,
                        key=record.key,
                        partition=record.partition,
                        timestamp_ms=record.timestamp_ms,
                    )
                )
            where = [future.get(timeout=30) for future in sent]
        finally:
            producer.close()
        return [(one.partition, one.offset) for one in where]

    def consume(self, kind: str) -> list[ConsumerRecord]:
        """All records that the topic holds now, by partition and offset."""
        consumer = KafkaConsumer(**client_config(self.kafka), auto_offset_reset="earliest")
        try:
            name = self.name(kind)
            parts = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name)]
            consumer.assign(parts)
            ends = consumer.end_offsets(parts)
            records: list[ConsumerRecord] = []
            while any((consumer.position(part) or 0) < ends[part] for part in parts):
                records += itertools.chain(*consumer.poll(timeout_ms=1000).values())
        finally:
            consumer.close()
        return sorted(records, key=lambda record: (record.partition, record.offset))


def needs_kafka() -> None:
    """Skips the test, saying why, where no broker can be had; on CI that is a failure."""
    missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
    fetched = any(CACHE.glob("kafka-*/libs"))
    if not missing or (fetched and "java" not in missing):
        return
    lacking(f"no Kafka broker: {' and '.join(missing)} not on the PATH")


def lacking(why: str) -> NoReturn:
    """Skips the test, saying what it lacks; on CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def running_broker(folder: Path) -> Iterator[str]:
    """The address of PREDICTFLOW_TEST_KAFKA, or of a broker that runs while the block does."""
    if given := os.environ.get("PREDICTFLOW_TEST_KAFKA"):
        yield given
        return
    needs_kafka()
    broker = LocalBroker(folder, free_port(), CACHE)
    try:
        broker.start()
        yield broker.address
    finally:
        broker.kill()


def new_topics(brokers: str, patch: pytest.MonkeyPatch, partitions: int = 3) -> Topics:
    """Topics under new names, and a new group, as the environment's settings have them."""
    mark = uuid4().hex[:10]
    for name, value in {
        "BROKERS": brokers,
        "GROUP": f"group-{mark}",
        "TRANSACTIONS_TOPIC": f"transactions-{mark}",
        "LABELS_TOPIC": f"labels-{mark}",
        "PREDICTIONS_TOPIC": f"predictions-{mark}",
    }.items():
        patch.setenv(f"PREDICTFLOW_KAFKA_{name}", value)
    kafka = load_settings().kafka
    create_topics(kafka, Wanted(partitions))
    return Topics(kafka, kafka.transactions_topic, kafka.labels_topic)


class OwnBrokers:
    """Starts brokers of one test; all of them are gone when it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[LocalBroker] = []

    def __call__(
        self,
        *,
        listeners: Sequence[str] = (),
        properties: dict[str, str] | None = None,
        users: dict[str, str] | None = None,
    ) -> LocalBroker:
        """A running broker; `listeners` are names as NAME:PROTOCOL, on ports of their own."""
        needs_kafka()
        named = dict(one.split(":") for one in listeners)
        broker = LocalBroker(
            self._folder / f"broker-{len(self._started)}",
            free_port(),
            CACHE,
            listeners={name: (free_port(), protocol) for name, protocol in named.items()},
            properties=properties or {},
            users=users or {},
        )
        self._started.append(broker)
        broker.start()
        return broker

    def end(self) -> None:
        for broker in self._started:
            broker.kill()
