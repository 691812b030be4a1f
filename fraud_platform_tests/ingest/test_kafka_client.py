"""What can't be reached or used is told with the setting and the mend, in bounded time."""

import time
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from msgspec.structs import replace

from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.ingest.kafka_client import BOOTSTRAP_SECONDS, client_config, reaching, topic_ids
from fraud_platform.local_kafka import free_port
from fraud_platform.settings import Kafka, Secret
from fraud_platform_tests.certificates import authority
from fraud_platform_tests.kafka_broker import Topics

MSK = Kafka(brokers="b:9098", security_protocol="SASL_SSL", sasl_mechanism="AWS_MSK_IAM")


def test_brokers_that_are_not_set_are_named():
    for brokers in ("", " , "):
        with pytest.raises(PredictFlowError, match=r"kafka.brokers.* PREDICTFLOW_KAFKA_BROKERS="):
            client_config(Kafka(brokers=brokers))


@pytest.mark.parametrize("client", [KafkaAdminClient, KafkaProducer, KafkaConsumer])
def test_a_broker_that_is_away_may_come_back(client: type, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fraud_platform.ingest.kafka_client.BOOTSTRAP_SECONDS", 1)
    kafka = Kafka(brokers=f"127.0.0.1:{free_port()}")
    begun = time.monotonic()
    with pytest.raises(UnavailableError) as caught, reaching(kafka):
        client(**client_config(kafka))
    assert time.monotonic() - begun < 5
    assert f"Kafka at {kafka.brokers} (PLAINTEXT) can't be reached: " in str(caught.value)
    assert "ECONNREFUSED" in str(caught.value)


def test_a_host_without_an_address_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fraud_platform.ingest.kafka_client.BOOTSTRAP_SECONDS", 1)
    with pytest.raises(UnavailableError, match="DNS Resolution failure"):
        topic_ids(Kafka(brokers="nowhere.invalid:9092"))


def test_the_first_contact_is_bounded():
    assert client_config(Kafka(brokers="b:1"))["bootstrap_timeout_ms"] == BOOTSTRAP_SECONDS * 1000
    assert BOOTSTRAP_SECONDS <= 15


def test_topic_ids_are_those_of_all_topics_and_the_predictions_may_be_missing(topics: Topics):
    ids = topic_ids(topics.kafka)
    assert list(ids) == [topics.transactions, topics.labels, topics.kafka.predictions_topic]
    assert len({UUID(one) for one in ids.values()} - {UUID(int=0)}) == 3
    without = topic_ids(replace(topics.kafka, predictions_topic="never-made"))
    assert list(without) == [topics.transactions, topics.labels]


def test_a_topic_that_does_not_exist_is_told_with_the_mend(topics: Topics):
    kafka = replace(topics.kafka, labels_topic="never-made")
    with pytest.raises(PredictFlowError, match=r"no topic 'never-made'; .*topics create") as caught:
        topic_ids(kafka)
    assert topics.transactions not in str(caught.value)


@pytest.mark.parametrize("name", ["ssl_cafile", "ssl_certfile", "ssl_keyfile"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, name: str):
    (tmp_path / "there.pem").write_text("")
    kafka = Kafka(brokers="b:1", security_protocol="SSL")
    if name == "ssl_keyfile":
        kafka = replace(kafka, ssl_certfile=tmp_path / "there.pem")
    missing = tmp_path / "missing.pem"
    kafka = replace(kafka, **{name: missing})
    with pytest.raises(PredictFlowError, match=rf"setting kafka.{name}: {missing} can't be used"):
        client_config(kafka)


def test_a_key_without_its_certificate_or_password_is_told(tmp_path: Path):
    _, certificate = authority().server()
    (tmp_path / "client.pem").write_text(certificate)
    key = ec.generate_private_key(ec.SECP256R1())
    encryption = serialization.BestAvailableEncryption(b"right")
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, encryption)
    (tmp_path / "key.pem").write_bytes(pem)
    kafka = Kafka(brokers="b:1", security_protocol="SSL", ssl_keyfile=tmp_path / "key.pem")
    with pytest.raises(PredictFlowError, match=r"set kafka.ssl_certfile too"):
        client_config(kafka)
    kafka = replace(kafka, ssl_certfile=tmp_path / "client.pem")
    for password in (Secret(), Secret("wrong")):
        with pytest.raises(PredictFlowError, match="PREDICTFLOW_KAFKA_SSL_KEY_PASSWORD") as caught:
            client_config(replace(kafka, ssl_key_password=password))
        assert "wrong" not in str(caught.value)


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "PROFILE", "DEFAULT_REGION", "REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("CONFIG_FILE", "SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(f"AWS_{name}", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def test_msk_takes_the_credentials_of_aws(no_aws: pytest.MonkeyPatch):
    with pytest.raises(PredictFlowError, match="no credentials of AWS"):
        client_config(MSK)
    no_aws.setenv("AWS_ACCESS_KEY_ID", "id")
    no_aws.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(PredictFlowError, match="AWS_DEFAULT_REGION"):
        client_config(MSK)
    no_aws.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    config = client_config(MSK)
    assert config["sasl_mechanism"] == "AWS_MSK_IAM"
    assert "secret" not in str(config)
