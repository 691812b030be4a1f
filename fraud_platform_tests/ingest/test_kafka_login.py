"""Every way to log in works on a real broker; a refusal is told soon and without a secret."""

import json
import logging
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from msgspec.structs import replace

from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.ingest.kafka_client import client_config, reaching, topic_ids
from fraud_platform.ingest.topics import Wanted, create_topics
from fraud_platform.local_kafka import LocalBroker, free_port
from fraud_platform.settings import Kafka, Secret
from fraud_platform_tests.certificates import Authority, authority
from fraud_platform_tests.ingest.token_server import TokenServer
from fraud_platform_tests.kafka_broker import CACHE, Topics, needs_kafka

PASSWORD, WRONG = "hunter2-right", "hunter2-wrong"
LOGIN = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class Guarded:
    """A broker that asks for a login, and the settings of one that it lets in."""

    broker: LocalBroker
    authority: Authority
    ca_file: Path

    def kafka(self, listener: str, **settings: object) -> Kafka:
        port, protocol = self.broker.listeners[listener]
        common = {"brokers": f"127.0.0.1:{port}", "security_protocol": protocol}
        return Kafka(**{**common, "ssl_cafile": self.ca_file, **settings})  # type: ignore[arg-type]

    def scram(self, **settings: object) -> Kafka:
        login = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_username": "app"}
        return self.kafka("SCRAM", **{**login, "sasl_password": Secret(PASSWORD), **settings})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    needs_kafka()
    folder = tmp_path_factory.mktemp("guarded")
    trusted = authority()
    key, certificate = trusted.server()
    (folder / "ca.pem").write_bytes(trusted.pem)
    properties = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.key": key.strip().replace("\n", "\\n"),
        "ssl.keystore.certificate.chain": certificate.strip().replace("\n", "\\n"),
        "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256",
        "listener.name.scram.scram-sha-256.sasl.jaas.config": (
            f"{LOGIN}.scram.ScramLoginModule required;"
        ),
        "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.plain.plain.sasl.jaas.config": (
            f'{LOGIN}.plain.PlainLoginModule required user_app="{PASSWORD}";'
        ),
        # Kafka's own validator for trying out, which takes tokens that nobody has signed.
        "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.oauth.oauthbearer.sasl.jaas.config": (
            f"{LOGIN}.oauthbearer.OAuthBearerLoginModule required "
            'unsecuredLoginStringClaim_sub="broker";'
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:app",
    }
    names = {"TLS": "SSL", "SCRAM": "SASL_SSL", "PLAIN": "SASL_PLAINTEXT", "OAUTH": "SASL_SSL"}
    broker = LocalBroker(
        folder / "broker",
        free_port(),
        CACHE,
        listeners={name: (free_port(), protocol) for name, protocol in names.items()},
        properties=properties,
        users={"app": PASSWORD, "nobody": PASSWORD},
    )
    try:
        broker.start()
        create_topics(Kafka(brokers=broker.address), Wanted(2))
        yield Guarded(broker, trusted, folder / "ca.pem")
    finally:
        broker.kill()


@pytest.fixture
def settings_of(guarded: Guarded) -> Iterator[Callable[[str], Kafka]]:
    """The settings for each way to log in."""
    with TokenServer(lambda: {"access_token": token("app"), "expires_in": 60}) as server:
        yield lambda way: {
            "TLS": lambda: guarded.kafka("TLS"),
            "SCRAM": guarded.scram,
            "PLAIN": lambda: guarded.kafka(
                "PLAIN",
                sasl_mechanism="PLAIN",
                sasl_username="app",
                sasl_password=Secret(PASSWORD),
            ),
            "OAUTH": lambda: guarded.kafka(
                "OAUTH",
                sasl_mechanism="OAUTHBEARER",
                sasl_username="app",
                sasl_password=Secret(PASSWORD),
                oauth_token_url=server.url,
            ),
        }[way]()


