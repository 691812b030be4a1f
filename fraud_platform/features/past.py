"""What the online state says of the time before an event: the exact figures of its windows."""

import operator
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fraud_platform.clock import DAY_US
from fraud_platform.features.columns import INTEGERS, base_column, feature_integer, scale_of
from fraud_platform.features.declarations import Comparison, Key, Where
from fraud_platform.features.declared import FIELDS
from fraud_platform.features.measures import LabelMeasure, Measure, Reduce
from fraud_platform.features.state import State, hash_field, identifier_hash, related_fields

IDENTITY: dict[Reduce, int] = {"sum": 0, "max": -(2**63), "min": 2**63 - 1}
"""What stands for nothing in a tile, and merges without a trace."""

_COMPARE: dict[Comparison, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
}
_NOTHING: Mapping[str, Any] = {}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction to compute features for: cents, microseconds UTC."""

    timestamp_us: int
    amount_cents: int
    merchant_id: str = ""
    device_id: str | None = None


class Past:
    """An event against the online state, by view; a view that isn't there says nothing.

    A user's past is their daily tiles up to `as_of_us` (or today's start, for an event of before
    that) and their recent events after it, so a store that is a day behind says the same.
    """

    def __init__(self, event: Event, context: Mapping[str, State]) -> None:
        self.event = event
        self.now = event.timestamp_us
        self.today = self.now // DAY_US
        # A view's fields are integers and lists of them; which is which, the view says.
        views: Mapping[str, Mapping[str, Any]] = context
        self._recent = views.get("user_recent", _NOTHING)
        self._user_daily = views.get("user_daily", _NOTHING)
        self._merchant_daily = views.get("merchant_daily", _NOTHING)
        self._user_labels = views.get("user_labels", _NOTHING)
        self._merchant_labels = views.get("merchant_labels", _NOTHING)
        self._times: list[int] = self._recent.get("timestamps_us", [])
        self._end = bisect_left(self._times, self.now)
        as_of = self._user_daily.get("as_of_us", 0)
        self._tiles_until = min(as_of // DAY_US, self.today)

    def sliding(self, measure: Measure, window_us: int) -> int:
        """A measure of the user's events in [t - window, t)."""
        return self._of_recent(measure, bisect_left(self._times, self.now - window_us))

    def days(self, measure: Measure, key: Key, days: int) -> int:
        """A measure over `days` days: the user's with today so far, a merchant's before today."""
        if key == "merchant_id":
            return _of_tiles(self._merchant_daily, measure, self.today - days, self.today)
        opens = self.today - days + 1
        before = _of_tiles(self._user_daily, measure, opens, self._tiles_until)
        since = self._of_recent(measure, self._first_recent(opens))
        return _merge(measure.reduce, before, since)

    def labels(self, measure: LabelMeasure, key: Key, days: int) -> int:
        """A measure over a key's labels of `days` days, today's so far among them."""
        view = self._merchant_labels if key == "merchant_id" else self._user_labels
        first = self.today - days + 1
        if measure.after is not None:
            first = max(first, _of_tiles(view, measure.after, first, self.today + 1) // DAY_US)
        return _of_tiles(view, measure, first, self.today + 1)

    def seen(self, other: str, days: int) -> bool:
        """Whether the user was seen with the event's `other` id within `days` days."""
        return identifier_hash(getattr(self.event, other)) in self._ids(other, days)

    def distinct(self, other: str, days: int, window_us: int) -> int:
        """How many `other` ids the user was seen with in the window."""
        if days:
            return len(self._ids(other, days) - {0})
        first = bisect_left(self._times, self.now - window_us)
        return len(
            set(self._recent[hash_field(other)][first : self._end]) - {0}
            if first < self._end
            else ()
        )

    def _ids(self, other: str, days: int) -> set[int]:
        """Hashes of the ids that the user was seen with within `days` days."""
        opens = self.today - days + 1
        first = self._first_recent(opens)
        found = (
            set(self._recent[hash_field(other)][first : self._end]) if first < self._end else set()
        )
        daily, (hashes, seen_on) = self._user_daily, related_fields(other)
        as_of = daily.get("as_of_us", 0) // DAY_US
        # Bit k stands for day as_of - 1 - k; of interest are opens <= day < tiles_until.
        lowest, highest = as_of - self._tiles_until, as_of - 1 - opens
        if highest >= lowest:
            mask = (1 << (highest + 1)) - (1 << lowest)
            for identifier, bits in zip(daily.get(hashes, ()), daily.get(seen_on, ()), strict=True):
                if bits & mask:
                    found.add(identifier)
        return found

    def _first_recent(self, opens: int) -> int:
        """Where in the recent events the tiles end, or the window opens."""
        return bisect_left(self._times, max(opens, self._tiles_until) * DAY_US)

    def _of_recent(self, measure: Measure, first: int) -> int:
        end = self._end
        if first >= end:
            return IDENTITY[measure.reduce]
        if measure.where is None and measure.column is None:
            match measure.what:
                case "n":
                    return end - first
                case "last":
                    return self._times[end - 1]
                case _:
                    return self._times[first]
        if measure.where is None and measure.column == "amount" and measure.what == "sum":
            return sum(self._recent["amounts_cents"][first:end])
        figures = [f for i in range(first, end) if (f := self._figure(measure, i)) is not None]
        if measure.reduce == "sum":
            return sum(figures)
        choose = max if measure.reduce == "max" else min
        return choose(figures, default=IDENTITY[measure.reduce])

    def _figure(self, measure: Measure, i: int) -> int | None:
        """What the i-th recent event gives to a measure."""
        if measure.where is not None and not self._holds(measure.where, i):
            return None
        if measure.what in ("first", "last"):
            return self._times[i]
        figure = 1 if measure.column is None else self._integer(measure.column, i)
        match measure.what:
            case "n":
                return None if figure is None else 1
            case "sumsq":
                return None if figure is None else figure * figure
        return figure

    def _integer(self, column: str, i: int) -> int | None:
        if column in INTEGERS:
            return INTEGERS[column](self._times[i], self._recent["amounts_cents"][i])
        value = self._recent[base_column(column) or column][i]
        return None if value != value else feature_integer(column, value)  # noqa: PLR0124 - NaN

    def _holds(self, where: Where, i: int) -> bool:
        if where.column in FIELDS:
            integer = INTEGERS[where.column](self._times[i], self._recent["amounts_cents"][i])
            value = integer / scale_of(where.column)
        else:
            value = self._recent[where.column][i]
            if where.or_missing and value != value:  # noqa: PLR0124 - NaN
                return True
        return _COMPARE[where.comparison](value, where.value)


def _of_tiles(
    state: Mapping[str, Any], measure: Measure | LabelMeasure, start: int, end: int
) -> int:
    """A measure over the tiles with start <= day < end."""
    days = state.get("days", ())
    if not days or start >= end:
        return IDENTITY[measure.reduce]
    values = state[measure.name][bisect_left(days, start) : bisect_left(days, end)]
    if measure.reduce == "sum":
        return sum(values)
    choose = max if measure.reduce == "max" else min
    return choose(values, default=IDENTITY[measure.reduce])


def _merge(how: Reduce, a: int, b: int) -> int:
    if how == "sum":
        return a + b
    return max(a, b) if how == "max" else min(a, b)
