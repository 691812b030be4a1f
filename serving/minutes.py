"""The last hour by the minute, of all workers together: a ring in a file that they share.

Each worker adds what it counted since its last look, every few seconds and off the requests' path.
So a worker that is killed takes a few seconds with it, and the rest of the hour stays.
"""

import struct
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from serving.shared_slots import SharedSlots

SHOWN = 60
_SLOTS = 64
"""More than are shown, so that none is taken anew while it is."""


class Counted(msgspec.Struct, frozen=True):
    """Decisions, and the requests timed by bucket of latency, the last over all bounds."""

    decisions: int
    alarms: int
    degraded: int
    latencies: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.decisions, self.alarms, self.degraded, *self.latencies)


def of_numbers(numbers: Sequence[int]) -> Counted:
    decisions, alarms, degraded, *latencies = numbers
    return Counted(decisions, alarms, degraded, tuple(latencies))


class Minutes:
    """The minutes in the file at `path`; `counted` gives this worker's own counts so far."""

    def __init__(
        self, path: Path, counted: Callable[[], Counted], clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` gives seconds UTC."""
        self._counted = counted
        self._clock = clock
        # One that takes a worker's place goes on with its counts, which are in the ring already.
        self._before = counted().numbers
        self._slot = struct.Struct(f"<{1 + len(self._before)}Q")
        self._slots = SharedSlots(path, _SLOTS, self._slot.size)

    def add(self) -> None:
        """Adds what was counted since the last time to the minute that runs."""
        counts = self._counted().numbers
        new = [count - before for count, before in zip(counts, self._before, strict=True)]
        self._before = counts
        minute = self._minute()
        with self._slots.locked(minute % _SLOTS) as slot:
            found, *already = self._slot.unpack(slot)
            if found == minute:
                new = [one + more for one, more in zip(already, new, strict=True)]
            self._slot.pack_into(slot, 0, minute, *new)

    def read(self) -> list[Counted | None]:
        """The last SHOWN minutes that are over, oldest first; None where the service didn't run."""
        end = self._minute()
        return [self._read(minute) for minute in range(end - SHOWN, end)]

    def close(self) -> None:
        """Gives the file back; it stays for the other workers."""
        self._slots.close()

    def _read(self, minute: int) -> Counted | None:
        with self._slots.locked(minute % _SLOTS) as slot:
            found, *counts = self._slot.unpack(slot)
        return of_numbers(counts) if found == minute else None

    def _minute(self) -> int:
        return int(self._clock() // 60)


def together(minutes: Sequence[Counted | None]) -> Counted | None:
    """The sum of minutes; None where there are none."""
    found = [one.numbers for one in minutes if one is not None]
    return of_numbers([sum(column) for column in zip(*found, strict=True)]) if found else None


def quantile(latencies: Sequence[int], bounds: Sequence[float], share: float) -> float | None:
    """The latency in seconds that `share` of the requests stayed below, None of no requests.

    Within a bucket it is interpolated as Prometheus' histogram_quantile does; over the last bound
    it is that bound.
    """
    rank = share * sum(latencies)
    if not rank:
        return None
    passed = 0
    for count, (low, high) in zip(latencies, pairwise((0.0, *bounds)), strict=False):
        if count and passed + count >= rank:
            return low + (high - low) * (rank - passed) / count
        passed += count
    return bounds[-1]
