"""Records of every kind for the soak, and the comparison of the lake with the topics."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.ingest.contract_decoder import MAX_RECORD
from fraud_platform.lake.store import Lake

POISON = (
    b"\xff\xfe\x00 not text",
    b"{",
    b"[1, 2]",
    b"",
    b'{"transaction_id": "poison", "amount": NaN}',
    b'{"transaction_id": 7, "is_fraud": "perhaps"}',
    b'{"a":' * 5_000,
    b" " * (MAX_RECORD + 1),
)


@dataclass(frozen=True)
class Made:
    """A record to send: the kind of its topic, its key and its value."""

    kind: str
    key: bytes | None
    value: bytes | None


def records(count: int, seed: int) -> Iterator[Made]:
    """Transactions; a tenth labels; one in fifty sent again; one in a hundred poison."""
    chance = random.Random(seed)
    now = datetime.now(UTC) - timedelta(hours=1)
    former: Made | None = None
    for number in range(count):
        draw = chance.random()
        kind = "labels" if chance.random() < 0.1 else "transactions"
        moment = (now + timedelta(milliseconds=number)).isoformat()
        if draw < 0.01:
            yield Made(kind, b"poison", chance.choice((*POISON, None)))
        elif draw < 0.03 and former is not None:
            yield former
        elif kind == "labels":
            value = {
                "transaction_id": f"t{chance.randrange(number + 1)}",
                "is_fraud": chance.random() < 0.1,
                "labelled_at": moment,
                "source": "soak",
            }
            yield Made(kind, None, json.dumps(value).encode())
        else:
            user = f"u{chance.randrange(500)}"
            value = {
                "transaction_id": f"t{number}",
                "timestamp": moment,
                "user_id": user,
                "merchant_id": f"m{chance.randrange(50)}",
                "device_id": None if chance.random() < 0.2 else f"d{user}",
                "amount": chance.randrange(1, 100_000) / 100,
            }
            former = Made(kind, user.encode(), json.dumps(value).encode())
            yield former


@dataclass(frozen=True)
class Compared:
    """What the topics hold against what the lake holds; `difference` counts what isn't equal."""

    produced: int
    landed: int
    quarantined: int
    duplicates: int
    difference: int


def compare(lake: Lake, broker: str, topics: dict[str, str]) -> Compared:
    """Reads the topics back with a plain consumer and holds every record against its row.

    A record must have exactly one row, under its topic, partition and offset: with the values that
    it carries, or, where it is poison, with its bytes in the quarantine.
    """
    sent = _read_back(broker, topics)
    names = ["kind", "source", "partition", "offset", "transaction_id", "amount_cents", "raw"]
    rows = lake.read(LANDED_EVENTS, date.min, date.max, columns=names)
    rows = rows.filter(pl.col("kind") != "schema")
    found: dict[tuple[str, int, int], list[tuple[object, ...]]] = {}
    for kind, source, partition, offset, *values in rows.iter_rows():
        found.setdefault((source, partition, offset), []).append((kind, *values))
    wrong = sum(found.get(at) != [_row(kind, value)] for at, (kind, value) in sent.items())
    ids = rows.filter(pl.col("kind") == "transaction")["transaction_id"]
    quarantined = int((rows["kind"] == "rejected").sum())
    return Compared(
        produced=len(sent),
        landed=rows.height - quarantined,
        quarantined=quarantined,
        duplicates=ids.len() - ids.n_unique(),
        difference=wrong + len(found.keys() - sent.keys()),
    )


def _read_back(
    broker: str, topics: dict[str, str]
) -> dict[tuple[str, int, int], tuple[str, bytes | None]]:
    consumer = KafkaConsumer(bootstrap_servers=broker, enable_auto_commit=False)
    kinds = {name: kind for kind, name in topics.items()}
    partitions = [
        TopicPartition(name, number)
        for name in kinds
        for number in consumer.partitions_for_topic(name) or ()
    ]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    sent: dict[tuple[str, int, int], tuple[str, bytes | None]] = {}
    while any((consumer.position(at) or 0) < end for at, end in ends.items()):
        for at, polled in consumer.poll(timeout_ms=1000).items():
            for record in polled:
                sent[at.topic, at.partition, record.offset] = (kinds[at.topic], record.value)
    consumer.close()
    return sent


def _row(kind: str, value: bytes | None) -> tuple[object, ...]:
    """What the lake must hold of a record: kind, transaction_id, cents and raw bytes."""
    if value is None or value in POISON:
        return ("rejected", None, None, value or b"")
    sent = json.loads(value)
    if kind == "labels":
        return ("label", sent["transaction_id"], None, None)
    return ("transaction", sent["transaction_id"], round(sent["amount"] * 100), None)
