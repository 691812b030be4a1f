"""The stream worker: how many transactions a second, and how soon after Kafka one can be read.

    python -m benchmarks.stream [--quick] [--broker host:port]

A worker as a process of its own, from a broker and into a Valkey on this machine (the broker is
started without --broker, Valkey comes from its wheel). First it catches up with a backlog of users
with three days of history and a month of daily tiles; then transactions come at 200 a second, and a
reader asks the store for each user until the payment is there.

The last line is JSON: {"stream_per_second", "freshness_p50_s", "freshness_p99_s", "peak_mib"}.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import msgspec
import numpy as np
from confluent_kafka import Producer
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from benchmarks.broker import broker_of
from fraud_platform.clock import DAY_US, HOUR_US, MICROSECONDS, from_us
from fraud_platform.features.state import VIEWS, State, identifier_hash
from fraud_platform.online import open_store
from fraud_platform.settings import Settings
from fraud_platform_tests.valkey_server import Valkey

USERS, RATE, PER_USER = 50_000, 200, 12
RECENT, DAILY = VIEWS[0], VIEWS[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="A fifth of the transactions.")
    parser.add_argument("--broker", help="host:port of a running broker; by default one is started")
    asked = parser.parse_args()
    records, seconds = (40_000, 5) if asked.quick else (200_000, 20)
    with broker_of(asked.broker) as broker, tempfile.TemporaryDirectory() as folder:
        valkey = Valkey(Path(folder) / "valkey", appendonly="yes")
        try:
            print(json.dumps(measure(broker, valkey, Path(folder), records, seconds)))
        finally:
            valkey.kill()


def measure(
    broker: str, valkey: Valkey, folder: Path, records: int, seconds: int
) -> dict[str, float]:
    topic, settings = f"transactions-{uuid4().hex[:8]}", valkey.settings(folder)
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics([NewTopic(topic, 6, 1)])
    admin.close()
    warm(settings)
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 5, "compression.type": "lz4"})
    backlog(producer, topic, records)
    environ = {
        "PREDICTFLOW_DATA_DIR": str(folder),
        "PREDICTFLOW_KAFKA_BROKERS": broker,
        "PREDICTFLOW_KAFKA_TRANSACTIONS_TOPIC": topic,
        "PREDICTFLOW_ONLINE_STORE": "redis",
        "PREDICTFLOW_ONLINE_REDIS_URL": valkey.url,
        "PREDICTFLOW_ONLINE_RECENT_BY": "stream",
        "PREDICTFLOW_STREAM_METRICS_PORT": "0",
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "fraud_platform", "stream", "--json"],
        env=os.environ | environ,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
    )
    try:
        speed = catch_up(folder / "log", records)
        delays = follow(settings, producer, topic, seconds)
        # Its resource usage would count what this process had when it forked.
        status = Path(f"/proc/{worker.pid}/status").read_text()
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait()
    p50, p99 = np.quantile(delays, [0.5, 0.99])
    print(f"{records:,} records of a backlog: {speed:,.0f} a second")
    print(f"at {RATE} a second: readable after {p50:.3f} s (half), {p99:.3f} s (99 of 100)")
    return {
        "stream_per_second": round(speed),
        "freshness_p50_s": round(float(p50), 3),
        "freshness_p99_s": round(float(p99), 3),
        "peak_mib": int(status.partition("VmHWM:")[2].split()[0]) // 1024,
    }


def warm(settings: Settings) -> None:
    """Users with events of the last three days and daily tiles of a month, as of this midnight."""
    now = int(time.time() * MICROSECONDS)
    today = now // DAY_US
    gap = 70 * HOUR_US // PER_USER
    rows: dict[str, State] = {}
    daily: dict[str, State] = {}
    for number in range(USERS):
        times = [now - 71 * HOUR_US + i * gap + number for i in range(PER_USER)]
        rows[f"u{number:06d}"] = {
            name: times
            if name == "timestamps_us"
            else [1.5] * PER_USER
            if kind == "float64_list"
            else [i * 7919 + number for i in range(PER_USER)]
            for name, kind in RECENT.fields.items()
        }
        days = list(range(today - 29, today))
        daily[f"u{number:06d}"] = {
            name: today * DAY_US if kind == "int64" else days if name == "days" else [7] * 29
            for name, kind in DAILY.fields.items()
        }
    with open_store(settings) as store:
        store.write(RECENT, rows, datetime.now(UTC) + timedelta(hours=-1))
        store.write(DAILY, daily, from_us(today * DAY_US))


def backlog(producer: Producer, topic: str, records: int) -> None:
    chance = np.random.default_rng(0)
    users = chance.integers(0, USERS, records)
    begin = time.time() - 60
    for i in range(records):
        send(producer, topic, f"b{i:08d}", int(users[i]), begin + i * 50 / records)
    producer.flush()


def send(producer: Producer, topic: str, transaction: str, user: int, at: float) -> None:
    value = {
        "transaction_id": transaction,
        "timestamp": datetime.fromtimestamp(at, UTC).isoformat(),
        "user_id": f"u{user:06d}",
        "merchant_id": f"m{user % 400:05d}",
        "device_id": f"d{user * 7919}",
        "amount": (user % 50_000 + 100) / 100,
    }
    while True:
        try:
            producer.produce(topic, msgspec.json.encode(value), key=value["user_id"])
            break
        except BufferError:
            producer.poll(0.1)


def catch_up(log: Path, records: int) -> float:
    """Records a second between the first batch and the last, without start and imports."""
    url = ""
    while not url:
        time.sleep(0.1)
        url = log.read_text().partition("metrics on ")[2].partition("\n")[0]
    started = at_start = 0.0
    while True:
        done = events(url)
        if done and not started:
            started, at_start = time.perf_counter(), done
        if done >= records:
            return (done - at_start) / (time.perf_counter() - started)
        time.sleep(0.05)


def events(url: str) -> float:
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own worker
        for line in answer.read().decode().splitlines():
            if line.startswith("fraud_stream_events_total "):
                return float(line.split()[1])
    return 0.0


def follow(settings: Settings, producer: Producer, topic: str, seconds: int) -> list[float]:
    """Seconds from a transaction's sending until it can be read in the store, of each one."""
    sent: dict[str, tuple[int, float]] = {}
    delays: list[float] = []
    ended = threading.Event()

    def look() -> None:
        with open_store(settings) as store:
            while sent or not ended.is_set():
                waiting = list(sent.items())
                found = store.read([RECENT], [user for user, _ in waiting])
                now = time.time()
                for (user, (number, since)), state in zip(waiting, found, strict=True):
                    hashes: Any = state[RECENT.name]["transaction_hashes"]
                    if number in hashes:
                        delays.append(now - since)
                        sent.pop(user)
                time.sleep(0.005)

    reader = threading.Thread(target=look)
    reader.start()
    begin = time.time()
    for i in range(seconds * RATE):
        time.sleep(max(0.0, begin + i / RATE - time.time()))
        user = i % USERS
        now = time.time()
        sent[f"u{user:06d}"] = (identifier_hash(f"f{i}"), now)
        send(producer, topic, f"f{i}", user, now)
        producer.poll(0)
    producer.flush()
    ended.set()
    reader.join()
    return delays


if __name__ == "__main__":
    main()
