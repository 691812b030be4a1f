"""Both topics into the lake, each record once, traceable to where it came from."""

from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from kafka import KafkaProducer

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest import kafka as ingestion
from fraud_platform.ingest.first_day import read_first_day
from fraud_platform.ingest.kafka_client import client_config
from fraud_platform.settings import load_settings
from fraud_platform_tests.followers import (
    Ingester,
    label,
    lake,
    landed,
    places,
    sent,
    to_end,
    transaction,
    wait_until,
)
from fraud_platform_tests.kafka_broker import Record, Topics


def test_each_record_lands_once_with_topic_partition_and_offset(topics: Topics):
    where = topics.produce(
        "transactions", [Record(transaction(n), f"u{n % 7}".encode()) for n in range(50)]
    )
    topics.produce("labels", [label(n) for n in range(20)])
    done = to_end()
    assert (done.transactions, done.labels, done.rejected, done.commits) == (50, 20, 0, 1)
    assert places() == sent(topics)
    rows = landed("transaction_id", "partition", "offset", kinds=["transaction"]).rows()
    assert sorted(rows) == sorted((f"t{n}", *at) for n, at in enumerate(where))
    assert sum(done.lag.values()) == 0
    assert sum(done.positions.values()) == 70
    first_day = read_first_day(load_settings())
    assert first_day == landed("event_date", kinds=["transaction"])["event_date"].min()
    stamps = landed("broker_timestamp_us", "landed_at_us")
    assert stamps.select((pl.col("landed_at_us") - pl.col("broker_timestamp_us")).min() > 0).item()


def test_what_was_landed_is_not_landed_again_and_new_records_are(topics: Topics):
    topics.produce("transactions", [transaction(n) for n in range(10)])
    to_end()
    version = lake().version(LANDED_EVENTS)
    assert to_end().commits == 0
    assert lake().version(LANDED_EVENTS) == version
    topics.produce("transactions", [transaction(n) for n in range(10, 15)])
    assert to_end().transactions == 5
    assert places() == sent(topics)


def test_the_lake_says_where_to_go_on_whatever_kafka_has_committed(topics: Topics, tmp_path: Path):
    topics.produce("transactions", [transaction(n) for n in range(10)])
    to_end()
    with_other_group = Ingester("--follow", log=tmp_path / "log", PREDICTFLOW_KAFKA_GROUP="other")
    with_other_group.wait_for("assigned")
    topics.produce("transactions", [transaction(n) for n in range(10, 15)])
    wait_until(lambda: len(places()) == 15, "15 are there", with_other_group)
    assert with_other_group.stop()["transactions"] == 5
    assert places() == sent(topics)


def test_a_backlog_is_landed_batch_by_batch(topics: Topics):
    topics.produce("transactions", [transaction(n) for n in range(95)])
    done = to_end(batch_rows=10)
    assert done.commits >= 9
    assert places() == sent(topics)


def test_a_batch_ends_at_its_bytes_too(topics: Topics):
    large = [transaction(n, note="x" * 60_000) for n in range(40)]
    topics.produce("transactions", [Record(value, partition=0) for value in large])
    assert to_end(batch_mib=1).commits >= 2
    assert places() == sent(topics)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_compressed_batch_is_read(topics: Topics, codec: str):
    config: dict[str, Any] = client_config(topics.kafka) | {"compression_type": codec}
    with_codec = KafkaProducer(**config, linger_ms=50)
    for n in range(100):
        with_codec.send(topics.transactions, msgspec.json.encode(transaction(n)))
    with_codec.close()
    assert to_end().transactions == 100


def test_of_a_producers_transactions_only_the_committed_land_and_no_marker_stops_them(
    topics: Topics,
):
    producer = KafkaProducer(**client_config(topics.kafka), transactional_id=topics.transactions)
    producer.init_transactions()
    for number, commit in enumerate([True, False, True, False]):
        producer.begin_transaction()
        value = msgspec.json.encode(transaction(number))
        producer.send(topics.transactions, value, partition=0)
        producer.commit_transaction() if commit else producer.abort_transaction()
    producer.close()
    assert to_end().transactions == 2
    assert landed("transaction_id")["transaction_id"].to_list() == ["t0", "t2"]
    assert to_end().commits == 0


