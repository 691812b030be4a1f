"""How the platform reaches the cluster of its settings, and says why it doesn't."""

import logging
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import (
    AuthorizationError,
    CommitFailedError,
    InvalidReceiveError,
    KafkaConnectionError,
    KafkaError,
    UnknownTopicOrPartitionError,
    for_code,
)

from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.ingest.kafka_bootstrap import (
    LOGIN_REFUSED,
    ClosedOnFailure,
    failing_fast,
    tls_refused,
)
from fraud_platform.ingest.oauth import TokenProvider
from fraud_platform.settings import Kafka, Secret

# What goes wrong is raised with its reason; a terminal needs no log of each try beside it.
logging.getLogger("kafka").addHandler(logging.NullHandler())
# At DEBUG they log every frame: passwords, tokens and payments.
for _name in ("kafka.protocol.parser", "kafka.net.connection"):
    logging.getLogger(_name).setLevel(logging.INFO)

BOOTSTRAP_SECONDS = 12
_TLS = ("SSL", "SASL_SSL")


class _Hidden(str):
    """A secret as kafka-python needs it; the configuration that it logs shows stars."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'********'"


def client_config(kafka: Kafka) -> dict[str, Any]:
    """The keyword arguments that consumers, producers and admins of kafka-python have in common.

    Raises PredictFlowError, naming the setting, for brokers that aren't set, a file that can't be
    used and credentials of AWS that aren't there.
    """
    brokers = [one.strip() for one in kafka.brokers.split(",") if one.strip()]
    if not brokers:
        raise PredictFlowError(
            "setting kafka.brokers: none are set; set PREDICTFLOW_KAFKA_BROKERS=host:port, or "
            "start one on this machine with: predictflow kafka up"
        )
    config: dict[str, Any] = {
        "bootstrap_servers": brokers,
        "client_id": "predictflow",
        "security_protocol": kafka.security_protocol,
        "bootstrap_timeout_ms": BOOTSTRAP_SECONDS * 1000,
        "kafka_client": failing_fast,
        # A broker that comes back is found within seconds, not after half a minute.
        "reconnect_backoff_max_ms": 5_000,
    }
    if kafka.security_protocol in _TLS:
        config["ssl_context"] = _tls(kafka)
    if kafka.sasl_mechanism:
        config["sasl_mechanism"] = kafka.sasl_mechanism
    match kafka.sasl_mechanism:
        case "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512":
            config["sasl_plain_username"] = kafka.sasl_username
            config["sasl_plain_password"] = _Hidden(kafka.sasl_password.reveal())
        case "OAUTHBEARER":
            config["sasl_oauth_token_provider"] = TokenProvider(kafka)
        case "AWS_MSK_IAM":
            _check_aws()
    return config


@contextmanager
def reaching(kafka: Kafka) -> Iterator[None]:
    """Turns what kafka-python raises in the block into one line with the reason and the mend.

    What may pass (a broker that is away, a leader that moves) becomes UnavailableError; a refused
    login, an untrusted certificate or a missing permission PredictFlowError.
    """
    try:
        yield
    except KafkaError as error:
        raise _explained(kafka, error) from error


@contextmanager
def admin(kafka: Kafka) -> Iterator[Any]:
    """A KafkaAdminClient for the block, within `reaching`; Any, as its type stubs are of old."""
    with reaching(kafka), closing(KafkaAdminClient(**client_config(kafka))) as client:
        yield client


def topic_ids(kafka: Kafka, cluster: Any = None) -> dict[str, str]:
    """Topic name -> its id (KIP-516), of the settings' topics.

    A topic that was deleted and made again has another id. `cluster` is an open KafkaAdminClient;
    without one it is opened for the question. Raises PredictFlowError for a topic of transactions
    or labels that doesn't exist; one of predictions may be missing, where no service sends any.
    """
    if cluster is None:
        with admin(kafka) as opened:
            return topic_ids(kafka, opened)
    needed = [kafka.transactions_topic, kafka.labels_topic]
    names = [*needed, kafka.predictions_topic]
    with reaching(kafka):
        found = {topic["name"]: topic for topic in cluster.describe_topics(names)}
        for topic in found.values():
            fault = for_code(topic["error_code"])
            if fault is not UnknownTopicOrPartitionError and topic["error_code"]:
                raise fault(f"topic {topic['name']!r}")
    missing = [repr(name) for name in needed if found[name]["error_code"]]
    if missing:
        raise PredictFlowError(
            f"{tried(kafka)} has no topic {' and no topic '.join(missing)}; make them with: "
            "predictflow topics create (or name others in settings kafka.transactions_topic and "
            "kafka.labels_topic)"
        )
    return {name: str(found[name]["topic_id"]) for name in names if not found[name]["error_code"]}


def tried(kafka: Kafka) -> str:
    """The cluster and how it is spoken to, for messages: no secret is in it."""
    login = [kafka.security_protocol, kafka.sasl_mechanism]
    login += [f"user {kafka.sasl_username}"] if kafka.sasl_username else []
    return f"Kafka at {kafka.brokers} ({', '.join(filter(None, login))})"


def _explained(kafka: Kafka, error: KafkaError) -> PredictFlowError:
    said = error.args[0] if error.args else getattr(error, "description", str(error))
    said = " ".join(str(said).split()).removeprefix(f"{type(error).__name__}: ").rstrip(".")
    lasting, passing = PredictFlowError, UnavailableError
    trusted = kafka.ssl_cafile or "the system's certificates"
    match error:
        case KafkaError() if isinstance(error, LOGIN_REFUSED):
            kind, what = lasting, f"refuses the login: {said}"
            mend = "settings kafka.sasl_mechanism, kafka.sasl_username and kafka.security_protocol"
            mend = f"check {mend}, and PREDICTFLOW_KAFKA_SASL_PASSWORD"
        case KafkaError() if tls_refused(error):
            kind, what = lasting, f"can't be trusted over TLS: {said}"
            mend = "check settings kafka.brokers, kafka.security_protocol and kafka.ssl_cafile "
            mend += f"(now {trusted})"
        case AuthorizationError():
            kind, what = lasting, f"forbids it: {said}"
            mend = "give the user the permission (an ACL)"
        case InvalidReceiveError():
            kind, what = lasting, f"speaks something else: {said}"
            mend = "check settings kafka.brokers and kafka.security_protocol"
        case UnknownTopicOrPartitionError():
            kind, what = lasting, f"has no such topic: {said}"
            mend = "make both with: predictflow topics create"
        case KafkaConnectionError() if "disconnected" in said or "UNEXPECTED_EOF" in said:
            kind, what = passing, "closed the connection"
            mend = "it is stopping, or expects another kafka.security_protocol"
        case KafkaConnectionError():
            kind, what = passing, f"can't be reached: {said}"
            mend = "check that it runs, and setting kafka.brokers"
        case _:
            may_pass = error.retriable or isinstance(error, CommitFailedError)
            kind, what = passing if may_pass else lasting, f"{type(error).__name__}: {said}"
            mend = "it may pass" if may_pass else "see the broker's log"
    return kind(f"{tried(kafka)} {what}; {mend}")


def _tls(kafka: Kafka) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_cafile)
    except OSError as error:  # ssl's errors are among them
        raise _unusable("ssl_cafile", kafka.ssl_cafile, error) from error
    context.sslsocket_class = ClosedOnFailure
    if kafka.ssl_keyfile and not kafka.ssl_certfile:
        raise PredictFlowError(
            f"setting kafka.ssl_keyfile: {kafka.ssl_keyfile} has no certificate; set "
            "kafka.ssl_certfile too"
        )
    if kafka.ssl_certfile:
        for name in ("ssl_certfile", "ssl_keyfile"):
            path = getattr(kafka, name)
            if path and not path.is_file():
                raise _unusable(name, path, "there is no such file")
        password: Secret = kafka.ssl_key_password
        try:
            # Never None: OpenSSL would ask the terminal.
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile, password.reveal())
        except OSError as error:
            key = kafka.ssl_keyfile or kafka.ssl_certfile
            raise _unusable(
                "ssl_certfile",
                kafka.ssl_certfile,
                f"it and its key {key} can't be loaded ({error}); check that they belong together, "
                "and PREDICTFLOW_KAFKA_SSL_KEY_PASSWORD",
            ) from error
    return context


def _unusable(name: str, path: object, why: object) -> PredictFlowError:
    return PredictFlowError(f"setting kafka.{name}: {path} can't be used: {why}")


def _check_aws() -> None:
    """kafka-python would say only that 'NoneType' has no attribute."""
    try:
        from botocore.session import Session  # noqa: PLC0415 - for MSK alone
    except ImportError as error:
        raise PredictFlowError(
            "setting kafka.sasl_mechanism: AWS_MSK_IAM needs the package botocore; install boto3"
        ) from error
    session = Session()
    if session.get_credentials() is None:
        raise PredictFlowError(
            "setting kafka.sasl_mechanism: AWS_MSK_IAM finds no credentials of AWS; set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine a role"
        )
    if not session.get_config_variable("region"):
        raise PredictFlowError(
            "setting kafka.sasl_mechanism: AWS_MSK_IAM finds no region; set AWS_DEFAULT_REGION"
        )
