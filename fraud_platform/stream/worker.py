"""The stream worker: from the topic into users' recent events, on and on or once to the end."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from threading import Event

from kafka.errors import KafkaError, KafkaTimeoutError

from fraud_platform.clock import HOUR_US
from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.features.state import RECENT_US
from fraud_platform.ingest.kafka_faults import raise_if_lasting
from fraud_platform.online import open_store
from fraud_platform.settings import Settings
from fraud_platform.stream.member import Member, joined
from fraud_platform.stream.payments import Payment, PaymentDecoder
from fraud_platform.stream.recent_events import RecentEvents
from fraud_platform.stream.streamed import Streamed

log = logging.getLogger("predictflow.stream")

POLL_SECONDS = 0.25
FIRST_RETRY, LAST_RETRY = 0.5, 10.0
LOOK_SECONDS = 5.0
SAY_SECONDS = 1.0
"""How often the store is told how far the topic was read; after a question that Kafka left
unanswered it is LOOK_SECONDS."""
WARM_UP_MS = (RECENT_US + 24 * HOUR_US) // 1000
"""How far back a new group begins: the kept events, and the day that the first of them looks at."""
MARGIN_MS = HOUR_US // 1000
"""What came into Kafka so long before the moment of a whole write may have missed it."""
LOST_MS = 10_000
"""What was written so long before the store went may be lost with it: Redis syncs each second."""

Told = Callable[[list[Payment]], object]
Looked = Callable[[Streamed], object]


def stream(
    settings: Settings,
    stop: Event,
    *,
    until_caught_up: bool = False,
    told: Told = lambda _: None,
    looked: Looked = lambda _: None,
) -> Streamed:
    """Keeps `user_recent` up to date with the topic until `stop` is set, then ends in order.

    With `until_caught_up` it ends when its share of the topic is read up to where that ended when
    it was assigned. Workers share the partitions as members of one group. `told` hears the events
    of each batch as they can be read, `looked` the counts after each poll. Faults of Kafka and of
    the store that may pass are waited out, with at most one batch in memory; PredictFlowError is
    raised for what only a person can mend.
    """
    if settings.online.recent_by != "stream":
        raise PredictFlowError(
            f"setting online.recent_by: {settings.online.recent_by} writes users' recent events, "
            "and two writers would undo each other's; set PREDICTFLOW_ONLINE_RECENT_BY=stream for "
            "Dagster and for the workers"
        )
    with open_store(settings) as store, joined(settings) as member:
        worker = _Worker(settings, member, RecentEvents(store), told)
        while not (stop.is_set() or (until_caught_up and worker.caught_up)):
            worker.step()
            looked(worker.done)
        worker.finish()
        looked(worker.done)
        return worker.done


class _Worker:
    """One step after the other: poll, and where something was polled, write it and commit.

    It knows when the whole view was written last. Where that changes, somebody has written the view
    anew, from a lake that is behind the topic, so what came since is read again; where the view is
    not there any more, it writes nothing, as rows would begin with the events that come now.
    """

    def __init__(
        self, settings: Settings, member: Member, recent: RecentEvents, told: Told
    ) -> None:
        self._where = settings.online.store
        self._member, self._recent, self._told = member, recent, told
        self._decoder = PaymentDecoder()
        self.done = Streamed()
        self._as_of: datetime | None = None
        self._begins = False
        self._look_at = self._retry_at = self._say_at = self._delay = 0.0
        self._away_since_ms: int | None = None

    @property
    def caught_up(self) -> bool:
        return self._away_since_ms is None and self._member.caught_up

    def step(self) -> None:
        waiting = time.monotonic() < self._retry_at
        try:
            take = not waiting and not self._member.pending and self._away_since_ms is None
            self._member.poll(POLL_SECONDS if take else 0.05, take=take)
            self.done.rebalances = self._member.assignments
            if not waiting:
                self._go_on()
        except (UnavailableError, KafkaError) as error:
            raise_if_lasting(error)
            self._wait_out(error)
        self.done.lag = self._member.lag()

    def finish(self) -> None:
        """Writes what was polled, once; what can't be is read again by the next worker."""
        try:
            self._go_on()
        except (UnavailableError, KafkaError) as error:
            log.warning("left for the next worker: %s", error)
        self.done.lag = self._member.lag()

    def _go_on(self) -> None:
        if time.monotonic() >= self._look_at or self._member.unplaced:
            self._look()
        if self._away_since_ms is not None:
            self._recent.as_of()
            self._member.read_again(self._away_since_ms - LOST_MS)
            self.done.rereads += 1
            self._away_since_ms = None
            log.info("the online store is back; read on from %d s before it went", LOST_MS // 1000)
        again = self._member.place(self._since_ms(), int(time.time() * 1000) - WARM_UP_MS)
        self.done.rereads += again
        if self._member.pending:
            self._write()
        if time.monotonic() >= self._say_at and self._as_of is not None:
            self._say_how_far()
        self._delay = 0.0

    def _write(self) -> None:
        payments, skipped = self._decoder.decode(self._member.pending)
        changes = self._recent.changes(payments)
        # After the rows were read: rows of a store that was lost in between are not whole.
        if not self._look():
            return
        if changes.rows:
            if not self._member.is_member():
                log.info("the group gave our partitions away; %d records left", len(payments))
                return
            self._recent.write(changes.rows, whole=self._begins)
            if self._begins:
                self._begins, self._as_of = False, self._recent.as_of()
                self._member.mark = str(self._as_of)
        self._told(changes.added)
        self.done.batches += 1
        self.done.events += len(changes.added)
        self.done.duplicates += changes.known
        self.done.skipped += skipped
        if not self._member.settle():
            log.info("the group gave our partitions away; what was written is read again")

    def _say_how_far(self) -> None:
        """Notes in the store up to when the topic was read, so that readers know what they miss."""
        self._say_at = time.monotonic() + LOOK_SECONDS
        try:
            until_us = self._member.read_until_us()
        except KafkaTimeoutError:  # what was noted last grows old, which says it
            return
        if until_us:
            self._recent.mark_read(self._member.partitions, until_us)
        self._say_at = time.monotonic() + SAY_SECONDS

    def _look(self) -> bool:
        """Whether the view is as we know it; else sees to what follows from that.

        Raises UnavailableError where it is not there, unless the group is new and begins it.
        """
        as_of = self._recent.as_of()
        self._look_at = time.monotonic() + LOOK_SECONDS
        if as_of == self._as_of and (as_of is not None or self._begins):
            return True
        if as_of is None:
            self._begins = self._as_of is None and self._member.is_new_group()
            if self._begins:
                log.info("the view %s begins with this worker", self._recent.view.name)
                return True
            raise UnavailableError(
                f"the online store ({self._where}) has no view {self._recent.view.name}: it was "
                "lost, or never written; write it from the lake with: predictflow online rebuild"
            )
        former, self._as_of, self._begins = self._as_of, as_of, False
        self._member.mark = str(as_of)
        since = self._since_ms()
        if since is not None and former is not None:
            log.info("the view was written anew as of %s; reading again what came since", as_of)
            self._member.read_again(since)
            self.done.rereads += 1
        return False

    def _since_ms(self) -> int | None:
        """From when on the topic is read again after a whole write of the view."""
        return None if self._as_of is None else int(self._as_of.timestamp() * 1000) - MARGIN_MS

    def _wait_out(self, error: Exception) -> None:
        of_store = isinstance(error, UnavailableError)
        self.done.faults["store" if of_store else "kafka"] += 1
        if of_store and self._away_since_ms is None:
            self._away_since_ms = int(time.time() * 1000)
        self._delay = min(LAST_RETRY, 2 * self._delay or FIRST_RETRY)
        self._retry_at = time.monotonic() + self._delay
        log.warning("tried again in %.1f s: %s", self._delay, error)
