"""The kinds of feature that can be declared, and what each declaration must say."""

from dataclasses import dataclass
from typing import Literal

from fraud_platform.clock import DAY_US, HOUR_US

Key = Literal["user_id", "merchant_id"]
Field = Literal["amount", "amount_log", "hour_of_day", "day_of_week"]

MAX_SLIDING_US = 24 * HOUR_US


@dataclass(frozen=True, kw_only=True)
class Feature:
    """What every declaration carries: a name, a unit, one sentence, what a missing value means."""

    name: str
    unit: str
    meaning: str
    missing: str = "never missing"


@dataclass(frozen=True, kw_only=True)
class Request(Feature):
    """A figure of the transaction itself."""

    field: Field


@dataclass(frozen=True, kw_only=True)
class WindowAggregate(Feature):
    """Count or sum of cents over a key's events in the sliding window [t - window, t)."""

    key: Key
    aggregate: Literal["count", "sum"]
    hours: int

    @property
    def window_us(self) -> int:
        return self.hours * HOUR_US

    def __post_init__(self) -> None:
        if not 0 < self.window_us <= MAX_SLIDING_US:
            raise ValueError(
                f"feature {self.name}: a sliding window of {self.hours} h isn't supported; "
                f"use 1 to {MAX_SLIDING_US // HOUR_US} h"
            )


@dataclass(frozen=True, kw_only=True)
class DayWindow(Feature):
    """A feature that looks back over whole days: today so far and the `days` - 1 days before it."""

    key: Key
    days: int

    @property
    def days_us(self) -> int:
        """How far before the start of today the window opens, in microseconds."""
        return (self.days - 1) * DAY_US

    def __post_init__(self) -> None:
        if self.days < 2:
            raise ValueError(f"feature {self.name}: days must be 2 or more, not {self.days}")


@dataclass(frozen=True, kw_only=True)
class TimeSinceLast(DayWindow):
    """Seconds since the key's last event within the window; missing without one."""


@dataclass(frozen=True, kw_only=True)
class FirstSeen(DayWindow):
    """1 when the key was not seen with this `other` within the window, else 0."""

    other: Literal["device_id"]


@dataclass(frozen=True, kw_only=True)
class LabelRate(Feature):
    """Share of fraud among the key's labels known in the `days` x 24 h before the hour of t.

    A prior of `prior_weight` labels at `prior_rate` keeps thin keys near the prior:
    (frauds + prior_rate * prior_weight) / (labels + prior_weight).
    """

    key: Key
    days: int
    prior_rate: float
    prior_weight: float

    @property
    def window_us(self) -> int:
        return self.days * DAY_US
