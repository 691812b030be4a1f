"""A consumer of the transactions' topic: its share of the group, where it stands, what it holds."""

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.structs import OffsetAndMetadata, TopicPartition

from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest.kafka_client import client_config, reaching, tried
from fraud_platform.ingest.kafka_faults import NOT_A_MEMBER, WENT
from fraud_platform.memory import fewer_collections
from fraud_platform.settings import Settings

log = logging.getLogger("predictflow.stream")

SESSION_MS = 6_000  # after so long without a sign a member's partitions go to others
COMMIT_MS = 5_000
ENDS_MS = 1_000
PROOF_SECONDS = (
    1.0  # how long an accepted commit proves that we are a member: well under SESSION_MS
)
FETCH_MIN_BYTES = 2**16  # at so much the broker lingers no longer
PARTITION_BYTES = 2**18
FETCH_BYTES = 4 * 2**20


class Member:
    """A member of the group, with the records that it polled and hasn't settled.

    The group's offsets in Kafka are the progress. Each is committed with a `mark` that says to
    which write of the whole view it belongs; who goes on from an offset with another mark reads
    again what came since that write.
    """

    def __init__(self, settings: Settings, consumer: KafkaConsumer) -> None:
        self.consumer = consumer
        self._topic = settings.kafka.transactions_topic
        self._most = settings.stream.batch_records
        self.pending: list[ConsumerRecord] = []
        self.mark = ""
        self.assignments = 0
        # Where each partition of ours is polled from next, and up to where it is settled.
        self._next: dict[TopicPartition, int] = {}
        self._settled: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._stamps_ms: dict[TopicPartition, int] = {}  # of the last records that were settled
        self.unplaced: set[TopicPartition] = set()
        self._proven = -PROOF_SECONDS
        self._heard = _Heard(consumer)
        consumer.subscribe([self._topic], listener=self._heard)

    def poll(self, seconds: float, *, take: bool) -> None:
        """Takes up what the group says and, where asked to, records, waiting up to so long.

        It has to be called every few seconds even where none are taken: it keeps us in the group.
        """
        for at in self.consumer.assignment():
            with suppress(*WENT):
                if take and at not in self.unplaced:
                    self.consumer.resume(at)
                else:
                    self.consumer.pause(at)
        polled = self.consumer.poll(timeout_ms=int(seconds * 1000), max_records=self._most)
        self._take_up()
        for at, records in polled.items():
            if at in self._next:
                wanted = [record for record in records if record.offset >= self._next[at]]
                if wanted:
                    self.pending += wanted
                    self._next[at] = wanted[-1].offset + 1

    def _take_up(self) -> None:
        """Forgets what was polled of partitions that went; those that came have to be placed."""
        while self._heard.changes:
            came, went = self._heard.changes.popleft()
            self.unplaced = (self.unplaced | came) - went
            gone = came | went
            self.pending = [
                one for one in self.pending if TopicPartition(one.topic, one.partition) not in gone
            ]
            for kept in (self._next, self._settled, self._ends, self._stamps_ms):
                for at in gone:
                    kept.pop(at, None)
            self.assignments += bool(came)

    def place(self, since_ms: int | None, warm_up_ms: int) -> bool:
        """Reads new partitions from where the group stands; whether some were read again.

        One that the group never read is read from the time `warm_up_ms`, one whose offset has
        another mark than ours from `since_ms` (None: from the offset) where that is earlier.
        """
        new = list(self.unplaced)
        if not new:
            return False
        committed = {at: self.consumer.committed(at, metadata=True) for at in new}
        known = {at: one for at, one in committed.items() if one is not None}
        other = [at for at, one in known.items() if one.metadata != self.mark]
        starts = {at: one.offset for at, one in known.items()}
        starts |= self._at_time([at for at in new if at not in known], warm_up_ms)
        if since_ms is not None:
            starts |= {at: min(starts[at], n) for at, n in self._at_time(other, since_ms).items()}
        self._ends |= self.consumer.end_offsets(new)
        self._seek(starts)
        self.unplaced -= starts.keys()
        return since_ms is not None and bool(other)

    def read_again(self, since_ms: int) -> None:
        """Goes back to the records of this time and later; never forward."""
        found = self._at_time(list(self._settled), since_ms)
        self._seek({at: min(n, self._settled[at]) for at, n in found.items()})

    def _seek(self, positions: dict[TopicPartition, int]) -> None:
        self.pending = [
            one for one in self.pending if TopicPartition(one.topic, one.partition) not in positions
        ]
        for at, offset in positions.items():
            with suppress(*WENT):
                self.consumer.seek(at, offset)
                self._next[at] = self._settled[at] = offset

    def _at_time(self, partitions: list[TopicPartition], ms: int) -> dict[TopicPartition, int]:
        """The offset of each partition's first record of this time or later, or its end."""
        if not partitions:
            return {}
        found = self.consumer.offsets_for_times(dict.fromkeys(partitions, ms))
        ends = self.consumer.end_offsets(partitions)
        return {at: one.offset if (one := found.get(at)) else ends[at] for at in partitions}

    def is_new_group(self) -> bool:
        """Whether nobody of the group has ever written anything of the topic."""
        parts = self.consumer.partitions_for_topic(self._topic) or ()
        found = [
            self.consumer.committed(TopicPartition(self._topic, n), metadata=True) for n in parts
        ]
        return not any(one and one.metadata for one in found)

    def is_member(self) -> bool:
        """Whether the group counts us in, as of a moment ago: who it doesn't must not write."""
        return time.monotonic() - self._proven < PROOF_SECONDS or self._commit()

    def settle(self) -> bool:
        """Commits what was polled, as it is written now; False where the group refuses us."""
        for one in self.pending:
            self._stamps_ms[TopicPartition(one.topic, one.partition)] = one.timestamp
        self.pending = []
        self._settled |= self._next
        return self._commit()

    def _commit(self) -> bool:
        asked = time.monotonic()
        offsets = {at: OffsetAndMetadata(n, self.mark, -1) for at, n in self._settled.items()}
        try:
            self.consumer.commit(offsets, timeout_ms=COMMIT_MS)
        except NOT_A_MEMBER:
            self._proven = -PROOF_SECONDS
            return False
        self._proven = asked
        return True

    @property
    def partitions(self) -> int:
        """How many partitions the topic has, ours and others'."""
        return len(self.consumer.partitions_for_topic(self._topic) or ())

    def read_until_us(self) -> dict[int, int]:
        """Up to when each partition of ours is settled, in microseconds UTC: to this moment where
        nothing waits, else to its last settled record; without those of which nothing is known.

        Raises KafkaTimeoutError where Kafka doesn't say within a second what waits.
        """
        asked_us = time.time_ns() // 1000
        asked = list(self._settled)
        ends = self.consumer.end_offsets(asked, timeout_ms=ENDS_MS)  # pyright: ignore[reportCallIssue] - the stubs are of an older one
        stamps = {at: self._stamps_ms[at] * 1000 for at in self._settled if at in self._stamps_ms}
        read = {at: asked_us for at, settled in self._settled.items() if settled >= ends[at]}
        return {at.partition: us for at, us in (stamps | read).items()}

    @property
    def caught_up(self) -> bool:
        """Whether all of ours is settled up to where it ended when it came to us."""
        if not self._ends or self.unplaced or self.pending:
            return False
        return all((self.consumer.position(at) or 0) >= end for at, end in self._ends.items())

    def lag(self) -> dict[int, int]:
        """How many records of each partition of ours wait, as far as is known."""
        found = {}
        for at, settled in self._settled.items():
            with suppress(*WENT):
                end = self.consumer.highwater(at)
                found[at.partition] = 0 if end is None else max(0, end - settled)
        return found


