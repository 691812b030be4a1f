"""Are the features served beside a live stream those of the lake, to the bit?

    python -m benchmarks.live_parity [--transactions 50000] [--broker host:port]

Simulated days are landed from a file and made; the last one goes through Kafka by time: a stream
worker (a process of its own) keeps the recent events in a Valkey, and the transactions are landed
from there. Before each is sent, its vector is computed from the store twice: at once, and when the
worker has written what was sent before. Labels are written at each full hour of the events. Then
the day is made in the lake, and both are compared with it: the second must agree to the bit, the
first shows what is missed by asking before the stream is there (freshness skew).

The last line is JSON: {"vectors", "features", "differing", "by_feature", "skewed", "skew_share"}.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
import polars as pl
from confluent_kafka import Producer
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from benchmarks.broker import broker_of
from fraud_platform.clock import HOUR_US, day_start_us, from_us
from fraud_platform.commands.ingest import ingest
from fraud_platform.commands.ingest_kafka import run_to_end
from fraud_platform.commands.materialize import materialize
from fraud_platform.commands.online import rebuild
from fraud_platform.commands.simulate import write
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.online import Event, compute_vector
from fraud_platform.features.snapshot import FrameStates
from fraud_platform.features.state import VIEWS, identifier_hash
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.ingest.mapping import FieldMap
from fraud_platform.lake.online_state import OnlineState
from fraud_platform.lake.store import Lake
from fraud_platform.monitoring.parity import Parity
from fraud_platform.online import OnlineStore, open_store
from fraud_platform.settings import Settings, load_settings
from fraud_platform.simulator import SimulatorConfig
from fraud_platform_tests.valkey_server import Valkey

FIRST, DAYS = date(2026, 3, 1), 9
LIVE = FIRST + timedelta(days=DAYS - 1)
AFTER = LIVE + timedelta(days=1)
TABLES = (
    "raw_transactions,daily_tiles,transaction_habits,transaction_labels,label_tiles,"
    "transaction_features"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=50_000, help="Of the live day.")
    parser.add_argument("--broker", help="host:port of a running broker; by default one is started")
    asked = parser.parse_args()
    with broker_of(asked.broker) as broker, tempfile.TemporaryDirectory() as folder:
        valkey = Valkey(Path(folder) / "valkey")
        try:
            print(json.dumps(measure(broker, valkey, Path(folder), asked.transactions)))
        finally:
            valkey.kill()


def measure(broker: str, valkey: Valkey, folder: Path, transactions: int) -> dict[str, Any]:
    topic, labels_topic = (f"{name}-{uuid4().hex[:8]}" for name in ("transactions", "labels"))
    os.environ |= {
        "PREDICTFLOW_DATA_DIR": str(folder / "data"),
        "PREDICTFLOW_FIRST_DAY": FIRST.isoformat(),
        "PREDICTFLOW_KAFKA_BROKERS": broker,
        "PREDICTFLOW_KAFKA_TRANSACTIONS_TOPIC": topic,
        "PREDICTFLOW_KAFKA_LABELS_TOPIC": labels_topic,
        "PREDICTFLOW_ONLINE_STORE": "redis",
        "PREDICTFLOW_ONLINE_REDIS_URL": valkey.url,
        "PREDICTFLOW_ONLINE_RECENT_BY": "stream",
        "PREDICTFLOW_STREAM_METRICS_PORT": "0",
    }
    settings = load_settings()
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics([NewTopic(topic, 6, 1), NewTopic(labels_topic, 6, 1)])
    admin.close()
    live = history(settings, folder, transactions)
    print(f"{live.height:,} transactions of {LIVE} after {DAYS - 1} days in the lake")
    rebuild(settings, from_us(day_start_us(LIVE)))
    with worker(folder / "stream.log"), open_store(settings) as store:
        producer = Producer({"bootstrap.servers": broker, "linger.ms": 1})
        served, at_once = stream(Live(settings, store, producer, topic), live)
    run_to_end(accept_loss=False, as_json=True)
    materialize(settings, LIVE, LIVE, TABLES)
    offline = Lake(settings.lake_dir).read(TRANSACTION_FEATURES, LIVE, AFTER)
    return compared(live, offline, served, at_once)


def history(settings: Settings, folder: Path, transactions: int) -> pl.DataFrame:
    """Lands all days but the last, and all labels; gives the last day's transactions by time."""
    world = SimulatorConfig(
        start=FIRST, days=DAYS, transactions_per_day=transactions, users=20_000, merchants=2_000
    )
    whole = folder / "world.parquet"
    write(world, whole)
    rows = pl.read_parquet(whole)
    day = pl.col("timestamp").dt.date()
    rows.filter(day < LIVE).write_parquet(folder / "history.parquet")
    ingest(settings, [folder / "history.parquet"], FieldMap())
    materialize(settings, FIRST, LIVE - timedelta(days=1), TABLES)
    return rows.filter(day == LIVE).sort("timestamp", "transaction_id")


