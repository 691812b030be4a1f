"""One consumer of both topics: polls into a batch, lands it, and never lands what isn't its own."""

import gc
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import polars as pl
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import (
    BrokerResponseError,
    CommitFailedError,
    IllegalGenerationError,
    LogTruncationError,  # pyright: ignore[reportAttributeAccessIssue] - the stubs are of 2.x
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    RetriableError,  # pyright: ignore[reportAttributeAccessIssue]
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata, TopicPartition

from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest.contract_decoder import ContractDecoder
from fraud_platform.ingest.ingested import Ingested
from fraud_platform.ingest.kafka_batch import Pending, Topic
from fraud_platform.ingest.kafka_client import client_config, reaching, topic_ids
from fraud_platform.ingest.kafka_landing import KafkaLanding
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Kafka, Settings

log = logging.getLogger("predictflow.ingest")

POLL_RECORDS = 40_000
PARTITION_BYTES = 2**20
FETCH_BYTES = 64 * 2**20
SESSION_MS = 6_000  # after so long without a sign a member's partitions go to others
COMMIT_MS = 5_000
_NOT_A_MEMBER = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
Told = Callable[[Ingested, pl.DataFrame], None]


class Session(ConsumerRebalanceListener):
    """A consumer and what it has polled and not landed yet.

    Progress is the lake's: partitions are read from where the lake says, whatever Kafka has
    committed. The group's offsets in Kafka are kept for those who watch its lag, and because
    committing them is refused to a consumer that lost its partitions.
    """

    def __init__(
        self,
        settings: Settings,
        landing: KafkaLanding,
        topics: dict[str, Topic],
        clients: tuple[KafkaConsumer, KafkaAdminClient],
        *,
        accept_loss: bool,
        told: Told,
    ) -> None:
        self.consumer, self._admin = clients
        self.landing = landing
        self._limits = settings.ingest
        self.pending = Pending(self._limits)
        self.writer = ThreadPoolExecutor(1)
        self._writing: tuple[Future[dict[TopicPartition, int]], Pending] | None = None
        self._kafka, self._topics = settings.kafka, topics
        self._accept_loss, self._told = accept_loss, told
        self._decoders = {
            name: ContractDecoder(topic.kind, landing.known_fields(topic))
            for name, topic in topics.items()
        }
        # The offset that each partition of ours is read from next.
        self._next: dict[TopicPartition, int] = {}
        self._in_group = self.consumer.config["group_id"] is not None

    def poll(self, seconds: float) -> bool:
        """Takes what there is, waiting up to so long for it; whether there was anything."""
        try:
            polled = self.consumer.poll(
                timeout_ms=int(seconds * 1000),
                max_records=min(POLL_RECORDS, self.pending.room) or 1,
            )
        except (OffsetOutOfRangeError, LogTruncationError):
            self._skip_what_is_gone()
            return False
        for at, records in polled.items():
            if at not in self._next:  # its assignment failed half-way
                self.place([at])
                continue
            wanted = [record for record in records if record.offset >= self._next[at]]
            if wanted:
                self.pending.add(self._topics[at.topic], self._decoders[at.topic], wanted)
                self._next[at] = wanted[-1].offset + 1
        return bool(polled)

    def land(self) -> set[TopicPartition]:
        """Starts to land what was polled, once the batch before it is landed.

        It is written in a thread of its own, while the next records are polled. Returned are the
        partitions of the batch before that another ingester had moved on. Raises UnavailableError
        for a passing fault, with the rows still waiting, and PredictFlowError where a topic was
        made again.
        """
        moved = self.settle()
        if not self.pending.spans:
            return moved
        # Asked after the poll: an id never comes back, so the records are of that topic.
        found = topic_ids(self._kafka, self._admin)
        for topic in self._topics.values():
            if found[topic.name] != topic.id:
                raise PredictFlowError(
                    f"topic {topic.name} was made again while it was read; what of it wasn't "
                    "landed is lost. Start the ingestion again: it says what to do"
                )
        if self._commit(self.pending.spans):
            batch, self.pending = self.pending, Pending(self._limits)
            self._writing = (self.writer.submit(self.landing.land, batch, self._told), batch)
        return moved

    @property
    def writing(self) -> bool:
        """Whether a batch is being written, or its outcome was not taken up yet."""
        return self._writing is not None

    def settle(self, *, wait: bool = True) -> set[TopicPartition]:
        """Takes up the outcome of the batch that is being written; as `land` of that batch."""
        if self._writing is None or not (wait or self._writing[0].done()):
            return set()
        (outcome, batch), self._writing = self._writing, None
        try:
            moved = outcome.result()
        except Exception:
            self.pending.put_back(batch)
            raise
        self.seek(moved)
        self._commit(self._next)
        return set(moved)

    def hold(self, *, back: bool) -> None:
        """Stops polling records, or goes on; the consumer stays in its group meanwhile."""
        if back:
            self.consumer.pause(*self.consumer.assignment())
        else:
            self.consumer.resume(*self.consumer.paused())

    def follower_is_live(self) -> bool:
        """Whether the group has members: followers, that land what there is without us."""
        try:
            found = self._admin.describe_groups([self._kafka.group])  # pyright: ignore[reportAttributeAccessIssue]
        except (BrokerResponseError, RetriableError):  # a cluster that never had a group
            return False
        return any(group["members"] for group in found.values())

    def seek(self, positions: dict[TopicPartition, int]) -> None:
        """Reads partitions from these offsets on, forgetting what was polled of them."""
        self.pending.drop(positions)
        for at, offset in positions.items():
            if at in self.consumer.assignment():
                self.consumer.seek(at, offset)
                self._next[at] = offset

    def place(self, partitions: Iterable[TopicPartition]) -> None:
        """Reads partitions from where the lake says."""
        self.seek(self.landing.positions(partitions))

    def measure_lag(self) -> None:
        """Writes down where each partition of ours stands and how many records wait behind that."""
        ours = self.consumer.assignment() & self.landing.recorded.keys()
        stands = {f"{at.topic}/{at.partition}": (at, self.landing.recorded[at]) for at in ours}
        self.landing.done.positions = {name: offset for name, (_, offset) in stands.items()}
        self.landing.done.lag = {
            name: max(0, end - offset)
            for name, (at, offset) in stands.items()
            if (end := self.consumer.highwater(at)) is not None
        }

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.landing.done.rebalances += 1
        log.info("assigned %s", ", ".join(f"{at.topic}/{at.partition}" for at in sorted(assigned)))
        self.place(assigned)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """What was polled of them is left to their new owner, who starts from the lake too."""
        self.pending.drop(revoked)
        for at in revoked:
            self._next.pop(at, None)

    on_partitions_lost = on_partitions_revoked

    def _commit(self, partitions: Iterable[TopicPartition]) -> bool:
        """Tells the group what of these partitions was landed; False where it refuses us.

        It does so when another consumer has them by now: what we hold of them is forgotten.
        """
        if not self._in_group:
            return True
        mine = [at for at in partitions if at in self.consumer.assignment()]
        recorded = self.landing.recorded
        offsets = {at: OffsetAndMetadata(recorded[at], "", -1) for at in mine if at in recorded}
        try:
            self.consumer.commit(offsets, timeout_ms=COMMIT_MS)
        except _NOT_A_MEMBER:
            self.place(list(self.pending.spans))
            self.pending.clear()
            return False
        return True

    def _skip_what_is_gone(self) -> None:
        self.land()
        self.settle()
        ours = list(self.consumer.assignment())
        first, last = self.consumer.beginning_offsets(ours), self.consumer.end_offsets(ours)
        for at, stands in self.landing.positions(ours).items():
            if not first[at] <= stands <= last[at]:
                there = first[at] if stands < first[at] else last[at]
                self.landing.skip(at, stands, there, accept_loss=self._accept_loss)
                self.seek({at: there})


@contextmanager
def opened(
    settings: Settings, lake: Lake, *, in_group: bool, accept_loss: bool, told: Told
) -> Iterator[Session]:
    """A session on the settings' topics; raises PredictFlowError where it can't be had."""
    kafka = settings.kafka
    config = client_config(kafka)
    with reaching(kafka), _fewer_collections():
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


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Polling makes millions of objects that are free of cycles: looking for some costs a tenth."""
    former = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*former)


def _topics(kafka: Kafka, admin: KafkaAdminClient) -> dict[str, Topic]:
    ids = topic_ids(kafka, admin)
    return {
        kafka.transactions_topic: Topic(
            kafka.transactions_topic, "transactions", ids[kafka.transactions_topic]
        ),
        kafka.labels_topic: Topic(kafka.labels_topic, "labels", ids[kafka.labels_topic]),
    }


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