class _Heard(ConsumerRebalanceListener):
    """Hears what comes and goes, for the member to take up; what comes waits to be placed."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self.changes: deque[tuple[set[TopicPartition], set[TopicPartition]]] = deque()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        came = set(assigned)
        log.info("assigned %s", ", ".join(f"{at.topic}/{at.partition}" for at in sorted(came)))
        self._consumer.pause(*came)
        self.changes.append((came, set()))

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.changes.append((set(), set(revoked)))

    on_partitions_lost = on_partitions_revoked


@contextmanager
def joined(settings: Settings) -> Iterator[Member]:
    """A member of the stream's group; it leaves when the block ends.

    Raises PredictFlowError where Kafka can't be had or has no such topic.
    """
    kafka, stream = settings.kafka, settings.stream
    with reaching(kafka), fewer_collections():
        consumer = KafkaConsumer(
            **client_config(kafka),
            group_id=stream.group,
            enable_auto_commit=False,
            # Of offsets that retention has taken: the state is made of the last 72 h.
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            partition_assignment_strategy=[CooperativeStickyAssignor],
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 4,
            max_poll_records=stream.batch_records,
            fetch_max_wait_ms=stream.linger_ms,
            fetch_min_bytes=FETCH_MIN_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=PARTITION_BYTES,
            metrics_enabled=False,
        )
        try:
            if not consumer.partitions_for_topic(kafka.transactions_topic):
                raise PredictFlowError(
                    f"{tried(kafka)} has no topic {kafka.transactions_topic!r}; make it with: "
                    "predictflow topics create (or name another in setting "
                    "kafka.transactions_topic)"
                )
            yield Member(settings, consumer)
        finally:
            consumer.close(timeout_ms=COMMIT_MS)
