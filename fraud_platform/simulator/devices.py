"""Which device a payment is made with, as a 64-bit key that tells nothing about its owner."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from fraud_platform.simulator.arrays import Ints, Keys

MAX_DEVICES = 3
_USE_OF_SLOTS = np.array([0.78, 0.96])  # cumulative: first device, second, the third gets the rest


@dataclass(frozen=True)
class Devices:
    """The devices of all users: arrays of users x 3 slots, of which `owned` are in use.

    A slot's device is replaced every `period` days, counted from `phase`: which one is in use on a
    day then follows from the date alone.
    """

    owned: Ints
    key: Keys
    period: Ints
    phase: Ints

    def of(self, rng: np.random.Generator, users: Ints, day: date) -> Keys:
        """A device of each user, the first far more often than the others."""
        slot = np.searchsorted(_USE_OF_SLOTS, rng.random(len(users)), side="right")
        slot = np.minimum(slot, self.owned[users] - 1)
        phase, period = self.phase[users, slot], self.period[users, slot]
        generation = (day.toordinal() + phase) // period
        return _mix(self.key[users, slot] + generation.astype(np.uint64))


def draw_devices(rng: np.random.Generator, users: int) -> Devices:
    """Between one and three devices a user, each kept for four months to two years."""
    shape = (users, MAX_DEVICES)
    return Devices(
        owned=rng.choice([1, 2, 3], size=users, p=[0.45, 0.4, 0.15]).astype(np.int64),
        key=new_devices(rng, users * MAX_DEVICES).reshape(shape),
        period=rng.integers(120, 730, size=shape),
        phase=rng.integers(0, 730, size=shape),
    )


def new_devices(rng: np.random.Generator, size: int) -> Keys:
    """Keys of devices that nobody was seen with."""
    return rng.integers(0, 2**64, size=size, dtype=np.uint64)


def _mix(keys: Keys) -> Keys:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014): neighbouring keys come out unrelated."""
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
