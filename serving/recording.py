"""Payments that were scored, recorded into users' recent events where no stream does it.

An answer never waits for it: a thread takes the payments from a bounded queue and writes all that
came within a moment in one transaction. Ten quick payments raise the eleventh's counts.
"""

import logging
import threading
import time
from itertools import groupby
from operator import attrgetter
from queue import SimpleQueue

from fraud_platform.errors import UnavailableError
from fraud_platform.features.online import Event
from fraud_platform.features.state import VIEWS
from fraud_platform.online.sqlite_store import SqliteStore
from fraud_platform.settings import Settings
from fraud_platform.stream.recent_events import Payment
from fraud_platform.stream.recorded import RecordedEvents
from serving.store_metrics import RecordingMetrics

logger = logging.getLogger("predictflow.serving")

WAITING = 10_000
"""Payments that may wait, about 5 MB of them; past it they are not recorded, and counted."""

BATCH = 500
"""Payments in one transaction, which other workers wait for."""

COLLECT_S = 0.01
"""Seconds that payments are collected for: a transaction for each would cost ten times as much."""

FIRST_RETRY_S, LAST_RETRY_S = 0.1, 5.0

_USER = attrgetter("user_id")


class Recording:
    """A thread that records what this process scored; nothing where others write the view."""

    def __init__(self, settings: Settings, metrics: RecordingMetrics) -> None:
        self.fault: str | None = None
        """Why payments are not recorded just now."""
        self._on = settings.online.recent_by == "serving"
        self._path = settings.online_store
        self._metrics = metrics
        self._queue: SimpleQueue[Payment | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    def start(self) -> None:
        """Starts the thread, where this service is to record."""
        if self._on:
            self._thread = threading.Thread(target=self._work, name="recording", daemon=True)
            self._thread.start()

    def offer(self, user_id: str, transaction_id: str, event: Event) -> None:
        """Hands over a payment that was scored; never waits."""
        if not self._on:
            return
        if self._queue.qsize() >= WAITING:
            self._metrics.lost("busy", 1)
            return
        self._queue.put(Payment(user_id, transaction_id, event, time.time_ns() // 1_000_000))

    def close(self, seconds: float = 5.0) -> None:
        """Ends the thread once all that waits is recorded, or leaves it after some seconds."""
        if self._thread is not None:
            self._ending.set()
            self._queue.put(None)
            self._thread.join(seconds)
            self._thread = None

    def _work(self) -> None:
        recorded = RecordedEvents(SqliteStore(self._path, VIEWS))
        last = False
        while not last:
            taken = [self._queue.get()]
            time.sleep(COLLECT_S)
            taken += [self._queue.get() for _ in range(min(self._queue.qsize(), BATCH))]
            last = None in taken
            payments = [payment for payment in taken if payment is not None]
            if payments and not self._record(recorded, payments):
                rest = [self._queue.get() for _ in range(self._queue.qsize())]
                count = len(payments) + sum(payment is not None for payment in rest)
                self._metrics.lost("ended", count)
                logger.error("recording_ended", extra={"fields": {"unrecorded": count}})
                return

    def _record(self, recorded: RecordedEvents, payments: list[Payment]) -> bool:
        """Records payments, as often as it takes; False where the service ended before."""
        delay = 0.0
        while True:
            try:
                self._write(recorded, payments)
            except UnavailableError as error:
                self._failed(str(error))
            else:
                self._back()
                return True
            delay = min(LAST_RETRY_S, 2 * delay or FIRST_RETRY_S)
            if self._ending.is_set() or self._ending.wait(delay):
                return False

    def _write(self, recorded: RecordedEvents, payments: list[Payment]) -> None:
        """Records payments together, or where a row is broken, user by user."""
        try:
            changes = recorded.record(payments)
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - told below; one row must not hold up the others
            by_user = sorted(payments, key=_USER)
            users = [list(of_one) for _, of_one in groupby(by_user, _USER)]
            if len(users) > 1:
                for of_one in users:
                    self._write(recorded, of_one)
                return
            self._metrics.lost("failed", len(payments))
            # The error's text would tell who the user is.
            fields = {"payments": len(payments), "error": type(error).__name__}
            logger.error("recording_failed", extra={"fields": fields})  # noqa: TRY400 - as above
            return
        now_ms = time.time_ns() // 1_000_000
        delays = [max(0, now_ms - payment.stamp_ms) / 1000 for payment in changes.added]
        self._metrics.recorded(delays, changes.known)

    def _failed(self, cause: str) -> None:
        if self.fault is None:
            logger.warning("recording_fault", extra={"fields": {"cause": cause}})
        self._metrics.failed()
        self.fault = cause

    def _back(self) -> None:
        if self.fault is not None:
            logger.info("recording_back")
        self.fault = None
