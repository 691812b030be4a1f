"""From Kafka into the lake: up to the present end, or on and on."""

import logging
import time
from collections.abc import Callable
from threading import Event

from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from fraud_platform.errors import UnavailableError
from fraud_platform.ingest.ingested import Ingested
from fraud_platform.ingest.kafka_faults import FIRST_RETRY, LAST_RETRY, raise_if_lasting
from fraud_platform.ingest.kafka_opening import opened
from fraud_platform.ingest.kafka_session import Session, Told
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings

log = logging.getLogger("predictflow.ingest")

POLL_SECONDS, SHORT_POLL_SECONDS = 0.5, 0.05
# How long another ingester may stand still before what it was at is taken from it.
PATIENCE_SECONDS = 15.0


def ingest_to_end(
    settings: Settings,
    lake: Lake,
    *,
    accept_loss: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Ingested:
    """Lands the topics up to their ends as they are now; what was done.

    It is no member of the group, so it takes nothing from a follower: partitions that another
    ingester lands are left to it, as long as they move on. Raises PredictFlowError where something
    has to be mended, UnavailableError where it may pass; what was landed stays.
    """
    with opened(
        settings, lake, in_group=False, accept_loss=accept_loss, told=lambda *_: None
    ) as session:
        backlog = _Backlog(session)
        while backlog.left:
            backlog.read()
            backlog.watch()
            progress(*backlog.progress())
        return backlog.finish()


class _Backlog:
    """The records between where the lake stands and the ends of the partitions, at one moment."""

    def __init__(self, session: Session) -> None:
        self._session, self._consumer = session, session.consumer
        self._partitions = [
            TopicPartition(name, number)
            for name in session.topics
            for number in sorted(self._consumer.partitions_for_topic(name) or ())
        ]
        self._consumer.assign(self._partitions)
        self._ends = self._consumer.end_offsets(self._partitions)
        self._starts = session.landing.positions(self._partitions)
        # A partition that was landed beyond its end lost records: reading it says so.
        self.left = {at for at in self._partitions if self._starts[at] != self._ends[at]}
        session.place(self._partitions)
        self._consumer.pause(*(at for at in self._partitions if at not in self.left))
        # Partitions left to other ingesters: where each stood, and since when.
        self._others: dict[TopicPartition, tuple[int, float]] = {}
        if self.left and session.follower_is_live():
            self._leave(self.left)

    def read(self) -> None:
        """Polls once; lands when a batch is full, or all that is ours to read was polled."""
        reading = self.left - self._others.keys()
        if not reading:
            time.sleep(POLL_SECONDS)
            return
        self._session.poll(POLL_SECONDS)
        at_end = {at for at in reading if (self._consumer.position(at) or 0) >= self._ends[at]}
        self._consumer.pause(*at_end)
        if self._session.pending.room == 0 or at_end == reading:
            self._leave(self._session.land())
            if at_end == reading:
                self._leave(self._session.settle())
                self.left -= at_end - self._others.keys()

    def watch(self) -> None:
        """Takes up what others have left lying, and crosses off what they have finished."""
        if not self._others:
            return  # asking the lake would wait for the batch that is being written
        now = time.monotonic()
        found = self._session.landing.positions(self._others)
        self._session.stands |= found
        for at, stands in found.items():
            stood, since = self._others[at]
            if stands >= self._ends[at]:
                self.left.discard(at)
                del self._others[at]
            elif stands > stood:
                self._others[at] = (stands, now)
            elif now - since > PATIENCE_SECONDS:
                log.warning("%s/%s: nobody lands it; taking it up", at.topic, at.partition)
                del self._others[at]
                self._session.place([at])
                self._consumer.resume(at)

    def progress(self) -> tuple[int, int]:
        """Records landed so far, by whomever, and of how many."""
        stands = self._session.stands
        ends, starts = self._ends, self._starts
        done = sum(max(0, min(stands[at], ends[at]) - starts[at]) for at in self._partitions)
        return done, sum(max(0, ends[at] - starts[at]) for at in self._partitions)

    def finish(self) -> Ingested:
        landing = self._session.landing
        ends = self._consumer.end_offsets(self._partitions)
        for at, stands in landing.positions(self._partitions).items():
            name = f"{at.topic}/{at.partition}"
            landing.done.positions[name] = stands
            landing.done.lag[name] = max(0, ends[at] - stands)
        return landing.done

    def _leave(self, partitions: set[TopicPartition]) -> None:
        self._consumer.pause(*partitions)
        stands = self._session.stands
        self._others |= {at: (stands[at], time.monotonic()) for at in partitions}


def follow(
    settings: Settings,
    lake: Lake,
    stop: Event,
    *,
    accept_loss: bool = False,
    told: Told = lambda *_: None,
    looked: Callable[[Ingested], None] = lambda _done: None,
    failed: Callable[[Exception], None] = lambda _error: None,
) -> Ingested:
    """Lands the topics as records come, until `stop` is set; then finishes its batch.

    Followers share the partitions as members of one group. `told` hears each commit, `looked` the
    figures of lag after each poll, `failed` what went wrong and is tried again: a fault of Kafka or
    of the lake that may pass is waited for, with nothing polled meanwhile, so memory stays bounded.
    Raises PredictFlowError for what only a person can mend.
    """
    with opened(settings, lake, in_group=True, accept_loss=accept_loss, told=told) as session:
        session.subscribe()
        delay = retry_at = 0.0
        commits = 0
        while not stop.is_set():
            waiting = time.monotonic() < retry_at
            if session.landing.done.commits > commits:
                commits, delay = session.landing.done.commits, 0.0
            full = session.pending.room == 0
            try:
                session.hold(back=waiting or full)
                # Polled even when nothing is taken: it is what keeps us in the group.
                session.poll(SHORT_POLL_SECONDS if full else POLL_SECONDS)
                session.settle(wait=False)
                if session.pending.due and not waiting and not session.writing:
                    session.land()
            except (UnavailableError, KafkaError) as error:
                raise_if_lasting(error)
                delay = min(LAST_RETRY, 2 * delay or FIRST_RETRY)
                retry_at = time.monotonic() + delay
                log.warning("tried again in %.0f s: %s", delay, error)
                failed(error)
            session.measure_lag()
            looked(session.landing.done)
        session.land()
        session.settle()
        session.measure_lag()
        return session.landing.done
