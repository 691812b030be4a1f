"""Opening a session: the clients, their configuration, and the topics that they speak of."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from fraud_platform.ingest.kafka_batch import Topic, TopicKind
from fraud_platform.ingest.kafka_client import client_config, reaching, topic_ids
from fraud_platform.ingest.kafka_landing import KafkaLanding
from fraud_platform.ingest.kafka_session import COMMIT_MS, POLL_RECORDS, Session, Told
from fraud_platform.lake.store import Lake
from fraud_platform.memory import fewer_collections
from fraud_platform.settings import Kafka, Settings

PARTITION_BYTES = 2**20
FETCH_BYTES = 64 * 2**20
SESSION_MS = 6_000  # after so long without a sign a member's partitions go to others


@contextmanager
def opened(
    settings: Settings, lake: Lake, *, in_group: bool, accept_loss: bool, told: Told
) -> Iterator[Session]:
    """A session on the settings' topics; raises PredictFlowError where it can't be had."""
    kafka = settings.kafka
    config = client_config(kafka)
    with reaching(kafka), fewer_collections():
        admin = KafkaAdminClient(**config)
        consumer = KafkaConsumer(**config, **_consumer_config(kafka, in_group=in_group))
        try:
            topics = _topics(kafka, admin)
            landing = KafkaLanding(settings, lake, topics)
            landing.identify(accept_loss=accept_loss)
            session = Session(
                settings,
                landing,
                topics,
                (consumer, admin),
                accept_loss=accept_loss,
                told=told,
            )
            with session.writer:
                yield session
        finally:
            consumer.close(timeout_ms=COMMIT_MS)
            admin.close()


def _topics(kafka: Kafka, admin: KafkaAdminClient) -> dict[str, Topic]:
    ids = topic_ids(kafka, admin)
    kinds: dict[str, TopicKind] = {
        kafka.transactions_topic: "transactions",
        kafka.labels_topic: "labels",
        kafka.predictions_topic: "predictions",
    }
    return {name: Topic(name, kinds[name], id_) for name, id_ in ids.items()}


def _consumer_config(kafka: Kafka, *, in_group: bool) -> dict[str, Any]:
    return {
        "group_id": kafka.group if in_group else None,
        "enable_auto_commit": False,
        # The lake says where to go on. Where it can't be had from there, we say what is lost.
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "partition_assignment_strategy": [CooperativeStickyAssignor],
        "session_timeout_ms": SESSION_MS,
        "heartbeat_interval_ms": SESSION_MS // 4,
        "max_poll_records": POLL_RECORDS,
        "fetch_max_bytes": FETCH_BYTES,
        "max_partition_fetch_bytes": PARTITION_BYTES,
        "metrics_enabled": False,
    }
