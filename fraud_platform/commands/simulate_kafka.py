"""`predictflow simulate --kafka`: a simulated world as a stream."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from fraud_platform import progress
from fraud_platform.commands import console
from fraud_platform.commands.simulate import world_of
from fraud_platform.commands.stopping import until_stopped
from fraud_platform.contracts.events import Label, Transaction
from fraud_platform.ingest.kafka_client import topic_ids
from fraud_platform.ingest.sending import Sender
from fraud_platform.settings import Kafka, Settings, load_settings
from fraud_platform.simulator import SimulatorConfig, simulate

LABEL_DELAY_SECONDS = 30.0
_TICK_SECONDS = 0.01
_REPORT_SECONDS = 0.25


@dataclass
class Sent:
    """What was delivered: transactions, frauds among them, labels; and labels not yet due."""

    rows: int = 0
    frauds: int = 0
    labels: int = 0
    labels_not_due: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Transactions a second."""
        return self.rows / self.seconds if self.seconds else 0.0


def run_replay(start: date, world: Mapping[str, Any], *, as_json: bool) -> None:
    settings, config = load_settings(), world_of(start, world)
    with console.bars():
        sent = replay(settings, config)
    _tell(settings.kafka, sent, as_json=as_json)


def run_live(
    rate: float,
    world: Mapping[str, Any],
    *,
    seconds: float | None,
    label_delay: float | None,
    as_json: bool,
) -> None:
    settings = load_settings()
    # A stream that isn't stopped goes through one simulated day after the other.
    today = datetime.now(UTC).date()
    config = world_of(today, {**world, "days": (date.max - today).days})
    delay = LABEL_DELAY_SECONDS if label_delay is None else label_delay
    with console.bars(), until_stopped() as stop:
        sent = live(settings.kafka, config, rate, seconds=seconds, label_delay=delay, stop=stop)
    _tell(settings.kafka, sent, as_json=as_json)


def replay(settings: Settings, config: SimulatorConfig) -> Sent:
    """Sends the days of the config as they are; labels are known when their maturity has passed."""
    sent, begun = Sent(), time.monotonic()
    maturity = timedelta(days=settings.labels.maturity_days)
    topic_ids(settings.kafka)  # a missing topic is told before a minute has passed
    with Sender(settings.kafka) as sender:
        for index, frame in enumerate(simulate(config), 1):
            for row in frame.drop("fraud_kind").iter_rows(named=True):
                fraud = row.pop("is_fraud")
                transaction = Transaction(**row)
                sender.transaction(transaction)
                known = transaction.timestamp + maturity
                sender.label(Label(transaction.transaction_id, fraud, known, "simulator"))
                sent.frauds += fraud
            sent.rows += frame.height
            progress.report("send", index, config.days)
    sent.labels, sent.seconds = sent.rows, time.monotonic() - begun
    return sent


def live(
    kafka: Kafka,
    config: SimulatorConfig,
    rate: float,
    *,
    seconds: float | None,
    label_delay: float,
    stop: threading.Event,
) -> Sent:
    """Sends `rate` payments a second as of now until `stop` is set or the seconds have passed.

    Each label follows after `label_delay` seconds. Ids begin with a mark of this run.
    """
    sent, pending = Sent(), deque[tuple[float, str, bool]]()
    payments = _numbered(config, f"live-{uuid4().hex[:12]}")
    topic_ids(kafka)
    with Sender(kafka) as sender:
        begun, reported = time.monotonic(), 0.0
        while not stop.wait(_TICK_SECONDS) and (seconds is None or sent.seconds < seconds):
            sent.seconds = time.monotonic() - begun
            due = rate * (sent.seconds if seconds is None else min(sent.seconds, seconds))
            while sent.rows < int(due) and not stop.is_set():
                row = next(payments)
                fraud = row.pop("is_fraud")
                sender.transaction(Transaction(**row, timestamp=datetime.now(UTC)))
                sent.rows, sent.frauds = sent.rows + 1, sent.frauds + fraud
                pending.append((time.monotonic() + label_delay, row["transaction_id"], fraud))
            while pending and pending[0][0] <= time.monotonic():
                _, transaction_id, fraud = pending.popleft()
                sender.label(Label(transaction_id, fraud, datetime.now(UTC), "simulator"))
                sent.labels += 1
            if sent.seconds - reported >= _REPORT_SECONDS:
                reported = sent.seconds
                progress.report("send", sent.rows, 0 if seconds is None else int(rate * seconds))
    sent.labels_not_due = len(pending)
    return sent


def _numbered(config: SimulatorConfig, run: str) -> Iterator[dict[str, Any]]:
    number = 0
    for frame in simulate(config):
        for row in frame.drop("fraud_kind", "timestamp").iter_rows(named=True):
            number += 1
            yield row | {"transaction_id": f"{run}-{number:09d}"}


def _tell(kafka: Kafka, sent: Sent, *, as_json: bool) -> None:
    topics = {"transactions_topic": kafka.transactions_topic, "labels_topic": kafka.labels_topic}
    if as_json:
        console.emit({**topics, **asdict(sent), "rate": sent.rate})
        return
    waiting = f"; {sent.labels_not_due:,} labels were not due yet" if sent.labels_not_due else ""
    console.console.print(
        f"{kafka.transactions_topic}: {sent.rows:,} transactions, {sent.frauds:,} of them fraud, "
        f"in {sent.seconds:,.1f} s ({sent.rate:,.1f} a second)\n"
        f"{kafka.labels_topic}: {sent.labels:,} labels{waiting}",
        markup=False,
    )
