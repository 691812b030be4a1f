"""One consumer of all topics: polls into a batch, lands it, and never lands what isn't its own."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

import polars as pl
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import (
    BrokerResponseError,
    LogTruncationError,  # pyright: ignore[reportAttributeAccessIssue] - the stubs are of 2.x
    OffsetOutOfRangeError,
    RetriableError,  # pyright: ignore[reportAttributeAccessIssue]
)
from kafka.structs import OffsetAndMetadata, TopicPartition

from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest.contract_decoder import ContractDecoder
from fraud_platform.ingest.decision_rows import DecisionDecoder
from fraud_platform.ingest.ingested import Ingested
from fraud_platform.ingest.kafka_assignments import Assignments
from fraud_platform.ingest.kafka_batch import Pending, Topic
from fraud_platform.ingest.kafka_client import topic_ids
from fraud_platform.ingest.kafka_faults import NOT_A_MEMBER, WENT
from fraud_platform.ingest.kafka_landing import KafkaLanding
from fraud_platform.settings import Settings

POLL_RECORDS = 40_000
COMMIT_MS = 5_000
Told = Callable[[Ingested, pl.DataFrame], None]


class _Writing(NamedTuple):
    """A batch that is being written, and where its partitions stand once it is."""

    outcome: Future[dict[TopicPartition, int]]
    batch: Pending
    ends: dict[TopicPartition, int]


class Session:
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
        self._writing: _Writing | None = None
        self._kafka, self.topics = settings.kafka, topics
        self._accept_loss, self._told = accept_loss, told
        self._decoders = {
            name: DecisionDecoder()
            if topic.kind == "predictions"
            else ContractDecoder(topic.kind, landing.known_fields(topic))
            for name, topic in topics.items()
        }
        # The offset that each partition of ours is read from next, and where the lake stands.
        self._next: dict[TopicPartition, int] = {}
        self.stands: dict[TopicPartition, int] = {}
        self._assignments = Assignments(self.consumer, landing)
        self._in_group = self.consumer.config["group_id"] is not None

    def subscribe(self) -> None:
        """Shares the topics with the group's other members."""
        self.consumer.subscribe([*self.topics], listener=self._assignments)

    def poll(self, seconds: float) -> None:
        """Takes what there is, waiting up to so long for it."""
        try:
            polled = self.consumer.poll(
                timeout_ms=int(seconds * 1000),
                max_records=min(POLL_RECORDS, self.pending.room) or 1,
            )
        except (OffsetOutOfRangeError, LogTruncationError):
            self._skip_what_is_gone()
            return
        self._take_up_assignments()
        for at, records in polled.items():
            if at not in self._next:  # its assignment failed half-way
                self.place([at])
                continue
            wanted = [record for record in records if record.offset >= self._next[at]]
            if wanted:
                self.pending.add(
                    self.topics[at.topic], self._decoders[at.topic], wanted, self._next[at]
                )
                self._next[at] = wanted[-1].offset + 1

    def _take_up_assignments(self) -> None:
        """Forgets what was polled of partitions that went; their new owner reads it from the lake.

        What comes back to us is read from the lake's position too.
        """
        for heard in self._assignments.take():
            self.pending.drop(heard)
            came = {at: offset for at, offset in heard.items() if offset is not None}
            self.landing.done.rebalances += bool(came)
            self._next = {at: n for at, n in self._next.items() if at not in heard} | came
            self.stands |= came

    def land(self) -> set[TopicPartition]:
        """Starts to land what was polled, once the batch before it is landed.

        It is written in a thread of its own, while the next records are polled. Returned are the
        partitions of the batch before that another ingester had moved on. Raises UnavailableError
        for a passing fault, with the rows still waiting, and PredictFlowError where a topic was
        made again.
        """
        moved = self.settle()
        self._take_up_assignments()
        if not self.pending.spans:
            return moved
        # Asked after the poll: an id never comes back, so the records are of that topic.
        found = topic_ids(self._kafka, self._admin)
        for topic in self.topics.values():
            if found[topic.name] != topic.id:
                raise PredictFlowError(
                    f"topic {topic.name} was made again while it was read; what of it wasn't "
                    "landed is lost. Start the ingestion again: it says what to do"
                )
        if self._commit(self.pending.spans):
            batch, self.pending = self.pending, Pending(self._limits)
            ends = {at: end for at, (_, end) in batch.spans.items()}
            outcome = self.writer.submit(self.landing.land, batch, self._told)
            self._writing = _Writing(outcome, batch, ends)
        return moved

    @property
    def writing(self) -> bool:
        """Whether a batch is being written, or its outcome was not taken up yet."""
        return self._writing is not None

    def settle(self, *, wait: bool = True) -> set[TopicPartition]:
        """Takes up the outcome of the batch that is being written; as `land` of that batch."""
        if self._writing is None or not (wait or self._writing.outcome.done()):
            return set()
        written, self._writing = self._writing, None
        try:
            moved = written.outcome.result()
        except Exception:
            self.pending.put_back(written.batch, self._next)
            raise
        self.stands |= written.ends | moved
        self.seek(moved)
        self._commit(self._next)
        return set(moved)

    def hold(self, *, back: bool) -> None:
        """Stops polling records, or goes on; the consumer stays in its group meanwhile."""
        for at in self.consumer.assignment() if back else self.consumer.paused():
            with suppress(*WENT):
                (self.consumer.pause if back else self.consumer.resume)(at)

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
            with suppress(*WENT):
                self.consumer.seek(at, offset)
                self._next[at] = self.stands[at] = offset

    def place(self, partitions: Iterable[TopicPartition]) -> None:
        """Reads partitions from where the lake says."""
        self.seek(self.landing.positions(partitions))

    def measure_lag(self) -> None:
        """Writes down where each partition of ours stands and how many records wait behind that."""
        done = self.landing.done
        done.positions, done.lag = {}, {}
        for at in self._next:
            name, stands = f"{at.topic}/{at.partition}", self.stands[at]
            with suppress(*WENT):
                end = self.consumer.highwater(at)
                done.positions[name] = stands
                done.lag[name] = 0 if end is None else max(0, end - stands)

    def _commit(self, partitions: Iterable[TopicPartition]) -> bool:
        """Tells the group what of these partitions was landed; False where it refuses us.

        It does so when another consumer has them by now: what we hold of them is forgotten.
        """
        if not self._in_group:
            return True
        offsets = {
            at: OffsetAndMetadata(self.stands[at], "", -1) for at in partitions if at in self._next
        }
        try:
            self.consumer.commit(offsets, timeout_ms=COMMIT_MS)
        except NOT_A_MEMBER:
            self.place(list(self.pending.spans))
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
