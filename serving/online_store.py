"""The online state of a request's user and merchant, read from the store that is set.

Whatever is wrong with the store, a request is answered: with an empty state, and a fault that says
why.
"""

import logging
import time
from collections.abc import Sequence

import msgspec

from fraud_platform.clock import MICROSECONDS
from fraud_platform.online.feast_format import value_decoder
from fraud_platform.online.rows import decoded_states
from fraud_platform.settings import Settings
from serving.breaker import Breaker, BreakerState
from serving.breathing import Breathing
from serving.off_loop import BusyError
from serving.store_fault import (
    FAULT_TEXTS,
    NOTHING_KNOWN,
    STORED_VIEWS,
    Asked,
    Context,
    FaultKind,
    Fetched,
    Reader,
    StoredValues,
    StoreFaultError,
)
from serving.store_metrics import StoreMetrics
from serving.stream_freshness import StreamFreshness

logger = logging.getLogger("predictflow.serving")

_QUIET_S = 5.0
"""Seconds between two lines about the store, so that one on the edge does not fill the log."""


class Reading(msgspec.Struct, frozen=True):
    """What the store says of a user and a merchant; empty with a fault where it says nothing.

    With the fault `stale` it is what the store says, and lacks what was paid most recently.
    """

    context: Context
    fault: FaultKind | None = None
    as_of_us: int | None = None
    """Up to when the view that is the furthest behind is complete, in microseconds UTC; None with
    another fault, and in a store without rows."""

    @property
    def reason(self) -> str | None:
        """The fault in words for the caller, without a path."""
        if self.fault is None:
            return None
        scored = "the latest payments" if self.fault == "stale" else "history"
        return f"{FAULT_TEXTS[self.fault]}; scored without {scored}"

    @property
    def state_age_s(self) -> float | None:
        """How many seconds old the state is by now."""
        return None if self.as_of_us is None else time.time() - self.as_of_us / MICROSECONDS


class OnlineStore:
    """The reader of the online store of these settings, with deadlines in seconds.

    `deadline_s` is that of a request, `batch_deadline_s` that of all of a batch.
    """

    def __init__(
        self,
        settings: Settings,
        deadline_s: float = 0.020,
        batch_deadline_s: float = 0.500,
        metrics: StoreMetrics | None = None,
    ) -> None:
        self._deadline_s = deadline_s
        self._batch_deadline_s = batch_deadline_s
        self._metrics = metrics
        self._reader = _reader(settings, deadline_s)
        self._decode = value_decoder()
        self._breaker = Breaker(self._answers, self._breaker_changed)
        self._stream = StreamFreshness(settings.online, self._reader, metrics)
        self._known_fault: FaultKind | None = None
        self._quiet_until = 0.0

    def start(self) -> None:
        """Begins to watch how far the stream was read, where one is."""
        self._stream.start()

    @property
    def breaker(self) -> BreakerState:
        """Whether the store is asked; it is not while the breaker is open."""
        return self._breaker.state

    async def read(self, user_id: str, merchant_id: str) -> Reading:
        """The state of a user and a merchant, at the latest at the deadline; raises nothing."""
        fetched = await self._fetched([(user_id, merchant_id)], self._deadline_s)
        if not isinstance(fetched, Fetched):
            return Reading(NOTHING_KNOWN, fetched)
        return self._decoded(fetched.rows[0], fetched.as_of_us)

    async def read_many(self, asked: Sequence[Asked]) -> list[Reading]:
        """The same of many at once, by the deadline of a batch; a row's own fault is its alone."""
        fetched = await self._fetched(asked, self._batch_deadline_s) if asked else None
        if not isinstance(fetched, Fetched):
            return [Reading(NOTHING_KNOWN, fetched)] * len(asked)
        readings, breathe = [], Breathing()
        for row in fetched.rows:
            readings.append(self._decoded(row, fetched.as_of_us))
            await breathe()
        return readings

    async def close(self) -> None:
        """Gives connections and threads back as they come free."""
        self._stream.stop()
        await self._breaker.close()
        await self._reader.close()

    async def _fetched(self, asked: Sequence[Asked], deadline_s: float) -> Fetched | FaultKind:
        if self._breaker.state == "open":
            return "open"
        try:
            fetched = await self._reader.fetch(asked, deadline_s)
        except TimeoutError:
            self._breaker.failed()
            return self._fault("late", "")
        except BusyError:  # nobody waited, so the breaker need not know
            return self._fault("busy", "")
        except StoreFaultError as error:
            if error.unreachable:
                self._breaker.failed()
            else:
                self._breaker.answered()
            return self._fault(error.kind, str(error))
        self._breaker.answered()
        self._log_change("stale" if self._stream.is_stale() else None, "")
        return fetched

    def _decoded(self, row: StoredValues, as_of_us: int | None) -> Reading:
        try:
            context = dict(decoded_states(STORED_VIEWS, row, self._decode))
        except ValueError as error:
            self._log_change("unreadable", f"{type(error).__name__}: {error}")
            return Reading(NOTHING_KNOWN, "unreadable")
        return Reading(context, "stale" if self._stream.is_stale() else None, as_of_us)

    def _fault(self, kind: FaultKind, cause: str) -> FaultKind:
        self._log_change(kind, cause)
        return kind

    async def _answers(self) -> bool:
        """Whether the store answers a trial, with whatever."""
        try:
            await self._reader.fetch([("", "")], self._deadline_s)
        except (TimeoutError, BusyError):
            return False
        except StoreFaultError as error:
            return not error.unreachable
        return True

    def _breaker_changed(self, state: BreakerState) -> None:
        fields = {"store": self._reader.where, "state": state, "fault": self._known_fault}
        logger.warning("online_store_breaker", extra={"fields": fields})
        if self._metrics is not None:
            self._metrics.breaker(state)

    def _log_change(self, fault: FaultKind | None, cause: str) -> None:
        if fault == self._known_fault:
            return
        now = time.monotonic()
        if now < self._quiet_until:
            return
        self._known_fault, self._quiet_until = fault, now + _QUIET_S
        fields = {"store": self._reader.where, "fault": fault, "cause": cause}
        if fault is None:
            logger.info("online_store_back", extra={"fields": fields})
        else:
            logger.warning("online_store_fault", extra={"fields": fields})


def _reader(settings: Settings, deadline_s: float) -> Reader:
    if settings.online.store == "redis":
        # Only who uses Redis pays for the import of what speaks to it.
        from serving.redis_reader import RedisReader  # noqa: PLC0415

        return RedisReader(settings.online)
    from serving.sqlite_reader import SqliteReader  # noqa: PLC0415

    return SqliteReader(settings.online_store, deadline_s / 2)
