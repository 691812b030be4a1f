"""The online state of a request's user and merchant, read from the store that is set.

Whatever is wrong with the store, a request is answered: with an empty state, and a fault that says
why.
"""

import logging
import time

import msgspec

from fraud_platform.settings import Settings
from serving.off_loop import BusyError
from serving.store_fault import (
    FAULT_TEXTS,
    NOTHING_KNOWN,
    Context,
    FaultKind,
    Reader,
    StoreFaultError,
)

logger = logging.getLogger("predictflow.serving")

_QUIET_S = 5.0
"""Seconds between two lines about the store, so that one on the edge does not fill the log."""


class Reading(msgspec.Struct, frozen=True):
    """What the store says of a user and a merchant; empty with a fault where it says nothing."""

    context: Context
    fault: FaultKind | None = None

    @property
    def reason(self) -> str | None:
        """The fault in words for the caller, without a path."""
        return None if self.fault is None else f"{FAULT_TEXTS[self.fault]}; scored without history"


class OnlineStore:
    """The reader of the online store of these settings, with a deadline in seconds a reading."""

    def __init__(self, settings: Settings, deadline_s: float = 0.020) -> None:
        self._reader = _reader(settings, deadline_s)
        self._known_fault: FaultKind | None = None
        self._quiet_until = 0.0

    async def read(self, user_id: str, merchant_id: str) -> Reading:
        """The state of a user and a merchant, at the latest at the deadline; raises nothing."""
        fault: FaultKind | None = None
        context, cause = NOTHING_KNOWN, ""
        try:
            context = await self._reader.read(user_id, merchant_id)
        except TimeoutError:
            fault = "late"
        except BusyError:
            fault = "busy"
        except StoreFaultError as error:
            fault, cause = error.kind, str(error)
        self._log_change(fault, cause)
        return Reading(context, fault)

    async def close(self) -> None:
        """Gives connections and threads back as they come free."""
        await self._reader.close()

    def _log_change(self, fault: FaultKind | None, cause: str) -> None:
        now = time.monotonic()
        if fault == self._known_fault or now < self._quiet_until:
            return
        self._known_fault, self._quiet_until = fault, now + _QUIET_S
        fields = {"store": self._reader.where, "fault": fault, "cause": cause}
        if fault is None:
            logger.info("online_store_back", extra={"fields": fields})
        else:
            logger.warning("online_store_fault", extra={"fields": fields})


def _reader(settings: Settings, deadline_s: float) -> Reader:
    if settings.online.store == "redis":
        # Only who uses Redis pays for the import of its client, 0.3 s of the start.
        from serving.redis_reader import RedisReader  # noqa: PLC0415

        return RedisReader(settings.online, deadline_s)
    from serving.sqlite_reader import SqliteReader  # noqa: PLC0415

    return SqliteReader(settings.online_store, deadline_s)
