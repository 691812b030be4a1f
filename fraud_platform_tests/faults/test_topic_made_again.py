"""Row 7: where Kafka no longer has what the lake goes on from, nothing is landed in silence."""

import time
from pathlib import Path

import pytest
from kafka.structs import TopicPartition

from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest.kafka_client import admin
from fraud_platform.ingest.topics import Wanted, create_topics
from fraud_platform_tests.followers import Ingester, landed, places, to_end, transaction, wait_until
from fraud_platform_tests.kafka_broker import Record, Topics


def make_again(topics: Topics) -> None:
    with admin(topics.kafka) as cluster:
        cluster.delete_topics([topics.transactions])
        deadline = time.monotonic() + 20
        while topics.transactions in cluster.list_topics():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    create_topics(topics.kafka, Wanted(3))


def delete_before(topics: Topics, offset: int) -> None:
    """Moves the start of partition 0, as retention does."""
    with admin(topics.kafka) as cluster:
        cluster.delete_records({TopicPartition(topics.transactions, 0): offset})


def test_a_topic_that_was_made_again_is_refused_until_a_person_accepts_it(topics: Topics):
    topics.produce("transactions", [Record(transaction(n), partition=0) for n in range(10)])
    to_end()
    former = places()
    make_again(topics)
    # More records than the former topic had: its offsets alone would tell nothing.
    topics.produce("transactions", [Record(transaction(n), partition=0) for n in range(100, 130)])
    with pytest.raises(PredictFlowError, match=r"is not the one that was landed.*--accept-loss"):
        to_end()
    assert places() == former
    done = to_end(accept_loss=True)
    assert done.transactions == 30
    assert to_end().commits == 0
    rows = landed("source_id", "partition", "offset", kinds=["transaction"])
    assert rows.n_unique() == 40
    (gap,) = landed("reason", "offset", kinds=["rejected"]).rows()
    assert "was made again" in gap[0]


def test_a_follower_stops_where_its_topic_is_made_again(topics: Topics, tmp_path: Path):
    follower = Ingester("--follow", log=tmp_path / "log")
    follower.wait_for("assigned")
    topics.produce("transactions", [Record(transaction(n), partition=0) for n in range(10)])
    wait_until(lambda: len(places()) == 10, "10 are there", follower)
    make_again(topics)
    topics.produce("transactions", [Record(transaction(n), partition=0) for n in range(30)])
    said = follower.refusal()
    assert "made again" in said or "no topic" in said
    assert len(places()) == 10


def test_records_that_retention_deleted_before_they_were_landed_are_told(topics: Topics):
    topics.produce("transactions", [Record(transaction(n), partition=0) for n in range(10)])
    to_end()
    topics.produce("transactions", [Record(transaction(n), partition=0) for n in range(10, 50)])
    delete_before(topics, 30)
    with pytest.raises(PredictFlowError, match=r"partition 0: offsets 10 to 29 were deleted"):
        to_end()
    assert len(places()) == 10
    done = to_end(accept_loss=True)
    assert done.transactions == 20
    (gap,) = landed("reason", "partition", "offset", kinds=["rejected"]).rows()
    assert gap == ("offsets 10 to 29 were deleted by retention before they were landed", 0, 10)
    assert to_end().commits == 0


def test_a_topic_older_than_the_platform_is_landed_from_where_it_starts(topics: Topics):
    topics.produce("transactions", [Record(transaction(n), partition=0) for n in range(20)])
    delete_before(topics, 5)
    assert to_end().transactions == 15
    assert to_end().commits == 0
    assert landed(kinds=["rejected"]).is_empty()
