"""Ingesters and stream workers as processes, and what the lake holds of a test's topics."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
from msgspec.structs import replace

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.ingest.ingested import Ingested
from fraud_platform.ingest.kafka import ingest_to_end
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings
from fraud_platform_tests.kafka_broker import Topics

CHECKOUT = Path(__file__).parents[1]
DEADLINE = 60.0


class Follower:
    """A `predictflow` command with the test's settings; ended by its own process id."""

    started: ClassVar[list["Follower"]] = []
    """Those of the test that runs; what a failed one left is ended after it."""

    def __init__(self, *arguments: str, log: Path, **environ: str) -> None:
        self.log = log
        self._said = log.with_suffix(".said")
        command = [sys.executable, "-m", "fraud_platform", *arguments, "--json"]
        settings = load_settings()
        told = {
            "PYTHONPATH": str(CHECKOUT),
            # Dagster's folder for the days that are recorded.
            "DAGSTER_HOME": str(CHECKOUT),
            "PREDICTFLOW_DATA_DIR": str(settings.data_dir),
            "PREDICTFLOW_INGEST_METRICS_PORT": "0",
            "PREDICTFLOW_STREAM_METRICS_PORT": "0",
        }
        with log.open("ab") as err, self._said.open("wb") as out:
            self.process = subprocess.Popen(
                command, env=os.environ | told | environ, stdout=out, stderr=err
            )

        self.started.append(self)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> dict[str, Any]:
        """Asks it to end, as a supervisor does; what it says that it did."""
        self.process.send_signal(signal.SIGTERM)
        return self.outcome()

    def outcome(self) -> dict[str, Any]:
        """What it says that it did, once it has ended well."""
        status = self.process.wait(DEADLINE)
        assert status == 0, self.log.read_text()
        return json.loads(self._said.read_text().splitlines()[-1])

    def refusal(self) -> str:
        """What it says when it gives up."""
        assert self.process.wait(DEADLINE) == 1, self.log.read_text()
        return self.log.read_text().splitlines()[-1]

    def wait_for(self, words: str) -> None:
        wait_until(lambda: words in self.log.read_text(), f"the log says {words!r}", self)

    def metrics(self) -> dict[str, float]:
        """The figures on its Prometheus port, by name with labels."""
        import urllib.request  # noqa: PLC0415

        self.wait_for("metrics on http://")
        url = self.log.read_text().partition("metrics on ")[2].split()[0]
        with urllib.request.urlopen(url, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
        return {name: float(value) for name, value in pairs}


class Ingester(Follower):
    """A `predictflow ingest --kafka`."""

    def __init__(self, *options: str, log: Path, **environ: str) -> None:
        super().__init__("ingest", "--kafka", *options, log=log, **environ)


def wait_until(true: Callable[[], bool], what: str, *followers: Follower) -> None:
    """Waits for something to become true; fails with what was waited for and the logs."""
    deadline = time.monotonic() + DEADLINE
    while not true():
        logs = "\n".join(one.log.read_text() for one in followers)
        assert time.monotonic() < deadline, f"waited in vain until {what}\n{logs}"
        time.sleep(0.05)


def lake() -> Lake:
    """The lake of the test's settings."""
    return Lake(load_settings().lake_dir)


def landed(
    *columns: str, kinds: Iterable[str] = ("transaction", "label", "rejected")
) -> pl.DataFrame:
    """What was landed, by topic, partition and offset."""
    delta = lake().open(LANDED_EVENTS)
    if delta is None:
        return pl.DataFrame(LANDED_EVENTS.schema.empty_table())
    frame = pl.DataFrame(delta.to_pyarrow_table())
    rows = frame.filter(pl.col("kind").is_in(list(kinds))).sort("source", "partition", "offset")
    return rows.select(columns) if columns else rows


def places(frame: pl.DataFrame | None = None) -> list[tuple[str, int, int]]:
    """Topic, partition and offset of each row, in order; one that landed twice is there twice."""
    rows = landed() if frame is None else frame
    return rows.select("source", "partition", "offset").rows()


def transaction(number: int, **changes: Any) -> dict[str, object]:
    """A transaction of a minute ago; the same number gives the same one but for its time."""
    moment = datetime.now(UTC) - timedelta(minutes=1)
    return {
        "transaction_id": f"t{number}",
        "timestamp": moment.isoformat(),
        "user_id": f"u{number % 7}",
        "merchant_id": f"m{number % 5}",
        "device_id": f"d{number % 7}",
        "amount": (number % 1000 + 1) / 100,
        **changes,
    }


def label(number: int, **changes: Any) -> dict[str, object]:
    """The verdict on a transaction, a moment ago."""
    return {
        "transaction_id": f"t{number}",
        "is_fraud": number % 10 == 0,
        "labelled_at": datetime.now(UTC).isoformat(),
        "source": "desk",
        **changes,
    }


def sent(topics: Topics) -> list[tuple[str, int, int]]:
    """Topic, partition and offset of all that the topics hold, in order."""
    return sorted(
        (topics.name(kind), record.partition, record.offset)
        for kind in ("transactions", "labels")
        for record in topics.consume(kind)
    )


def to_end(*, accept_loss: bool = False, **limits: float) -> Ingested:
    """Lands both topics up to their ends in this process; `limits` are settings of `[ingest]`."""
    settings = load_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    settings = replace(settings, ingest=replace(settings.ingest, **limits))
    return ingest_to_end(settings, lake(), accept_loss=accept_loss)
