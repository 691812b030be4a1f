"""The kinds of feature that can be declared, and what each declaration must say.

Windows are text: `24h` slides exactly, `7d` is aligned to days. A user's day window is today so far
and the full days before it; a merchant's is full days before today only, because no stream keeps
merchants' recent events (a large merchant would be one hot key). Labels count from the full hour
after they were known.
"""

import operator
import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from fraud_platform.clock import HOUR_US

Key = Literal["user_id", "merchant_id"]
Other = Literal["device_id", "merchant_id"]
Field = Literal["amount", "amount_log", "hour_of_day", "day_of_week"]
Aggregate = Literal["count", "sum", "mean", "std", "max", "min", "distinct"]
Comparison = Literal[">", ">=", "<", "<=", "=="]

MAX_HOURS, MAX_DAYS = 24, 60

_WINDOW = re.compile(r"([1-9][0-9]*)([hd])")

_COMPARE = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
}


class CatalogueError(ValueError):
    """A declaration that cannot be: it names the feature, what is wrong and how to mend it."""


@dataclass(frozen=True)
class Where:
    """Only events whose `column`, a feature of the event as it was then, compares with `value`.

    A missing value compares with nothing, unless `or_missing` lets it pass.
    """

    column: str
    comparison: Comparison
    value: float
    or_missing: bool = False

    def holds(self, value: float) -> bool:
        """Whether the condition holds for a value that isn't missing."""
        return _COMPARE[self.comparison](value, self.value)

    @property
    def slug(self) -> str:
        """The condition as a piece of a column name."""
        word = {">": "gt", ">=": "ge", "<": "lt", "<=": "le", "==": "eq"}[self.comparison]
        value = self.number.replace("-", "minus_").replace(".", "_").replace("+", "")
        return f"{self.column}_{word}_{value}" + ("_or_missing" if self.or_missing else "")

    def __str__(self) -> str:
        text = f"{self.column} {self.comparison} {self.number}"
        return f"{text} or missing" if self.or_missing else text

    @property
    def number(self) -> str:
        """The value in full: two conditions that differ must not get one column."""
        short = f"{self.value:g}"
        return short if float(short) == self.value else repr(float(self.value))


@dataclass(frozen=True)
class Window:
    """A parsed window: either `us` microseconds that slide, or `days` aligned to days."""

    us: int = 0
    days: int = 0


@dataclass(frozen=True, kw_only=True)
class Feature:
    """What every declaration carries: a name, a unit, one sentence, what a missing value means.

    The type is a 64-bit float for all, as XGBoost takes them; what is a count says so by its unit.
    """

    name: str
    unit: str
    meaning: str
    missing: str = "never missing"

    kind: ClassVar[str]

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the features that this one is computed from."""
        return ()

    @property
    def looks_back_on(self) -> tuple[str, ...]:
        """Names of the features that it looks up of past events, as they were then."""
        where = getattr(self, "where", None)
        return () if where is None else (where.column,)

    def window_of(self, text: str) -> Window:
        """The window in a text such as `24h` or `7d`; raises CatalogueError for another."""
        found = _WINDOW.fullmatch(text)
        number, unit = (int(found[1]), found[2]) if found else (0, "")
        if unit == "h" and number <= MAX_HOURS:
            return Window(us=number * HOUR_US)
        if unit == "d" and number <= MAX_DAYS:
            return Window(days=number)
        raise CatalogueError(
            f"feature {self.name}: a window of {text!r} isn't supported; use 1h to {MAX_HOURS}h, "
            f"which slide, or 1d to {MAX_DAYS}d, which are aligned to days"
        )

    def days_of(self, text: str) -> int:
        """Days of a window that must be aligned to days."""
        window = self.window_of(text)
        if not window.days:
            raise CatalogueError(
                f"feature {self.name}: a window of {text!r} doesn't fit here; use days, such as 30d"
            )
        return window.days


@dataclass(frozen=True, kw_only=True)
class Request(Feature):
    """A figure of the transaction itself."""

    kind = "request"
    field: Field


@dataclass(frozen=True, kw_only=True)
class WindowAggregate(Feature):
    """An aggregate over a key's events before t.

    `column` is a figure of the event: amount, amount_log, hour_of_day, day_of_week, or a feature
    of it as it was then (kept to four decimals, so that sums are exact); for `distinct` it is the
    id that is told apart. A count and a sum of nothing are 0, the other aggregates are missing.
    """

    kind = "window aggregate"
    key: Key
    aggregate: Aggregate
    window: str
    column: str | None = None
    where: Where | None = None

    @property
    def looks_back_on(self) -> tuple[str, ...]:
        column = () if self.aggregate == "distinct" or self.column is None else (self.column,)
        return (*column, *super().looks_back_on)


@dataclass(frozen=True, kw_only=True)
class TimeSinceLast(Feature):
    """Seconds since the key's last event within the window; missing without one."""

    kind = "time since last"
    key: Key
    within: str
    where: Where | None = None


@dataclass(frozen=True, kw_only=True)
class TimeSinceFirst(Feature):
    """Seconds since the key's first event within the window; missing without one."""

    kind = "time since first"
    key: Key
    within: str
    where: Where | None = None


@dataclass(frozen=True, kw_only=True)
class FirstSeen(Feature):
    """1 when the key was not seen with this `other` within the window, else 0."""

    kind = "first seen"
    key: Literal["user_id"]
    other: Other
    within: str


@dataclass(frozen=True, kw_only=True)
class LabelFeature(Feature):
    """Figures over the labels of a key's transactions.

    A label counts from the full hour after it was known, and not before its transaction is
    `maturity` days old (frauds are often known sooner than the rest). `where` is about the
    labelled transaction as it was then.
    """

    key: Key
    window: str
    maturity: int = 0
    where: Where | None = None


@dataclass(frozen=True, kw_only=True)
class LabelRate(LabelFeature):
    """Share of fraud, kept near a prior where labels are few.

    (frauds + prior_rate * prior_weight) / (labels + prior_weight)
    """

    kind = "label rate"
    prior_rate: float
    prior_weight: float


@dataclass(frozen=True, kw_only=True)
class LabelCount(LabelFeature):
    """Number of labels, or of those that say fraud."""

    kind = "label count"
    of: Literal["labels", "frauds"] = "frauds"


@dataclass(frozen=True, kw_only=True)
class LastLabel(LabelFeature):
    """1 when the last known label says fraud, 0 when it says legitimate; missing without one."""

    kind = "last label"


@dataclass(frozen=True, kw_only=True)
class TimeSinceLabel(LabelFeature):
    """Seconds since the last label (or the last of a verdict) was known; missing without one."""

    kind = "time since label"
    of: Literal["labels", "frauds", "legitimate"] = "frauds"


@dataclass(frozen=True, kw_only=True)
class FraudRun(LabelFeature):
    """The frauds known since the last label that says legitimate: how many.

    Or, with `of="age"`, the seconds since the first of them was known; missing without one.
    """

    kind = "fraud run"
    of: Literal["frauds", "age"] = "frauds"


@dataclass(frozen=True, kw_only=True)
class Ratio(Feature):
    """One feature divided by another; missing where either is, or the divisor is 0."""

    kind = "ratio"
    numerator: str
    denominator: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.numerator, self.denominator)


@dataclass(frozen=True, kw_only=True)
class StandardScore(Feature):
    """(value - mean) / deviation; missing where one of them is, or the deviation is 0."""

    kind = "standard score"
    value: str
    mean: str
    deviation: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.value, self.mean, self.deviation)
