"""Whether users' recent events are as recent as they should be, where a stream brings them."""

import asyncio
import math
import time
from contextlib import suppress

from fraud_platform.clock import MICROSECONDS
from fraud_platform.settings import Online
from serving.off_loop import BusyError
from serving.store_fault import Reader, StoreFaultError
from serving.store_metrics import StoreMetrics

LOOK_S = 1.0
_DEADLINE_S = 0.5


class StreamFreshness:
    """Looks each second how far the stream was read, beside the requests, which only compare.

    Where the store can't say, what it said last grows old; the requests have their own fault then.
    """

    def __init__(self, online: Online, reader: Reader, metrics: StoreMetrics | None) -> None:
        self._on = online.recent_by == "stream" and online.stale_seconds > 0
        self._stale_us = online.stale_seconds * MICROSECONDS
        self._reader, self._metrics = reader, metrics
        self._read_until_us = 0
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look; until the first look has ended, what is there counts as recent."""
        if self._on:
            self._read_until_us = time.time_ns() // 1000
            self._looking = asyncio.create_task(self._look_on(), name="stream-freshness")

    def stop(self) -> None:
        """Ends it."""
        if self._looking is not None:
            self._looking.cancel()

    def is_stale(self) -> bool:
        """Whether payments of longer ago than is allowed may be missing."""
        return self._on and time.time_ns() // 1000 - self._read_until_us > self._stale_us

    async def _look_on(self) -> None:
        while True:
            # What is wrong with the store is told of by the requests' own readings.
            with suppress(TimeoutError, BusyError, StoreFaultError):
                # A stream that nobody ever read is as old as can be.
                self._read_until_us = await self._reader.read_until_us(_DEADLINE_S) or 0
            if self._metrics is not None:
                age_s = time.time() - self._read_until_us / MICROSECONDS
                self._metrics.stream_read(max(0.0, age_s) if self._read_until_us else math.inf)
            await asyncio.sleep(LOOK_S)
