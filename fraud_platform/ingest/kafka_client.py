"""What consumers, producers and admins have in common: how the cluster is reached."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient

from fraud_platform.settings import Kafka


def client_config(kafka: Kafka) -> dict[str, Any]:
    return {"bootstrap_servers": kafka.brokers.split(","), "client_id": "predictflow"}


@contextmanager
def reaching(_kafka: Kafka) -> Iterator[None]:
    yield


def topic_ids(kafka: Kafka, admin: KafkaAdminClient) -> dict[str, str]:
    found = admin.describe_topics([kafka.transactions_topic, kafka.labels_topic])
    return {topic["name"]: topic["topic_id"] for topic in found}
