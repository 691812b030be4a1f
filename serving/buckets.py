"""Token buckets that hold across the workers of a service.

A bucket is kept as the moment at which it is full again (GCRA, as in ATM's traffic management):
one number, from which the tokens at any moment follow, whatever the rate is now.
"""

import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from serving.shared_slots import SharedSlots

_WAYS = 8
_SET = struct.Struct("<" + "Qd" * _WAYS)
_ONE = struct.Struct("<Qd")
_ROUNDING = 1e-6
"""Tokens by which a float may err."""


class Spent(NamedTuple):
    """Whether tokens were had, how many are left, and after how many seconds to ask again."""

    granted: bool
    left: float
    wait_s: float


class Buckets:
    """Buckets by number (not 0, below 2^64) in the file at `path`, `sets` * 8 at the most.

    Past that the one that is full soonest makes room: it had least to remember.
    """

    def __init__(self, path: Path, sets: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds, the same to all workers; by default the machine's."""
        self._slots = SharedSlots(path, sets, _SET.size)
        self._clock = clock

    def spend(
        self, bucket: int, cost: float, rate: float, burst: float, spent: float = 0.0
    ) -> Spent:
        """Takes `cost` tokens out of a bucket that fills at `rate` a second up to `burst`.

        What costs more than `burst` is granted to a full bucket, which then owes the rest: so it
        can be had at all, and the rate holds. `spent` is what this request has paid already.
        """
        now = self._clock()
        with self._slots.locked(bucket % self._slots.slots) as found:
            at, full_at = _find(_SET.unpack(found), bucket)
            lacks = max(0.0, full_at - now) * rate
            short = min(cost + spent, burst) - spent - (burst - lacks)
            if short > _ROUNDING:
                return Spent(granted=False, left=burst - lacks, wait_s=short / rate)
            _ONE.pack_into(found, at * _ONE.size, bucket, now + (lacks + cost) / rate)
        return Spent(granted=True, left=burst - lacks - cost, wait_s=0.0)

    def close(self) -> None:
        """Gives the file back; it stays for the other workers."""
        self._slots.close()


def _find(entries: tuple[int | float, ...], bucket: int) -> tuple[int, float]:
    """Which entry of a set is the bucket's, and when it is full; else the one to replace."""
    names, moments = entries[::2], entries[1::2]
    if bucket in names:
        at = names.index(bucket)
        return at, moments[at]
    return moments.index(min(moments)), 0.0
