"""How far the lake is behind the topics, looked at from outside of any ingestion."""

from contextlib import closing

from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.ingest.kafka_batch import source_of
from fraud_platform.ingest.kafka_client import client_config, reaching, topic_ids
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings


def records_that_wait(settings: Settings, lake: Lake) -> dict[TopicPartition, int]:
    """Records of each partition that Kafka has and the lake hasn't.

    Raises PredictFlowError where the topics can't be read.
    """
    ids = topic_ids(settings.kafka)
    with (
        reaching(settings.kafka),
        closing(KafkaConsumer(**client_config(settings.kafka))) as reader,
    ):
        partitions = [
            TopicPartition(name, number)
            for name in ids
            for number in reader.partitions_for_topic(name) or ()
        ]
        ends = reader.end_offsets(partitions)
        starts = reader.beginning_offsets(partitions)
    return {
        at: max(0, end - max(starts[at], lake.position(LANDED_EVENTS, source_of(ids, at))))
        for at, end in ends.items()
    }
