"""Phrases for figures: what one is called, what a value of it says, what a condition on it says."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from fraud_platform.features.declarations import Where

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_COMPARED = {
    ">": "more than",
    ">=": "at least",
    "<": "less than",
    "<=": "at most",
    "==": "exactly",
}


def number(value: float) -> str:
    """A figure to one decimal, or two digits where it is small."""
    if value == 0 or abs(value) >= 1:
        return f"{value:,.1f}".removesuffix(".0")
    return f"{value:.2g}"


def money(value: float) -> str:
    """An amount in units of the currency."""
    return f"{value:,.2f}"


def share(value: float) -> str:
    """A share as a percentage."""
    return f"{number(100 * value)} %"


def duration(seconds: float) -> str:
    """Seconds in the largest unit that there are two of, or exactly one."""
    if abs(seconds) < 1:
        return "less than a second"
    size, unit = next(
        (s, u) for u, s in _UNITS if abs(seconds) >= 2 * s or abs(seconds) == s or s == 1
    )
    return counted(seconds / size, unit)


def counted(count: float, thing: str) -> str:
    """A whole number of things: 1 payment, 2 payments."""
    return f"{count:,.0f} {thing}{'' if round(count) == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class Phrase(ABC):
    """How a figure is spoken of; `noun` is what it is called, with its article."""

    noun: str

    @property
    def bare(self) -> str:
        """The noun without its article."""
        return self.noun.removeprefix("the ")

    def says(self, value: float) -> str:
        """What a value of it says, as a phrase of its own."""
        return f"{self.bare} is {self.quantity(value)}"

    def condition(self, where: Where) -> str:
        """What a condition on it says of payments: "whose amount was more than 5.00"."""
        known = self._condition(where)
        return f"{known}, or unknown" if where.or_missing else known

    @abstractmethod
    def quantity(self, value: float) -> str:
        """A value of it, also of a mean or an extreme of several."""

    def _condition(self, where: Where) -> str:
        return f"{_of_which(self.noun)} {_COMPARED[where.comparison]} {self.quantity(where.value)}"


@dataclass(frozen=True, kw_only=True)
class Figure(Phrase):
    """Something measured in a unit of its own."""

    write: Callable[[float], str] = number

    def quantity(self, value: float) -> str:
        return self.write(value)


@dataclass(frozen=True, kw_only=True)
class Amount(Figure):
    """The amount of a payment."""

    noun: str = "the amount"
    write: Callable[[float], str] = money

    def says(self, value: float) -> str:
        return f"an amount of {self.quantity(value)}"


@dataclass(frozen=True, kw_only=True)
class LogAmount(Phrase):
    """The logarithm of one plus the amount."""

    noun: str = "the amount (log scale)"

    def says(self, value: float) -> str:
        return f"an amount of about {money(math.expm1(value))}"

    def quantity(self, value: float) -> str:
        return f"{value:.2f}"


@dataclass(frozen=True, kw_only=True)
class Calendar(Phrase):
    """The hour or the weekday of a payment, in UTC."""

    values: range
    write: Callable[[int, int], str]
    """In words, from the first to the last of several."""

    def says(self, value: float) -> str:
        return f"paid {self.write(int(value), int(value))}"

    def quantity(self, value: float) -> str:
        return number(value)

    def _condition(self, where: Where) -> str:
        holding = [value for value in self.values if where.holds(value)]
        if len(holding) in (0, len(self.values)):
            return super()._condition(where)
        return f"paid {self.write(holding[0], holding[-1])}"


@dataclass(frozen=True, kw_only=True)
class Count(Phrase):
    """A number of things; `rest` says which ones."""

    noun: str = field(init=False)
    thing: str
    rest: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "noun", f"the number of {self.thing}s {self.rest}")

    def says(self, value: float) -> str:
        return f"{counted(value, self.thing) if value else f'no {self.thing}s'} {self.rest}"

    def quantity(self, value: float) -> str:
        return number(value)


@dataclass(frozen=True, kw_only=True)
class Time(Phrase):
    """A time in seconds; `since` says since what."""

    noun: str = field(init=False)
    since: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "noun", f"the time since {self.since}")

    def says(self, value: float) -> str:
        return f"{duration(value)} since {self.since}"

    def quantity(self, value: float) -> str:
        return duration(value)


@dataclass(frozen=True, kw_only=True)
class Choice(Phrase):
    """1 or 0: what either says, and what payments of either are like."""

    yes: str
    no: str
    such: tuple[str, str] | None = None

    def says(self, value: float) -> str:
        return self.yes if value else self.no

    def quantity(self, value: float) -> str:
        return number(value)

    def _condition(self, where: Where) -> str:
        holding = [value for value in (1, 0) if where.holds(value)]
        if self.such is None or len(holding) != 1:
            return super()._condition(where)
        return self.such[0] if holding[0] else self.such[1]


@dataclass(frozen=True, kw_only=True)
class Against(Phrase):
    """One figure against another, in `measure`: times it, standard deviations from it."""

    one: str
    other: str
    measure: tuple[str, str]
    """Between the value and the other figure; the second, where there is one, of negative ones."""

    def says(self, value: float) -> str:
        over, under = self.measure
        far = f"{number(value)} {over}" if value >= 0 or not under else f"{number(-value)} {under}"
        return f"{self.one.removeprefix('the ')} {far} {self.other}"

    def quantity(self, value: float) -> str:
        return number(value)

    def _condition(self, where: Where) -> str:
        compared = _COMPARED[where.comparison]
        return f"{_of_which(self.one)} {compared} {where.number} {self.measure[0]} {self.other}"


def _of_which(noun: str) -> str:
    short = noun in (Amount.noun, LogAmount.noun)
    return f"whose {noun.removeprefix('the ')} was" if short else f"for which {noun} was"


def _hours(first: int, last: int) -> str:
    return f"between {first}:00 and {last + 1}:00 UTC"


def _weekdays(first: int, last: int) -> str:
    if first == last:
        return f"on a {_DAYS[first]} (UTC)"
    return f"on {_DAYS[first]} to {_DAYS[last]} (UTC)"


OF_FIELDS: dict[str, Phrase] = {
    "amount": Amount(),
    "amount_log": LogAmount(),
    "hour_of_day": Calendar(noun="the hour of the day", values=range(24), write=_hours),
    "day_of_week": Calendar(noun="the day of the week", values=range(7), write=_weekdays),
}
"""Phrases for the figures of a transaction itself."""
