"""What people write instead of an ingester, and the bare clients, each over a topic's backlog."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pydantic
from confluent_kafka import Consumer
from deltalake import write_deltalake
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from benchmarks.peers import Payment

BATCH = 10_000


def plain(broker: str, topic: str, folder: Path, limit: int) -> tuple[int, float]:
    """A message at a time: json.loads, a pydantic model, one insert into DuckDB; rows, seconds."""
    database = duckdb.connect(str(folder / "plain.duckdb"))
    database.execute(
        "CREATE TABLE payments (transaction_id TEXT, timestamp TIMESTAMPTZ, user_id TEXT, "
        "merchant_id TEXT, amount DOUBLE, device_id TEXT)"
    )
    started, rows = time.perf_counter(), 0
    for message in _messages(broker, topic):
        payment = _payment(message.value)
        if payment is not None:
            values = list(payment.model_dump().values())
            database.execute("INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?)", values)
        rows += 1
        if rows == limit:
            break
    return rows, time.perf_counter() - started


def batched(broker: str, topic: str, folder: Path, limit: int) -> tuple[int, float]:
    """The same, appended to a Delta table ten thousand at a time; rows, seconds."""
    started, rows = time.perf_counter(), 0
    batch: list[dict[str, Any]] = []
    for message in _messages(broker, topic):
        payment = _payment(message.value)
        if payment is not None:
            batch.append(payment.model_dump())
        rows += 1
        if len(batch) == BATCH or rows == limit:
            write_deltalake(str(folder / "batched"), _table(batch), mode="append")
            batch.clear()
        if rows == limit:
            break
    return rows, time.perf_counter() - started


def polled(broker: str, topic: str, _folder: Path, limit: int) -> tuple[int, float]:
    """kafka-python alone, with our settings: polls and does nothing; rows, seconds."""
    consumer = KafkaConsumer(
        bootstrap_servers=broker,
        max_poll_records=10_000,
        fetch_max_bytes=64 * 2**20,
        max_partition_fetch_bytes=2**20,
        enable_auto_commit=False,
    )
    _read_from_start(consumer, topic)
    started, rows = time.perf_counter(), 0
    while rows < limit:
        rows += sum(map(len, consumer.poll(timeout_ms=1000).values()))
    return rows, time.perf_counter() - started


def librdkafka(broker: str, topic: str, _folder: Path, limit: int) -> tuple[int, float]:
    """confluent-kafka alone: consumes and does nothing; rows, seconds."""
    consumer = Consumer(
        {"bootstrap.servers": broker, "group.id": "bench", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    consumer.poll(10)  # joining the group isn't measured
    started, rows = time.perf_counter(), 1
    while rows < limit:
        rows += len(consumer.consume(10_000, timeout=1))
    return rows, time.perf_counter() - started


def _messages(broker: str, topic: str) -> Iterator[Any]:
    consumer = KafkaConsumer(bootstrap_servers=broker, enable_auto_commit=False)
    _read_from_start(consumer, topic)
    yield from consumer


def _read_from_start(consumer: KafkaConsumer, topic: str) -> None:
    partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)


def _payment(value: bytes) -> Payment | None:
    try:
        return Payment.model_validate(json.loads(value))
    except (ValueError, pydantic.ValidationError):
        return None


def _table(batch: list[dict[str, Any]]) -> pa.Table:
    kinds = {str: pa.string(), float: pa.float64(), datetime: pa.timestamp("us", tz="UTC")}
    fields = [
        ("transaction_id", str),
        ("timestamp", datetime),
        ("user_id", str),
        ("merchant_id", str),
        ("amount", float),
        ("device_id", str),
    ]
    return pa.Table.from_pylist(batch, schema=pa.schema([(n, kinds[k]) for n, k in fields]))
