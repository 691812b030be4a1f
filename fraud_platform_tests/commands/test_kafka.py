"""`predictflow kafka` and `predictflow topics` as a person meets them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from fraud_platform.local_kafka import LocalBroker, free_port
from fraud_platform_tests.kafka_broker import CACHE, Topics, needs_kafka

Command = Callable[..., Result]


@pytest.fixture
def broker(data_dir: Path) -> Iterator[LocalBroker]:
    """The broker that `kafka up` starts, not started yet."""
    needs_kafka()
    broker = LocalBroker(data_dir / "kafka", free_port(), CACHE)
    yield broker
    broker.kill()


def test_a_broker_goes_up_once_and_down_once(
    command: Command, document: Callable[..., Any], broker: LocalBroker, monkeypatch: Any
):
    up = command("kafka", "up", "--port", broker.port)
    assert up.exit_code == 0, up.output
    assert f"PREDICTFLOW_KAFKA_BROKERS={broker.address}" in up.stdout
    pid = broker.pid
    assert pid is not None
    assert os.getsid(pid) == pid  # it outlives the terminal

    again = command("kafka", "up", "--port", broker.port)
    assert (again.exit_code, broker.pid) == (0, pid)
    assert "runs already" in again.stdout
    elsewhere = command("kafka", "up", "--port", free_port())
    assert elsewhere.exit_code == 1
    assert f"runs on port {broker.port}" in elsewhere.stderr

    monkeypatch.setenv("PREDICTFLOW_KAFKA_BROKERS", broker.address)
    assert all(topic["made"] for topic in document("topics", "create")["topics"])

    down = command("kafka", "down")
    assert (down.exit_code, broker.pid) == (0, None)
    assert f"stopped (it was process {pid})" in down.stdout
    assert "there was none" in command("kafka", "down").stdout


def test_topics_are_made_once_and_never_altered(
    command: Command, document: Callable[..., Any], kafka_broker: str, monkeypatch: Any
):
    monkeypatch.setenv("PREDICTFLOW_KAFKA_BROKERS", kafka_broker)
    monkeypatch.setenv("PREDICTFLOW_KAFKA_TRANSACTIONS_TOPIC", "made-once")
    monkeypatch.setenv("PREDICTFLOW_KAFKA_LABELS_TOPIC", "made-once-labels")
    options = ("--partitions", 4, "--retention-days", 2)
    made = document("topics", "create", *options)["topics"]
    assert [topic["name"] for topic in made] == ["made-once", "made-once-labels", "predictions"]
    for topic in made:
        assert topic["made"]
        assert topic["differs"] == []
        assert (topic["partitions"], topic["retention_ms"]) == (4, 2 * 86_400_000)
    again = document("topics", "create", *options)["topics"]
    assert again == [topic | {"made": False} for topic in made]

    other = command("topics", "create", "--partitions", 5, "--replication", 2)
    assert other.exit_code == 0, other.output
    assert "made-once: partitions is 4, not 5; left as it is" in other.stdout
    assert "made-once: replication is 1, not 2; left as it is" in other.stdout
    assert "retention.ms is 172800000, not 604800000" in other.stdout
    after = document("topics", "create", *options)["topics"]
    assert after == again


def test_a_topic_that_cannot_be_made_gives_the_brokers_words(
    command: Command, kafka_broker: str, monkeypatch: Any
):
    monkeypatch.setenv("PREDICTFLOW_KAFKA_BROKERS", kafka_broker)
    monkeypatch.setenv("PREDICTFLOW_KAFKA_LABELS_TOPIC", "no spaces")
    result = command("topics", "create")
    assert result.exit_code == 1
    assert "InvalidTopicError: topic 'no spaces': " in result.stderr


def test_brokers_that_are_not_set_are_told_with_the_variable(command: Command):
    result = command("topics", "create")
    assert result.exit_code == 1
    assert "PREDICTFLOW_KAFKA_BROKERS=host:port" in result.stderr


@pytest.mark.parametrize("topics", [1, 5], indirect=True)
def test_the_fixture_makes_as_many_partitions_as_asked(
    topics: Topics, request: pytest.FixtureRequest
):
    count = request.node.callspec.params["topics"]
    where = topics.produce("labels", [str(n).encode() for n in range(50)])
    assert {partition for partition, _ in where} <= set(range(count))
    assert len(topics.consume("labels")) == 50
