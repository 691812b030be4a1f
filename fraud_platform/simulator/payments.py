"""Payments as arrays, before they become a table."""

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np

from fraud_platform.contracts.events import MAX_AMOUNT
from fraud_platform.simulator.arrays import Flags, Floats, Ints, Keys


class Kind(IntEnum):
    """What a payment is; the names of the frauds are those of the column `fraud_kind`."""

    LEGITIMATE = 0
    STOLEN_CARD = 1
    SMALL_BURST = 2
    COMPROMISED_MERCHANT = 3
    LARGE_AMOUNT = 4
    NIGHT_TAKEOVER = 5


@dataclass(frozen=True)
class Payments:
    """Payments in no order, one row each in every array.

    `time` is microseconds from the start of a day, `user` and `merchant` are row numbers in the
    population, `device` is the device's key, `cents` the amount and `kind` a Kind.
    """

    time: Ints
    user: Ints
    merchant: Ints
    device: Keys
    cents: Ints
    kind: Ints

    def __len__(self) -> int:
        return len(self.time)

    def rows(self, which: Flags | Ints) -> "Payments":
        """The rows of a mask, or the row numbers in their order."""
        return Payments(**{f.name: getattr(self, f.name)[which] for f in fields(self)})


def joined(parts: list[Payments]) -> Payments:
    """The rows of all parts, in their order."""
    return Payments(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Payments)}
    )


def cents_of(amounts: Floats) -> Ints:
    """Cents of amounts in currency units, at least one cent and at most what the edge accepts."""
    return np.clip(np.rint(amounts * 100), 1, MAX_AMOUNT * 100).astype(np.int64)


def all_of(kind: Kind, size: int) -> Ints:
    """The column `kind` of payments that are all of one kind."""
    return np.full(size, kind, dtype=np.int64)
