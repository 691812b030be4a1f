"""`predictflow simulate --kafka`: what it says it has sent is what the topics hold."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from click.testing import Result

from fraud_platform.contracts.events import Label, Transaction
from fraud_platform.errors import UnavailableError
from fraud_platform.ingest.sending import Sender
from fraud_platform.simulator import SimulatorConfig, simulate
from fraud_platform_tests.kafka_broker import OwnBrokers, Topics, new_topics

CHECKOUT = Path(__file__).parents[2]
SMALL = ("--days", 2, "--users", 50, "--merchants", 10, "--per-day", 200, "--fraud-share", 0.05)
WORLD = SimulatorConfig(
    start=date(2026, 3, 1),
    days=2,
    users=50,
    merchants=10,
    transactions_per_day=200,
    fraud_share=0.05,
)


def sent_transactions(topics: Topics) -> list[Transaction]:
    records = topics.consume("transactions")
    found = [msgspec.json.decode(record.value, type=Transaction) for record in records]
    assert [record.key.decode() for record in records] == [one.user_id for one in found]
    return found


def sent_labels(topics: Topics) -> list[Label]:
    records = topics.consume("labels")
    found = [msgspec.json.decode(record.value, type=Label) for record in records]
    assert [record.key.decode() for record in records] == [one.transaction_id for one in found]
    assert {one.source for one in found} <= {"simulator"}
    return found


def test_the_days_of_the_options_are_sent_whole(document: Callable[..., Any], topics: Topics):
    said = document("simulate", "--kafka", *SMALL)
    world = pl.concat(simulate(WORLD)).sort("transaction_id")
    assert (said["rows"], said["labels"]) == (world.height, world.height)
    assert said["frauds"] == world["is_fraud"].sum() > 0

    transactions = sorted(sent_transactions(topics), key=lambda one: one.transaction_id)
    rows = world.drop("fraud_kind", "is_fraud").iter_rows(named=True)
    assert transactions == [Transaction(**row) for row in rows]
    labels = {one.transaction_id: one for one in sent_labels(topics)}
    for row in world.iter_rows(named=True):
        label = labels[row["transaction_id"]]
        assert label.is_fraud == row["is_fraud"]
        assert label.labelled_at == row["timestamp"] + timedelta(days=7)


def test_a_users_payments_keep_their_order(document: Callable[..., Any], topics: Topics):
    document("simulate", "--kafka", *SMALL)
    moments: dict[str, datetime] = {}
    for one in sent_transactions(topics):
        assert moments.get(one.user_id, one.timestamp) <= one.timestamp
        moments[one.user_id] = one.timestamp


def test_a_live_stream_keeps_its_pace_and_its_labels_follow(
    document: Callable[..., Any], topics: Topics
):
    begun = datetime.now(UTC)
    live = ("--kafka", "--rate", 100, "--seconds", 3, "--label-delay", 1, "--per-day", 5000)
    said = document("simulate", *live)
    assert said["rows"] == 300
    assert 90 <= said["rate"] <= 101
    transactions = {one.transaction_id: one for one in sent_transactions(topics)}
    assert len(transactions) == 300
    # Steadily: each of the three seconds has its share.
    seconds = [int((one.timestamp - begun).total_seconds()) for one in transactions.values()]
    first = min(seconds)
    assert all(seconds.count(first + n) >= 50 for n in (0, 1, 2))

    labels = sent_labels(topics)
    assert len(labels) == said["labels"]
    assert said["labels"] + said["labels_not_due"] == 300
    assert 150 <= said["labels"] <= 210
    for label in labels:
        after = label.labelled_at - transactions[label.transaction_id].timestamp
        assert timedelta(seconds=1) <= after < timedelta(seconds=2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_stream_has_sent_all_that_it_says(topics: Topics, number: signal.Signals):
    options = ["--kafka", "--rate", "200", "--label-delay", "0.5", "--json"]
    command = [sys.executable, "-m", "fraud_platform", "simulate", *options]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    said = []
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            deadline = time.monotonic() + 60
            before = sum(one["labels"] for one in said)
            while len(topics.consume("labels")) <= before:
                assert process.poll() is None
                assert time.monotonic() < deadline
            process.send_signal(number)
            out, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        said.append(json.loads(out))
    transactions = sent_transactions(topics)
    assert len(transactions) == sum(one["rows"] for one in said) > 0
    assert len({one.transaction_id for one in transactions}) == len(transactions)
    assert len(sent_labels(topics)) == sum(one["labels"] for one in said)


def test_records_that_a_dead_broker_did_not_take_are_an_error(
    own_broker: OwnBrokers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fraud_platform.ingest.sending.DELIVERY_SECONDS", 3)
    broker = own_broker()
    topics = new_topics(broker.address, monkeypatch)
    label = Label("t1", is_fraud=False, labelled_at=datetime.now(UTC))

    def outlive_the_broker() -> None:
        with Sender(topics.kafka) as sender:
            sender.label(label)
            sender.flush()
            broker.kill()
            sender.label(label)
            sender.label(label)

    with pytest.raises(UnavailableError, match="2 records were not delivered"):
        outlive_the_broker()


def test_a_missing_topic_is_told_before_anything_is_sent(
    command: Callable[..., Result], topics: Topics, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PREDICTFLOW_KAFKA_LABELS_TOPIC", "never-made")
    for options in (SMALL, ("--rate", 5, "--seconds", 1)):
        result = command("simulate", "--kafka", *options)
        assert result.exit_code == 1
        assert "no topic 'never-made'; make them with: predictflow topics create" in result.stderr
    assert topics.consume("transactions") == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "one of --out FILE and --kafka"),
        (("--kafka", "--out", "world.csv"), "one of --out FILE and --kafka"),
        (("--out", "world.csv", "--rate", 5), "--rate goes with --kafka"),
        (("--kafka", "--seconds", 5), "--seconds and --label-delay go with --rate"),
        (("--kafka", "--rate", 0), "--rate"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    command: Callable[..., Result], options: tuple[object, ...], says: str
):
    result = command("simulate", *options)
    assert result.exit_code == 2
    assert says in result.stderr