def test_ids_that_come_again_and_late_records_are_counted(topics: Topics):
    old = "2026-03-01T12:00:00Z"
    values = [transaction(1), transaction(1), transaction(2), transaction(3, timestamp=old)]
    topics.produce("transactions", values)
    done = to_end()
    assert (done.transactions, done.duplicates, done.late, done.too_late) == (4, 1, 1, 1)
    topics.produce("transactions", [transaction(2)])
    assert to_end().duplicates == 0  # another process; raw_transactions counts them all


def test_topics_that_are_not_there_are_told(topics: Topics, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PREDICTFLOW_KAFKA_LABELS_TOPIC", "never-made")
    with pytest.raises(PredictFlowError, match=r"no topic 'never-made'; .*topics create"):
        to_end()


def test_the_command_lands_records_the_days_in_dagster_and_says_what_it_did(
    topics: Topics, tmp_path: Path
):
    topics.produce("transactions", [transaction(n) for n in range(10)])
    topics.produce("transactions", [b"{"])
    said = Ingester(log=tmp_path / "log").outcome()
    assert (said["transactions"], said["rejected"]) == (10, 1)
    assert sum(said["positions"].values()) == 11
    assert list(said["reasons"].values()) == [1]
    settings = load_settings()
    assert settings.dagster_dir is not None
    assert list(settings.dagster_dir.rglob("*.db"))


def test_a_follower_lands_within_seconds_and_finishes_its_batch_when_it_is_stopped(
    topics: Topics, tmp_path: Path
):
    follower = Ingester("--follow", log=tmp_path / "log")
    follower.wait_for("assigned")
    topics.produce("transactions", [transaction(n) for n in range(30)])
    wait_until(lambda: len(places()) == 30, "30 are there", follower)
    topics.produce("transactions", [transaction(n) for n in range(30, 40)])
    topics.produce("labels", [label(1), {"transaction_id": 5}])
    wait_until(lambda: len(places()) > 30, "more is there", follower)
    figures = follower.metrics()
    said = follower.stop()
    assert (said["transactions"], said["labels"], said["rejected"]) == (40, 1, 1)
    assert said["type_changed"] == 1
    assert places() == sent(topics)
    assert figures['fraud_ingest_rows_total{kind="transaction"}'] >= 30
    assert figures["fraud_ingest_commit_seconds_count"] >= 1
    assert figures["fraud_ingest_delay_seconds_count"] >= 1
    assert f'fraud_ingest_lag_records{{partition="0",topic="{topics.transactions}"}}' in figures
    assert (
        "quarantined 1 records of a changed type: Expected `str`, got `int`"
        in follower.log.read_text()
    )


def test_one_that_goes_to_the_end_leaves_a_live_follower_its_work(topics: Topics, tmp_path: Path):
    follower = Ingester("--follow", log=tmp_path / "log")
    follower.wait_for("assigned")
    topics.produce("transactions", [transaction(n) for n in range(50)])
    done = to_end()
    assert (done.transactions, sum(done.lag.values())) == (0, 0)
    assert follower.stop()["transactions"] == 50
    assert places() == sent(topics)


def test_what_a_follower_leaves_lying_is_taken_up(
    topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ingestion, "PATIENCE_SECONDS", 1.0)
    follower = Ingester("--follow", log=tmp_path / "log")
    follower.wait_for("assigned")
    follower.pause()
    topics.produce("transactions", [transaction(n) for n in range(50)])
    done = to_end()
    follower.go_on()
    assert done.transactions == 50
    topics.produce("transactions", [transaction(n) for n in range(50, 60)])
    wait_until(lambda: len(places()) == 60, "60 are there", follower)
    follower.stop()
    assert places() == sent(topics)


def test_a_metrics_port_that_is_taken_is_told_with_the_mend(topics: Topics, tmp_path: Path):
    first = Ingester("--follow", log=tmp_path / "first")
    first.wait_for("metrics on http://")
    port = first.log.read_text().partition("metrics on http://127.0.0.1:")[2].split("/")[0]
    second = Ingester("--follow", log=tmp_path / "second", PREDICTFLOW_INGEST_METRICS_PORT=port)
    assert "setting ingest.metrics_port" in second.refusal()
    first.stop()
