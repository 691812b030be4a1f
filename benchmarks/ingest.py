"""A backlog of a million transactions from Kafka into the lake, beside what people write instead.

    python -m benchmarks.ingest [--records N] [--broker host:port]

All against the same broker, in one run: this ingester, the plain loop (kafka-python, json.loads, a
pydantic model, one insert a message), the same with batches of ten thousand appended to Delta, and
the bare clients. The loops read a part of the backlog; their time grows with the rows. Start and
imports are counted for none of them, but once more for the whole of `predictflow ingest --kafka`,
which also writes the days into Dagster's history. Without --broker one is started.

The last line is JSON: {"seconds_per_million", "peak_mib", "times_plain", "times_batched"}: the
whole command's seconds and memory, and the loops' time beside the landing's.
"""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
from confluent_kafka import Producer
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from benchmarks import kafka_peers
from benchmarks.broker import broker_of
from fraud_platform.ingest.kafka import ingest_to_end
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings

PLAIN, BATCHED = 20_000, 200_000
COMMAND, LANDING = "predictflow ingest --kafka", "its landing alone"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--broker", help="host:port of a running broker; by default one is started")
    asked = parser.parse_args()
    with broker_of(asked.broker) as broker, tempfile.TemporaryDirectory() as folder:
        names = fill(broker, asked.records)
        show(measure_all(broker, names, Path(folder), asked.records), asked.records)


def fill(broker: str, records: int) -> tuple[str, str]:
    """Makes a topic with so many transactions of one day, and an empty one of labels."""
    mark = uuid4().hex[:8]
    transactions, labels = f"transactions-{mark}", f"labels-{mark}"
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics([NewTopic(transactions, 6, 1), NewTopic(labels, 1, 1)])
    admin.close()
    chance = np.random.default_rng(0)
    users = chance.integers(0, 5_000, records)
    cents = chance.integers(100, 50_000, records)
    start = int(time.time()) - 86_400
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 50, "compression.type": "lz4"})
    started = time.perf_counter()
    for i in range(records):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(start + i * 80_000 // records))
        value = {
            "transaction_id": f"t{mark}-{i:08d}",
            "timestamp": f"{stamp}.{i % 10**6:06d}Z",
            "user_id": f"u{users[i]:06d}",
            "merchant_id": f"m{i % 400:05d}",
            "device_id": f"d{users[i] * 7919}",
            "amount": int(cents[i]) / 100,
        }
        while True:
            try:
                producer.produce(transactions, msgspec.json.encode(value), key=value["user_id"])
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()
    print(f"{records:,} records of about 190 bytes in 6 partitions, lz4 ({_since(started)})")
    return transactions, labels


def measure_all(
    broker: str, topics: tuple[str, str], folder: Path, records: int
) -> dict[str, dict[str, float]]:
    """Rows, seconds and peak MiB of each, one after the other."""
    here = (broker, topics[0], folder)
    return {
        COMMAND: command(broker, topics, folder, records),
        LANDING: alone(landing, broker, topics, folder, records),
        "plain loop": alone(kafka_peers.plain, *here, min(PLAIN, records)),
        "batched loop": alone(kafka_peers.batched, *here, min(BATCHED, records)),
        "kafka-python, polls only": alone(kafka_peers.polled, *here, records),
        "librdkafka, consumes only": alone(kafka_peers.librdkafka, *here, records),
    }


def command(broker: str, topics: tuple[str, str], folder: Path, records: int) -> dict[str, float]:
    """The command as a user runs it, start and imports included."""
    said = folder / "said"
    program = [sys.executable, "-m", "fraud_platform", "ingest", "--kafka", "--json"]
    started = time.perf_counter()
    with said.open("wb") as out:
        process = subprocess.Popen(
            program, env=os.environ | _environ(broker, topics, folder / "command"), stdout=out
        )
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(program[1:])} left with status {process.returncode}")
    _check(json.loads(said.read_text().splitlines()[-1])["transactions"], records)
    return {"rows": records, "seconds": seconds, "peak_mib": used.ru_maxrss // 1024}


def landing(broker: str, topics: tuple[str, str], folder: Path, records: int) -> tuple[int, float]:
    """The landing in this process; rows, seconds."""
    settings = load_settings(_environ(broker, topics, folder / "landing"))
    settings.data_dir.mkdir()
    started = time.perf_counter()
    done = ingest_to_end(settings, Lake(settings.lake_dir))
    _check(done.transactions, records)
    return records, time.perf_counter() - started


def _environ(broker: str, topics: tuple[str, str], folder: Path) -> dict[str, str]:
    return {
        "PREDICTFLOW_DATA_DIR": str(folder),
        "PREDICTFLOW_KAFKA_BROKERS": broker,
        "PREDICTFLOW_KAFKA_TRANSACTIONS_TOPIC": topics[0],
        "PREDICTFLOW_KAFKA_LABELS_TOPIC": topics[1],
    }


def _check(landed: int, records: int) -> None:
    if landed != records:
        raise SystemExit(f"{landed:,} of {records:,} records were landed")


def alone(work: Callable[..., tuple[int, float]], *arguments: Any) -> dict[str, float]:
    """A peer in a process of its own; its imports and its connecting are not counted."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        rows, seconds, peak = pool.apply(_measured, (work, *arguments))
    return {"rows": rows, "seconds": seconds, "peak_mib": peak}


def _measured(work: Callable[..., tuple[int, float]], *arguments: Any) -> tuple[int, float, int]:
    rows, seconds = work(*arguments)
    return rows, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def show(figures: dict[str, dict[str, float]], records: int) -> None:
    each = {name: found["seconds"] / found["rows"] for name, found in figures.items()}
    mine = each[LANDING]
    print(f"{'':28}{'records':>10}{'seconds':>9}{'s per million':>15}{'peak MiB':>10}{'times':>7}")
    for name, found in figures.items():
        per = each[name] * 1e6
        print(
            f"{name:28}{found['rows']:>10,}{found['seconds']:>9.1f}{per:>15.1f}"
            f"{found['peak_mib']:>10,.0f}{each[name] / mine:>7.1f}"
        )
    share = each["kafka-python, polls only"] / mine
    saved = each["kafka-python, polls only"] - each["librdkafka, consumes only"]
    print(
        f"kafka-python's polling is {share:.0%} of the landing; with librdkafka in its place "
        f"{records:,} records would take about {(mine - saved) * records:.1f} s"
    )
    print(
        json.dumps(
            {
                "seconds_per_million": round(each[COMMAND] * 1e6, 1),
                "peak_mib": figures[COMMAND]["peak_mib"],
                "times_plain": round(each["plain loop"] / mine, 1),
                "times_batched": round(each["batched loop"] / mine, 1),
            }
        )
    )


def _since(started: float) -> str:
    return f"{time.perf_counter() - started:.0f} s"


if __name__ == "__main__":
    main()