@contextmanager
def worker(log: Path) -> Iterator[None]:
    """`predictflow stream` as a process of its own, ended with the block."""
    command = [sys.executable, "-m", "fraud_platform", "stream", "--json"]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output) as process,
    ):
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


class Live:
    """The store that is asked, and the topic that transactions are sent to."""

    def __init__(
        self, settings: Settings, store: OnlineStore, producer: Producer, topic: str
    ) -> None:
        self.settings, self.store = settings, store
        self.state = OnlineState(Lake(settings.lake_dir), CATALOGUE)
        self._producer, self._topic = producer, topic

    def write_labels(self, hour_us: int) -> None:
        for view, rows in self.state.of_labels(hour_us, self.settings.labels.lookback_days):
            self.store.write(view, FrameStates(view, rows), from_us(hour_us))

    def vectors(self, rows: list[dict[str, Any]]) -> list[list[float]]:
        contexts = self.store.contexts(
            [row["user_id"] for row in rows], [row["merchant_id"] for row in rows]
        )
        return [
            compute_vector(event_of(row), context)
            for row, context in zip(rows, contexts, strict=True)
        ]

    def send(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self._producer.produce(
                self._topic, msgspec.json.encode(payment_of(row)), key=row["user_id"]
            )
        self._producer.flush()

    def wait_for(self, rows: list[dict[str, Any]]) -> None:
        """Until the worker has written these."""
        waiting = {row["user_id"]: identifier_hash(row["transaction_id"]) for row in rows}
        while waiting:
            found = self.store.read(VIEWS[:1], list(waiting))
            hashes: list[Any] = [state["user_recent"]["transaction_hashes"] for state in found]
            written = [u for u, known in zip(waiting, hashes, strict=True) if waiting[u] in known]
            for user in written:
                del waiting[user]
            time.sleep(0.005)


def stream(live: Live, day: pl.DataFrame) -> tuple[list[list[float]], list[list[float]]]:
    """Each vector when all before it is written, and each as it was asked for at once."""
    served: list[list[float]] = []
    at_once: list[list[float]] = []
    hour, before = -1, list[dict[str, Any]]()
    for wave in waves(day):
        now = int(wave[0]["timestamp"].timestamp()) * 1_000_000 // HOUR_US
        if now != hour:
            hour = now
            live.write_labels(hour * HOUR_US)
        at_once += live.vectors(wave)
        live.wait_for(before)
        served += live.vectors(wave)
        live.send(wave)
        before = wave
        print(f"\r{len(served):,} of {day.height:,}", end="", file=sys.stderr)
    live.wait_for(before)
    return served, at_once


def waves(day: pl.DataFrame) -> Iterator[list[dict[str, Any]]]:
    """Transactions by time, cut where a user comes again or an hour begins."""
    wave: list[dict[str, Any]] = []
    users: set[str] = set()
    for row in day.iter_rows(named=True):
        if row["user_id"] in users or (wave and row["timestamp"].hour != wave[0]["timestamp"].hour):
            yield wave
            wave, users = [], set()
        wave.append(row)
        users.add(row["user_id"])
    yield wave


def event_of(row: dict[str, Any]) -> Event:
    moment = row["timestamp"]
    us = int(moment.timestamp()) * 1_000_000 + moment.microsecond
    return Event(
        timestamp_us=us,
        amount_cents=round(row["amount"] * 100),
        merchant_id=row["merchant_id"],
        device_id=row["device_id"],
    )


def payment_of(row: dict[str, Any]) -> dict[str, Any]:
    named = ("transaction_id", "user_id", "merchant_id", "device_id", "amount")
    return {name: row[name] for name in named} | {"timestamp": row["timestamp"].isoformat()}


def compared(
    live: pl.DataFrame,
    offline: pl.DataFrame,
    served: list[list[float]],
    at_once: list[list[float]],
) -> dict[str, Any]:
    ids = live["transaction_id"].to_list()
    rows = live.select("transaction_id").join(
        offline, on="transaction_id", how="left", maintain_order="left"
    )
    lake = rows.select(pl.col(CATALOGUE.names).fill_null(float("nan"))).to_numpy()
    lake = np.ascontiguousarray(lake)
    parity, skew = Parity(CATALOGUE.names), Parity(CATALOGUE.names)
    parity.compare(ids, lake, np.array(served))
    early = np.array(at_once)
    skew.compare(ids, lake, early)
    same = (lake.view(np.int64) == early.view(np.int64)) | (np.isnan(lake) & np.isnan(early))
    skewed = int((~same.all(axis=1)).sum())
    for one in parity.first[:5]:
        print(one)
    print(f"asked at once, {skewed:,} vectors differ: {skew.by_feature}")
    return {
        "vectors": parity.vectors,
        "features": len(parity.features),
        "differing": parity.differing,
        "by_feature": parity.by_feature,
        "skewed": skewed,
        "skew_share": round(skewed / len(ids), 4),
    }


if __name__ == "__main__":
    main()
