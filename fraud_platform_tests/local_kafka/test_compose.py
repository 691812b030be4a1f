"""The broker of deploy/compose.yaml is the one that the tests run."""

from pathlib import Path

import yaml

from fraud_platform.local_kafka import KAFKA_VERSION, LocalBroker, free_port
from fraud_platform_tests.kafka_broker import CACHE, needs_kafka

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose.yaml"


def test_a_broker_starts_with_the_settings_of_the_compose_file(tmp_path: Path):
    needs_kafka()
    service = yaml.safe_load(COMPOSE.read_text())["services"]["kafka"]
    assert service["image"] == f"apache/kafka:{KAFKA_VERSION}"
    assert service["ports"] == ["127.0.0.1:9092:9092"]
    ports = {number: str(free_port()) for number in ("9092", "9093", "19092")}
    # As the image reads its environment, but for what is of the container: ports, names, places.
    properties = {}
    for name, value in service["environment"].items():
        text = str(value).replace("kafka:19092", "127.0.0.1:19092")
        for number, port in ports.items():
            text = text.replace(f":{number}", f":{port}")
        properties[name.removeprefix("KAFKA_").lower().replace("_", ".")] = text
    del properties["log.dirs"]
    broker = LocalBroker(tmp_path / "kafka", int(ports["9092"]), CACHE, properties=properties)
    try:
        broker.start()
        assert broker.pid is not None
    finally:
        broker.kill()
