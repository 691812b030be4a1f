"""A lake that can't be written: a follower keeps what it has polled, waits, and lands it."""

import time
from pathlib import Path

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform_tests.followers import Ingester, lake, places, sent, transaction, wait_until
from fraud_platform_tests.kafka_broker import Topics


def test_a_follower_waits_for_its_lake_and_loses_nothing(topics: Topics, tmp_path: Path):
    follower = Ingester("--follow", log=tmp_path / "log")
    follower.wait_for("assigned")
    topics.produce("transactions", [transaction(n) for n in range(20)])
    wait_until(lambda: len(places()) == 20, "the first are there", follower)
    table = Path(lake().uri(LANDED_EVENTS))
    aside = table.rename(tmp_path / "aside")
    table.write_text("no directory")  # as a mount that is gone: nothing can be written below it
    topics.produce("transactions", [transaction(n) for n in range(20, 60)])
    follower.wait_for("tried again in")
    time.sleep(2)
    assert follower.metrics()["fraud_ingest_failures_total"] >= 1
    table.unlink()
    aside.rename(table)
    wait_until(lambda: len(places()) == 60, "all are there", follower)
    assert follower.stop()["transactions"] == 60
    assert places() == sent(topics)
