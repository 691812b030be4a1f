"""Decisions to Kafka; while it is away, to the files, which are landed as the topic is."""

import logging
import threading
from collections.abc import Sequence

from kafka import KafkaProducer
from kafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code

from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest.kafka_client import admin, client_config, reaching, tried
from fraud_platform.settings import Kafka
from serving.answer_metrics import DecisionLogMetrics
from serving.decision_files import Row, SegmentFiles

logger = logging.getLogger("predictflow.serving")

SEND_S = 1.0
"""Seconds that a batch has until the brokers have it; past it the rest goes to the files."""

RECONNECT_S = (1.0, 30.0)
"""Seconds before the first further try to connect, and the most that doubling leads to."""


class Topic:
    """The `Target` that sends to the topic `kafka.predictions_topic`.

    What the brokers don't confirm in time goes to `files`. It may have reached them all the same;
    `prediction_log` takes each decision_id once.
    """

    def __init__(self, kafka: Kafka, files: SegmentFiles, metrics: DecisionLogMetrics) -> None:
        self._kafka, self._files, self._metrics = kafka, files, metrics
        self._config = client_config(kafka)
        self._producer: KafkaProducer | None = None
        self._away: str | None = "not connected yet"
        self._stop = threading.Event()
        self._connect()

    def write(self, rows: Sequence[Row], *, durable: bool) -> None:
        """As `Target.write`: all in-sync replicas have the rows, or the files do."""
        unsent = rows if self._producer is None else self._send(self._producer, rows)
        if unsent:
            self._files.write(unsent, durable=durable)
            self._metrics.spilled(len(unsent))
        else:
            self._files.idle()

    def idle(self) -> None:
        """As `Target.idle`."""
        self._files.idle()

    def probe(self) -> None:
        """As `Target.probe`: the files can be written, whatever Kafka does."""
        self._files.probe()

    def fault(self) -> str | None:
        """That Kafka is away, and why."""
        away = self._away
        return None if away is None else f"decisions go to files, Kafka is away: {away}"

    def close(self) -> None:
        """Closes the connection and finishes the files."""
        self._stop.set()
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=SEND_S)
        self._files.close()

    def _send(self, producer: KafkaProducer, rows: Sequence[Row]) -> list[Row]:
        """Sends the rows; those that were not confirmed in time."""
        topic, sent, fault = self._kafka.predictions_topic, [], None
        try:
            sent.extend(producer.send(topic, key=row.key, value=row.line[:-1]) for row in rows)
            producer.flush(timeout=SEND_S)
        except KafkaError as error:
            fault = error
        confirmed = [future.succeeded() for future in sent]
        unsent = [row for row, ok in zip(rows, confirmed, strict=False) if not ok]
        unsent += rows[len(sent) :]
        if unsent:
            failed = (future.exception for future in sent if future.failed())
            self._lose(producer, fault or next(failed, None))
        return unsent

    def _lose(self, producer: KafkaProducer, error: BaseException | None) -> None:
        """Gives the connection up: what it still holds is in the files, and a new one is made."""
        self._producer = None
        self._say(error or "nothing was confirmed in time")
        # It may wait for its own threads, which wait for a broker.
        closing = threading.Thread(target=producer.close, kwargs={"timeout": 0}, daemon=True)
        closing.start()
        self._connect()

    def _connect(self) -> None:
        threading.Thread(target=self._connecting, name="decisions-kafka", daemon=True).start()

    def _connecting(self) -> None:
        """Tries until it is connected: in a thread of its own, as a try may take seconds."""
        delay, most = RECONNECT_S
        while not self._stop.is_set():
            try:
                self._producer = self._connected()
            except (PredictFlowError, OSError) as error:
                self._say(error)
                self._stop.wait(delay)
                delay = min(most, 2 * delay)
            else:
                self._away = None
                fields = {"kafka": tried(self._kafka), "topic": self._kafka.predictions_topic}
                logger.info("decision_topic_connected", extra={"fields": fields})
                return

    def _connected(self) -> KafkaProducer:
        topic = self._kafka.predictions_topic
        with admin(self._kafka) as cluster:
            (found,) = cluster.describe_topics([topic])
        if for_code(found["error_code"]) is UnknownTopicOrPartitionError:
            raise PredictFlowError(
                f"{tried(self._kafka)} has no topic {topic!r}; make it with: predictflow topics "
                "create"
            )
        with reaching(self._kafka):
            return KafkaProducer(
                **self._config,
                acks="all",
                enable_idempotence=True,
                delivery_timeout_ms=int(SEND_S * 1000),
                request_timeout_ms=int(SEND_S * 1000),
                max_block_ms=int(SEND_S * 1000),
                metrics_enabled=False,
            )

    def _say(self, error: BaseException | str) -> None:
        said = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        if self._away != said:
            fields = {"topic": self._kafka.predictions_topic, "cause": said}
            logger.warning("decision_topic_away", extra={"fields": fields})
        self._away = said
