"""Days that should be made by now and aren't: which of them to tell people of, once a day each."""

from collections.abc import Collection
from datetime import date, datetime, timedelta

import msgspec

WEEK = timedelta(days=7)
"""How long people are told of a day that nobody makes."""


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """The days to tell of and those to take back, oldest first; `told` is for the next look.

    It has the days that people were told of, each with the day on which they were told last.
    """

    due: date
    tell: list[date]
    resolve: list[date]
    told: dict[date, date]


def overdue(
    now: datetime, made_by: str, first: date, made: Collection[date], told: dict[date, date]
) -> Overdue:
    """What is overdue at `now`, an aware UTC moment.

    A day is due at `made_by` (HH:MM) of the day after. It and the days that people were `told` of
    are looked at, so a gap of long ago is nobody's news; none is before `first`. What isn't made is
    told once from `made_by` to `made_by`, for a week.
    """
    hours, minutes = made_by.split(":")
    today = (now - timedelta(hours=int(hours), minutes=int(minutes))).date()
    due = today - timedelta(days=1)
    absent = {day for day in (due, *told) if first <= day <= due and day not in made}
    kept = {day: told.get(day) for day in sorted(absent) if today - day <= WEEK}
    return Overdue(
        due=due,
        tell=[day for day, last in kept.items() if last != today],
        resolve=sorted(day for day in told if day in made),
        told=dict.fromkeys(kept, today),
    )
