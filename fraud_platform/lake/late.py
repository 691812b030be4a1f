"""Which made days are made again for rows that were landed late, and which days follow from them.

Days are held against the number of landed rows that they were made of, not against times: that
holds whoever landed the rows, in whatever order runs and landings overlapped.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import msgspec
import polars as pl

from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.lake.store import Lake

_ATTACHED = ["timestamp_us", "user_id", "merchant_id", "amount_cents"]


class Made(msgspec.Struct, array_like=True):
    """A made day: the landed rows that it was made of, and the number of Dagster's record of it.

    `judged` is the landed count for which it was asked to be made again, so that it is asked once.
    """

    landed_rows: int
    record: int
    judged: int | None = None


class TableDays(msgspec.Struct):
    """The made days of a table, as far as its records were read (`seen`).

    `remade` are days made again because of late rows, whose consequences are still to be drawn.
    """

    seen: int = 0
    made: dict[date, Made] = msgspec.field(default_factory=dict)
    remade: set[date] = msgspec.field(default_factory=set)

    def take(self, day: date, made: Made, *, for_late_rows: bool) -> None:
        """Takes up the record of a day that was made."""
        self.made[day] = made
        self.seen = max(self.seen, made.record)
        if for_late_rows:
            self.remade.add(day)

    def behind(self, landed: Mapping[date, int]) -> list[date]:
        """Days with more rows landed than they were made of."""
        return sorted(
            day for day, made in self.made.items() if landed.get(day, 0) > made.landed_rows
        )

    def judge(self, landed: Mapping[date, int], days: Iterable[date]) -> list[date]:
        """Those of the days that weren't judged as they are landed now; remembers that they are."""
        fresh = [day for day in days if self.made[day].judged != landed[day]]
        for day in fresh:
            self.made[day].judged = landed[day]
        return fresh

    def last_record(self, days: Iterable[date]) -> int:
        """The number of the newest record of these days; 0 where none was made."""
        return max((self.made[day].record for day in days if day in self.made), default=0)


def ranges(days: Iterable[date]) -> list[tuple[date, date]]:
    """The days as ranges without gaps, first and last day of each."""
    found: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def relabelled_days(lake: Lake, raw_days: set[date], lookback_days: int) -> set[date]:
    """Made days of labels that say another thing now that these raw days were made again.

    Such a day has a label whose transaction wasn't known, is another one now (an earlier one of
    the same id), or has other values.
    """
    if not raw_days:
        return set()
    columns = ["event_date", "transaction_id", *_ATTACHED]
    first, end = min(raw_days), max(raw_days) + timedelta(days=1)
    transactions = (
        lake.read(
            RAW_TRANSACTIONS, first, end, columns=["event_date", "transaction_id", *_ATTACHED]
        )
        .filter(pl.col("event_date").is_in(raw_days))
        .unique("transaction_id", keep="first", maintain_order=True)
        .rename({"event_date": "raw_day"})
    )
    labels = lake.read(
        TRANSACTION_LABELS, first, end + timedelta(days=lookback_days), columns=columns
    )
    joined = labels.join(transactions, on="transaction_id", suffix="_now")
    within = pl.col("event_date") - pl.col("raw_day")
    differs = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(f"{name}_now")) for name in _ATTACHED
    )
    known_first = pl.col("timestamp_us_now") <= pl.col("timestamp_us")
    changed = joined.filter(
        within.is_between(timedelta(0), timedelta(days=lookback_days)),
        differs,
        known_first.fill_null(value=True),
    )
    return set(changed["event_date"])


def following_days(
    raw_days: Iterable[date], label_days: Iterable[date], lookback_days: int
) -> set[date]:
    """Days whose features depend on one of these days, the days themselves included."""
    reaches = (
        (raw_days, CATALOGUE.followed_by_days(lookback_days)),
        (label_days, CATALOGUE.label_history_days),
    )
    return {
        day + timedelta(days=after)
        for days, reach in reaches
        for day in days
        for after in range(reach + 1)
    }
