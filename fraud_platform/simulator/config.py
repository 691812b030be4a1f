"""What a simulated world is made of, checked once."""

import math
from datetime import date, datetime, timedelta

import msgspec

from fraud_platform.clock import EPOCH
from fraud_platform.errors import PredictFlowError

MAX_SEED = 2**32 - 1
MAX_FRAUD_SHARE = 0.5


class SimulatorConfigError(PredictFlowError):
    """A field of SimulatorConfig that is of the wrong type or out of range."""


class SimulatorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One simulated world and the days of it that are wanted.

    Raises SimulatorConfigError for a field that cannot be simulated.
    """

    start: date = date(2018, 1, 1)
    """First day, in UTC."""
    days: int = 60
    """Number of days from `start` on."""
    users: int = 1_500
    """Number of card holders."""
    merchants: int = 400
    """Number of merchants."""
    transactions_per_day: int = 8_000
    """Mean number of transactions of a day, frauds included, over a whole week."""
    fraud_share: float = 0.01
    """Share of the transactions that is fraud, over many days; 0 for none."""
    seed: int = 0
    """Which world: another seed has other users, merchants and frauds."""

    def __post_init__(self) -> None:
        for name in ("days", "users", "merchants", "transactions_per_day"):
            _check_whole(name, getattr(self, name), low=1)
        _check_whole("seed", self.seed, low=0, high=MAX_SEED)
        _check_share(self.fraud_share)
        _check_days(self.start, self.days)

    def day(self, index: int) -> date:
        """The day `index` days after the first."""
        return self.start + timedelta(days=index)


def _check_whole(name: str, value: object, low: int, high: int | None = None) -> None:
    span = f"from {low:,} on" if high is None else f"from {low:,} to {high:,}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise SimulatorConfigError(
            f"simulator field {name}: {value!r} is not a whole number; give one {span}"
        )
    if value < low or (high is not None and value > high):
        raise SimulatorConfigError(
            f"simulator field {name}: {value} is out of range; give a whole number {span}"
        )


def _check_share(value: object) -> None:
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or math.isnan(value)
        or not 0 <= value <= MAX_FRAUD_SHARE
    ):
        raise SimulatorConfigError(
            f"simulator field fraud_share: {value!r} is not a share of the transactions; "
            f"give a number from 0 to {MAX_FRAUD_SHARE}, such as 0.01 for 1 %"
        )


def _check_days(start: object, days: int) -> None:
    if not isinstance(start, date) or isinstance(start, datetime):
        raise SimulatorConfigError(
            f"simulator field start: {start!r} is not a date; give one such as date(2018, 1, 1)"
        )
    if start < EPOCH:
        raise SimulatorConfigError(
            f"simulator field start: {start} is before {EPOCH}; give a later date"
        )
    longest = (date.max - start).days + 1
    if days > longest:
        raise SimulatorConfigError(
            f"simulator field days: {days:,} days from {start} go beyond {date.max}; "
            f"give up to {longest:,}"
        )