def token(subject: str, seconds: float = 60) -> str:
    """A token that nobody has signed."""
    claims = {"sub": subject, "iat": time.time(), "exp": time.time() + seconds}
    parts = ({"alg": "none"}, claims)
    encoded = (urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return b".".join([*encoded, b""]).decode()


@pytest.mark.parametrize("way", ["SCRAM", "PLAIN", "OAUTH"])
def test_records_go_through_with_the_right_login(
    settings_of: Callable[[str], Kafka], way: str, guarded: Guarded
):
    kafka = settings_of(way)
    topics = Topics(kafka, kafka.transactions_topic, kafka.labels_topic)
    topics.produce("transactions", [f"by {way}".encode()])
    assert f"by {way}".encode() in [record.value for record in topics.consume("transactions")]
    assert topic_ids(kafka) == topic_ids(Kafka(brokers=guarded.broker.address))


def refusal(kafka: Kafka, client: type = KafkaAdminClient) -> tuple[PredictFlowError, float]:
    begun = time.monotonic()
    with pytest.raises(PredictFlowError) as caught, reaching(kafka):
        client(**client_config(kafka))
    assert "\n" not in str(caught.value)
    return caught.value, time.monotonic() - begun


@pytest.mark.parametrize("client", [KafkaAdminClient, KafkaProducer, KafkaConsumer])
def test_a_wrong_password_is_told_at_once(guarded: Guarded, client: type):
    kafka = guarded.scram(sasl_password=Secret(WRONG))
    error, seconds = refusal(kafka, client)
    assert not isinstance(error, UnavailableError)
    assert f"Kafka at {kafka.brokers} (SASL_SSL, SCRAM-SHA-256, user app) refuses" in str(error)
    assert "invalid credentials" in str(error)
    assert "PREDICTFLOW_KAFKA_SASL_PASSWORD" in str(error)
    assert seconds < 5


def test_a_wrong_password_is_told_though_another_broker_is_away(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fraud_platform.ingest.kafka_client.BOOTSTRAP_SECONDS", 6)
    kafka = guarded.scram(sasl_password=Secret(WRONG))
    error, _ = refusal(replace(kafka, brokers=f"127.0.0.1:{free_port()},{kafka.brokers}"))
    assert "invalid credentials" in str(error)


def test_a_plain_password_and_a_mechanism_are_refused_too(
    guarded: Guarded, settings_of: Callable[[str], Kafka]
):
    error, _ = refusal(replace(settings_of("PLAIN"), sasl_password=Secret(WRONG)))
    assert "Invalid username or password" in str(error)
    error, _ = refusal(guarded.scram(sasl_mechanism="SCRAM-SHA-512"))
    assert "does not support the requested SASL mechanism" in str(error)
    assert "kafka.sasl_mechanism" in str(error)


@pytest.mark.parametrize("trust", ["other", "system"])
def test_an_untrusted_certificate_is_told_at_once(guarded: Guarded, tmp_path: Path, trust: str):
    (tmp_path / "other.pem").write_bytes(authority().pem)
    ca_file = {"other": tmp_path / "other.pem", "system": None}[trust]
    error, seconds = refusal(guarded.scram(ssl_cafile=ca_file))
    assert not isinstance(error, UnavailableError)
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    assert f"kafka.ssl_cafile (now {ca_file or 'the system'}" in str(error)
    assert seconds < 5


def test_a_certificate_of_another_name_is_refused(guarded: Guarded):
    kafka = guarded.kafka("TLS")
    error, _ = refusal(replace(kafka, brokers=kafka.brokers.replace("127.0.0.1", "localhost")))
    assert "not valid for 'localhost'" in str(error)


def test_a_user_without_permission_is_told_of_it(guarded: Guarded):
    with pytest.raises(PredictFlowError, match=r"user nobody\) forbids it: topic 'transactions'"):
        topic_ids(guarded.scram(sasl_username="nobody"))


def test_plain_text_to_a_listener_of_tls_is_told_at_once(guarded: Guarded):
    error, seconds = refusal(replace(guarded.kafka("TLS"), security_protocol="PLAINTEXT"))
    assert "check settings kafka.brokers and kafka.security_protocol" in str(error)
    assert seconds < 5


def test_a_listener_that_hangs_up_is_told_with_the_protocol(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fraud_platform.ingest.kafka_client.BOOTSTRAP_SECONDS", 1)
    wants_tls = replace(guarded.kafka("TLS"), brokers=guarded.broker.address)
    wants_no_login = replace(guarded.kafka("PLAIN"), security_protocol="PLAINTEXT")
    for kafka in (wants_tls, wants_no_login):
        error, _ = refusal(kafka)
        assert isinstance(error, UnavailableError)
        assert "expects another kafka.security_protocol" in str(error)


def test_an_expired_token_is_refused_by_the_broker(guarded: Guarded):
    with TokenServer(lambda: {"access_token": token("app", seconds=-60)}) as server:
        kafka = guarded.kafka(
            "OAUTH",
            sasl_mechanism="OAUTHBEARER",
            sasl_username="app",
            sasl_password=Secret(PASSWORD),
            oauth_token_url=server.url,
        )
        error, _ = refusal(kafka)
    assert "invalid_token" in str(error)


def test_a_token_server_that_refuses_is_told_at_once(settings_of: Callable[[str], Kafka]):
    kafka = replace(settings_of("OAUTH"), sasl_password=Secret(WRONG))
    with TokenServer(dict, password=PASSWORD) as server:
        error, seconds = refusal(replace(kafka, oauth_token_url=server.url))
    assert "refuses client 'app': 401 invalid_client" in str(error)
    assert seconds < 5


def test_no_secret_is_in_a_message_or_a_log(
    guarded: Guarded, settings_of: Callable[[str], Kafka], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    for way in ("SCRAM", "PLAIN", "OAUTH"):
        kafka = settings_of(way)
        with reaching(kafka):
            KafkaAdminClient(**client_config(kafka)).close()
    for kafka in (guarded.scram(), settings_of("PLAIN")):
        error, _ = refusal(replace(kafka, sasl_password=Secret(WRONG)))
        assert WRONG not in f"{error}{error.__cause__}"
    assert "client_id" in caplog.text  # the configuration was logged
    for secret in (PASSWORD, WRONG):
        assert secret not in caplog.text
