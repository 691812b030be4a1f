"""The topics of the settings: made where they are missing, never altered."""

from dataclasses import dataclass
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest.kafka_client import admin, tried
from fraud_platform.settings import Kafka

_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Wanted:
    """What a topic is to be; a replication of -1 is the brokers' default, whatever that is."""

    partitions: int = 6
    replication: int = -1
    retention_days: float = 7

    @property
    def configs(self) -> dict[str, str]:
        """What is set on the topic; the rest (CreateTime, the largest message) is the brokers'."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(round(self.retention_days * _DAY_MS)),
        }


@dataclass(frozen=True)
class Topic:
    """A topic as it is now: whether this call made it, and where it is not what was asked for."""

    name: str
    topic_id: str
    made: bool
    partitions: int
    replication: int
    retention_ms: int
    differs: list[str]


def create_topics(kafka: Kafka, wanted: Wanted) -> list[Topic]:
    """Makes the topics that aren't there, waits until all are usable, and says what there is.

    Raises PredictFlowError with the broker's words where it refuses to make one.
    """
    names = [kafka.transactions_topic, kafka.labels_topic, kafka.predictions_topic]
    with admin(kafka) as cluster:
        made = _make_missing(cluster, kafka, names, wanted)
        cluster.wait_for_topics(names)
        return _described(cluster, names, made, wanted)


def _make_missing(cluster: Any, kafka: Kafka, names: list[str], wanted: Wanted) -> set[str]:
    missing = []
    for topic in cluster.describe_topics(names):
        fault = for_code(topic["error_code"])
        if fault is UnknownTopicOrPartitionError:
            missing.append(topic["name"])
        elif topic["error_code"] and not fault.retriable:
            raise fault(f"topic {topic['name']!r}: {fault.description}")
    if not missing:
        return set()
    asked = {
        "num_partitions": wanted.partitions,
        "replication_factor": wanted.replication,
        "configs": wanted.configs,
    }
    answer = cluster.create_topics(dict.fromkeys(missing, asked), raise_errors=False)
    made = set()
    for topic in answer["topics"]:
        if not topic["error_code"]:
            made.add(topic["name"])
        elif for_code(topic["error_code"]) is not TopicAlreadyExistsError:  # a rival was faster
            why = topic.get("error_message") or for_code(topic["error_code"]).__name__
            raise PredictFlowError(f"{tried(kafka)} does not make topic {topic['name']!r}: {why}")
    return made


def _described(cluster: Any, names: list[str], made: set[str], wanted: Wanted) -> list[Topic]:
    found = {topic["name"]: topic for topic in cluster.describe_topics(names)}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs = cluster.describe_configs(resources, config_filter="all")["topic"]
    described = []
    for name in names:
        partitions = found[name]["partitions"]
        values = {key: one["value"] for key, one in configs[name].items()}
        actual: dict[str, Any] = {
            "partitions": len(partitions),
            "replication": len(partitions[0]["replica_nodes"]),
        }
        asked: dict[str, Any] = {"partitions": wanted.partitions, **wanted.configs}
        if wanted.replication != -1:
            asked["replication"] = wanted.replication
        # Times of the brokers' choice would make a record of today out of one of last week.
        asked["message.timestamp.type"] = "CreateTime"
        differs = [
            f"{key} is {now}, not {asked[key]}"
            for key in asked
            if str(now := {**values, **actual}[key]) != str(asked[key])
        ]
        described.append(
            Topic(
                name=name,
                topic_id=str(found[name]["topic_id"]),
                made=name in made,
                retention_ms=int(values["retention.ms"]),
                differs=differs,
                **actual,
            )
        )
    return described
