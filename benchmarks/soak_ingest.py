"""Followers killed at random, over a stream with poison in it; then every offset is counted.

    python -m benchmarks.soak_ingest --records 200000 --kills 20 [--broker host:port] [--seed N]

Two followers share the partitions. While records are sent, one of them after the other is ended by
SIGKILL and started again. In the end each record of the topics, read back by a plain consumer, must
have exactly one row in the lake.

The last line is JSON: {"produced", "landed", "quarantined", "duplicates", "kills", "rebalances",
"difference"}; the exit status is 1 unless the difference is 0.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from benchmarks.broker import broker_of
from benchmarks.soak_records import Compared, compare, records
from fraud_platform.ingest.kafka_lag import records_that_wait
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings

FOLLOWERS = 2
# Past the session's timeout of 6 s the group has settled again, before it hasn't.
KILL_SECONDS = (0.5, 12.0)
CATCH_UP_SECONDS = 180.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--broker", help="host:port of a running broker; by default one is started")
    asked = parser.parse_args()
    with broker_of(asked.broker) as broker, tempfile.TemporaryDirectory() as folder:
        outcome = soak(broker, Path(folder), asked.records, asked.kills, asked.seed)
    print(json.dumps(outcome))
    sys.exit(outcome["difference"] != 0)


def soak(broker: str, folder: Path, count: int, kills: int, seed: int) -> dict[str, int]:
    """Runs it; the figures of the last line."""
    topics = _make_topics(broker)
    environ = _environ(broker, folder, topics)
    lake = Lake(load_settings(environ).lake_dir)
    chance = random.Random(seed)
    pace = count / max(1.0, kills * sum(KILL_SECONDS) / 2)
    with (
        _followers(environ, folder / "followers.log") as followers,
        _producing(broker, topics, count, seed, pace) as produced,
    ):
        for number in range(kills):
            time.sleep(chance.uniform(*KILL_SECONDS))
            followers.kill(chance.randrange(FOLLOWERS))
            print(f"kill {number + 1} of {kills}", file=sys.stderr)
        produced.wait()
        _wait_until_landed(environ, lake, followers)
        followers.stop()
    compared: Compared = compare(lake, broker, topics)
    if compared.produced != count:
        raise SystemExit(f"the topics hold {compared.produced} records, {count} were sent")
    rebalances = followers.said("assigned ")
    figures = asdict(compared)
    difference = figures.pop("difference")
    return {**figures, "kills": kills, "rebalances": rebalances, "difference": difference}


class _Followers:
    """The processes, and the log that all of them write."""

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self._environ, self._log = environ, log
        self._processes = [self._start() for _ in range(FOLLOWERS)]

    def kill(self, index: int) -> None:
        """Ends one at once and starts it again; one that ended by itself is an error."""
        self.check()
        self._processes[index].kill()
        self._processes[index].wait()
        self._processes[index] = self._start()

    def check(self) -> None:
        for process in self._processes:
            if process.poll() is not None:
                raise SystemExit(f"a follower ended by itself:\n{self._log.read_text()[-3000:]}")

    def stop(self) -> None:
        """Ends all in good order."""
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            # One that was started a moment ago may not have come to handle the signal.
            if process.wait(60) not in (0, -signal.SIGTERM):
                raise SystemExit(f"a follower failed at its end:\n{self._log.read_text()[-3000:]}")

    def end(self) -> None:
        """Leaves no process behind, whatever happened."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def said(self, words: str) -> int:
        """How many lines of the log have these words."""
        return sum(words in line for line in self._log.read_text().splitlines())

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "fraud_platform", "ingest", "--kafka", "--follow"]
        with self._log.open("ab") as log:
            return subprocess.Popen(command, env=self._environ, stdout=log, stderr=log)


@contextmanager
def _followers(environ: dict[str, str], log: Path) -> Iterator[_Followers]:
    followers = _Followers(os.environ | environ, log)
    try:
        yield followers
    finally:
        followers.end()


def _environ(broker: str, folder: Path, topics: dict[str, str]) -> dict[str, str]:
    return {
        "PREDICTFLOW_DATA_DIR": str(folder / "data"),
        "PREDICTFLOW_KAFKA_BROKERS": broker,
        "PREDICTFLOW_KAFKA_GROUP": f"soak-{uuid4().hex[:8]}",
        "PREDICTFLOW_KAFKA_TRANSACTIONS_TOPIC": topics["transactions"],
        "PREDICTFLOW_KAFKA_LABELS_TOPIC": topics["labels"],
        "PREDICTFLOW_INGEST_METRICS_PORT": "0",
    }


@contextmanager
def _producing(
    broker: str, topics: dict[str, str], count: int, seed: int, pace: float
) -> Iterator[Event]:
    """Sends the records at a pace in a thread; the event is set when all are acknowledged."""
    done, faults = Event(), list[BaseException]()

    def send() -> None:
        try:
            _send(broker, topics, count, seed, pace)
        except BaseException as error:  # noqa: BLE001 - raised below, in the main thread
            faults.append(error)
        finally:
            done.set()

    thread = Thread(target=send, daemon=True)
    thread.start()
    yield done
    thread.join()
    if faults:
        raise faults[0]


def _send(broker: str, topics: dict[str, str], count: int, seed: int, pace: float) -> None:
    producer = KafkaProducer(
        bootstrap_servers=broker, enable_idempotence=True, linger_ms=20, batch_size=2**18
    )
    started = time.monotonic()
    futures: list[Any] = []
    for number, made in enumerate(records(count, seed)):
        futures.append(producer.send(topics[made.kind], value=made.value, key=made.key))
        if number % 100 == 0:
            time.sleep(max(0.0, started + number / pace - time.monotonic()))
    producer.flush()
    for future in futures:
        future.get(timeout=60)
    producer.close()


def _wait_until_landed(environ: dict[str, str], lake: Lake, followers: _Followers) -> None:
    deadline = time.monotonic() + CATCH_UP_SECONDS
    waiting = 1
    while waiting:
        followers.check()
        waiting = sum(records_that_wait(load_settings(environ), lake).values())
        if time.monotonic() > deadline:
            raise SystemExit(f"{waiting:,} records wait after {CATCH_UP_SECONDS:.0f} s")
        time.sleep(0.5)


def _make_topics(broker: str) -> dict[str, str]:
    mark = uuid4().hex[:8]
    topics = {"transactions": f"transactions-{mark}", "labels": f"labels-{mark}"}
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics([NewTopic(topics["transactions"], 6, 1), NewTopic(topics["labels"], 2, 1)])
    admin.close()
    return topics


if __name__ == "__main__":
    main()
