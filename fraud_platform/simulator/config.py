"""What a simulated world is made of, checked once."""

import math
from datetime import date, datetime, timedelta

import msgspec

from fraud_platform.clock import EPOCH
from fraud_platform.errors import PredictFlowError

MAX_SEED = 2**32 - 1
MAX_FRAUD_SHARE = 0.5
_SHARE = "0.01 for 1 %"


class SimulatorConfigError(PredictFlowError):
    """A field of SimulatorConfig that is of the wrong type or out of range."""


class Shift(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a world changes its ways from a day on, for good.

    Days before `on` stay bit by bit what they are without it. Raises SimulatorConfigError for a
    field that cannot be simulated.
    """

    on: date
    """First day of the new ways, in UTC."""
    amounts: float = 1.4
    """Honest amounts are so many times what they were; 1 leaves them."""
    hours_later: float = 3.0
    """Honest payments are made so many hours later in the day, those of its end in its first hours;
    0 leaves them."""
    new_fraud_share: float = 0.02
    """A new kind of fraud, `night_takeover`, beside the others: its payments as a share of
    transactions_per_day, over many days; 0 for none."""

    def __post_init__(self) -> None:
        _check_date("shift.on", self.on)
        _check_number("shift.amounts", self.amounts, 0.01, 100, "1.4 for 40 % more")
        _check_number("shift.hours_later", self.hours_later, 0, 24, "3 for three hours")
        _check_number("shift.new_fraud_share", self.new_fraud_share, 0, MAX_FRAUD_SHARE, _SHARE)


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
    shift: Shift | None = None
    """How the world changes its ways on a day; None for a world that stays as it is."""

    def __post_init__(self) -> None:
        for name in ("days", "users", "merchants", "transactions_per_day"):
            _check_whole(name, getattr(self, name), low=1)
        _check_whole("seed", self.seed, low=0, high=MAX_SEED)
        _check_number("fraud_share", self.fraud_share, 0, MAX_FRAUD_SHARE, _SHARE)
        _check_days(self.start, self.days)
        if self.shift is not None and not isinstance(self.shift, Shift):
            raise SimulatorConfigError(
                f"simulator field shift: {self.shift!r} is not a Shift; give Shift(on=DATE) or None"
            )

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


def _check_number(name: str, value: object, low: float, high: float, example: str) -> None:
    what = "a share of the transactions" if name.endswith("share") else f"from {low:g} to {high:g}"
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or math.isnan(value)
        or not low <= value <= high
    ):
        raise SimulatorConfigError(
            f"simulator field {name}: {value!r} is not {what}; "
            f"give a number from {low:g} to {high:g}, such as {example}"
        )


def _check_date(name: str, value: object) -> None:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise SimulatorConfigError(
            f"simulator field {name}: {value!r} is not a date; give one such as date(2018, 1, 1)"
        )


def _check_days(start: date, days: int) -> None:
    _check_date("start", start)
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
