"""Time as the platform keeps it: int64 microseconds since the epoch, days in UTC."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

MICROSECONDS = 1_000_000
HOUR_US = 3_600 * MICROSECONDS
DAY_US = 24 * HOUR_US
EPOCH = date(1970, 1, 1)


def to_us(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime, exact (no float on the way)."""
    if moment.tzinfo is None:
        raise ValueError(f"timestamp {moment.isoformat()} has no time zone")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * MICROSECONDS + delta.microseconds


def to_us_array(moments: Sequence[datetime]) -> NDArray[np.int64]:
    """`to_us` of many aware datetimes, exact too, in a third of the time."""
    seconds = np.fromiter(map(datetime.timestamp, moments), np.float64, len(moments))
    # Below 2**32 s a double is within a quarter of a microsecond, and so is its product with 10**6.
    if np.any(np.abs(seconds) >= 2**32):
        return np.array([to_us(moment) for moment in moments], dtype=np.int64)
    return np.rint(seconds * MICROSECONDS).astype(np.int64)


def from_us(us: int) -> datetime:
    """The aware UTC datetime of microseconds since the epoch."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


def day_of(us: int) -> date:
    """The UTC day that microseconds since the epoch fall in."""
    return EPOCH + timedelta(days=us // DAY_US)


def day_start_us(day: date) -> int:
    """Microseconds since the epoch of a UTC day's first moment."""
    return (day - EPOCH).days * DAY_US


def days_between(start: date, end: date) -> list[date]:
    """The days from start up to, but not including, end."""
    return [start + timedelta(days=i) for i in range((end - start).days)]
