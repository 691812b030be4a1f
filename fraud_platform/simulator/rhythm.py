"""When people pay: the rhythm of the week and of the day."""

from datetime import date

import numpy as np

from fraud_platform.simulator.arrays import Floats, Ints
from fraud_platform.simulator.draws import cumulative, pick

DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600

# Monday to Sunday; the mean is 1, so that a week has seven times the mean day.
WEEKDAY_FACTORS = (0.94, 0.93, 0.97, 1.02, 1.15, 1.17, 0.82)

# Relative traffic of the hours 0 to 23: a quiet night, a lunch peak and a higher evening one.
HOUR_WEIGHTS = np.array(
    [6, 4, 3, 2, 2, 4, 9, 18, 28, 36, 42, 48, 55, 50, 44, 44, 50, 60, 66, 62, 50, 36, 22, 12],
    dtype=np.float64,
)
_HOUR_SHARES = cumulative(HOUR_WEIGHTS)

HABIT_SHARE = 0.6  # of payments made around the user's own hour
WEEKEND_LATER = 1.25 * HOUR_SECONDS


def weekday_factor(day: date) -> float:
    """How busy a day is beside the mean day of its week."""
    return WEEKDAY_FACTORS[day.weekday()]


def everyones_seconds(rng: np.random.Generator, size: int) -> Floats:
    """Seconds of the day, in [0, 86400), that follow the traffic of all users together."""
    return (pick(rng, _HOUR_SHARES, size) + rng.random(size)) * HOUR_SECONDS


def habit_seconds(rng: np.random.Generator, day: date, peak: Floats, wander: Floats) -> Floats:
    """Seconds of the day, in [0, 86400), one per payment.

    `peak` is the user's favourite second of the day and `wander` the standard deviation around it
    in seconds; on weekends the peak lies later. Other payments follow everyone's traffic.
    """
    later = WEEKEND_LATER if day.weekday() >= 5 else 0.0
    own = (peak + later + wander * rng.standard_normal(len(peak))) % DAY_SECONDS
    shared = everyones_seconds(rng, len(peak))
    return np.where(rng.random(len(peak)) < HABIT_SHARE, own, shared)


def to_microseconds(rng: np.random.Generator, seconds: Floats) -> Ints:
    """Microseconds of seconds: the whole second, with its fraction drawn anew as an integer.

    The last bits of a float differ between processors; whole seconds don't, in practice.
    """
    whole = np.floor(seconds).astype(np.int64)
    return whole * 1_000_000 + rng.integers(0, 1_000_000, size=len(seconds))
