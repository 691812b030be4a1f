"""A broker that goes and comes back: a follower waits for it, and nothing is lost or doubled."""

from pathlib import Path

import pytest

from fraud_platform_tests.followers import (
    Ingester,
    places,
    sent,
    to_end,
    transaction,
    wait_until,
)
from fraud_platform_tests.kafka_broker import OwnBrokers, new_topics


def test_a_follower_lives_through_a_broker_that_is_killed_and_started_again(
    own_broker: OwnBrokers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broker = own_broker()
    topics = new_topics(broker.address, monkeypatch)
    follower = Ingester("--follow", log=tmp_path / "log", PREDICTFLOW_INGEST_BATCH_SECONDS="3")
    follower.wait_for("assigned")
    topics.produce("transactions", [transaction(n) for n in range(100)])
    broker.kill()
    broker.start()
    topics.produce("transactions", [transaction(n) for n in range(100, 200)])
    wait_until(lambda: len(places()) == 200, "all are there", follower)
    follower.stop()
    assert places() == sent(topics)
    assert to_end().commits == 0


def test_where_there_is_no_broker_the_command_says_which_and_what_to_do(
    own_broker: OwnBrokers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broker = own_broker()
    new_topics(broker.address, monkeypatch)
    broker.stop()
    said = Ingester(log=tmp_path / "log").refusal()
    assert broker.address in said
    assert "can't be reached" in said
