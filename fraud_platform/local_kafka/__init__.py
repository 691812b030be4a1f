"""A real Apache Kafka broker on this machine's loopback, for trying out and for tests."""

from fraud_platform.local_kafka.broker import LocalBroker
from fraud_platform.local_kafka.distribution import KAFKA_VERSION, cache_folder
from fraud_platform.local_kafka.properties import free_port

__all__ = ["KAFKA_VERSION", "LocalBroker", "cache_folder", "free_port"]
